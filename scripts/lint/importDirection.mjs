// ESLint rule: a folder imports only what layers.mjs allows it. A rule of our own because it works on the import's
// text and the file's place alone: it holds for every form of import, and also where the target does not exist yet.
import { isAbsolute, posix, relative, sep } from "node:path";
import { ROOT } from "../lib/paths.mjs";
import { forbiddenBy } from "./layers.mjs";

/** @type {import("eslint").Rule.RuleModule} */
export const importDirection = {
  meta: {
    type: "problem",
    docs: { description: "Holds the direction of dependencies between the folders." },
    messages: {
      forbidden: '{{layer}} may not import "{{specifier}}". Allowed: {{rule}}. See scripts/lint/layers.mjs.',
    },
    schema: [],
  },
  create(context) {
    const file = relative(ROOT, context.filename).split(sep).join("/");
    if (file.startsWith("..") || isAbsolute(file)) return {};

    function check(source, typeOnly = false) {
      if (typeof source?.value !== "string") return;
      const layer = forbiddenBy(file, targetOf(file, source.value), typeOnly);
      if (!layer) return;
      const data = { layer: layer.name, specifier: source.value, rule: layer.rule };
      context.report({ node: source, messageId: "forbidden", data });
    }

    return {
      ImportDeclaration: (node) => check(node.source, isTypeOnly(node, "importKind")),
      ExportNamedDeclaration: (node) => check(node.source, isTypeOnly(node, "exportKind")),
      ExportAllDeclaration: (node) => check(node.source, node.exportKind === "type"),
      ImportExpression: (node) => check(node.source),
      // In types: typeof import("…"). Nothing is loaded by it.
      TSImportType: (node) => check(node.argument?.literal ?? node.source ?? node.argument, true),
      TSExternalModuleReference: (node) => check(node.expression, node.parent?.importKind === "type"),
      CallExpression(node) {
        const { callee } = node;
        const isRequire = callee.type === "Identifier" && callee.name === "require";
        const isResolve = callee.type === "MemberExpression" && callee.object.name === "require";
        if (isRequire || isResolve) check(node.arguments[0]);
      },
    };
  },
};

/** Both `import type { A }` and `import { type A }`: the compiler drops either. */
function isTypeOnly(node, kind) {
  return node[kind] === "type" || (node.specifiers.length > 0 && node.specifiers.every((one) => one[kind] === "type"));
}

/** @param {string} file @param {string} specifier */
function targetOf(file, specifier) {
  if (!specifier.startsWith(".")) return { package: specifier };
  const path = posix.join(posix.dirname(file), specifier).replace(/\.(ts|js|mts|cts|mjs|cjs)$/, "");
  return { path: path.replace(/\/index$/, "").replace(/\/$/, "") };
}
