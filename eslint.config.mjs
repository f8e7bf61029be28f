// @ts-check
import { createRequire } from "node:module";
import tseslint from "typescript-eslint";
import { importDirection } from "./scripts/lint/importDirection.mjs";

// The recommended rules of the very ESLint that runs; its package is a dependency of eslint's, not of ours.
const require = createRequire(createRequire(import.meta.url).resolve("eslint"));
const eslint = require("@eslint/js");

const SHIPPED = [
  "index.ts",
  "provider/**/*.ts",
  "components/**/*.ts",
  "cli/**/*.ts",
  "client/**/*.ts",
  "testing/**/*.ts",
];
const USING = ["test/**/*.ts", "examples/**/*.ts", "bench/**/*.ts"];

export default tseslint.config(
  { ignores: ["**/node_modules/", "**/dist/", "coverage/"] },
  eslint.configs.recommended,
  {
    files: [...SHIPPED, ...USING],
    extends: [...tseslint.configs.strictTypeChecked],
    plugins: { rotation: { rules: { "import-direction": importDirection } } },
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./tsconfig.test.json"], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "rotation/import-direction": "error",
      "no-duplicate-imports": ["error", { allowSeparateTypeImports: true }],
      eqeqeq: "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Errors and log lines are full of numbers and booleans, which print well.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Contracts are asynchronous also where one implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // `while (true)` is how a loop that waits for something is written.
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
    },
  },
  {
    // Tests and examples may take short cuts that the library may not.
    files: USING,
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/unbound-method": "off",
    },
  },
  {
    // Plain JavaScript: the scripts, and programs of examples and tests.
    files: ["**/*.mjs", "**/*.cjs", "**/*.js"],
    languageOptions: {
      globals: {
        ...Object.fromEntries(
          ["process", "console", "fetch", "URL", "AbortSignal", "setTimeout", "clearTimeout", "setInterval"]
            .concat(["clearInterval", "Buffer", "require", "module", "exports", "__dirname", "__filename"])
            .map((name) => [name, "readonly"]),
        ),
      },
    },
    rules: { eqeqeq: "error", "no-unused-vars": ["error", { argsIgnorePattern: "^_" }] },
  },
);
