/** What the documentation says is held against the code: its examples, its links, and the tables that name things. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import { rolloutInputs } from "../../provider/inputs/rollout";
import { secretVersionInputs } from "../../provider/inputs/secretVersion";
import { inputPolicy, postgresOptions } from "../../provider/kinds/postgres/options";
import * as registry from "../../provider/registry";
import { MUTATIONS } from "../rules/mutations";

const ROOT = resolve(__dirname, "../..");
const RULES = Array.from({ length: 24 }, (_, index) => index + 1);

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

const EXAMPLES = readdirSync(join(ROOT, "examples")).map((example) => `examples/${example}/README.md`);
const PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...filesBelow("docs", ".md"), ...EXAMPLES];

describe("the documentation", function () {
  this.timeout(60_000);

  it("has examples that type-check against the built package", () => {
    const blocks = new Map(PAGES.flatMap((page) => blocksOf(page)));
    assert.ok(blocks.size >= 3, "there are examples");
    assert.ok(existsSync(join(ROOT, "dist/index.d.ts")), "the package is built: npm run build");
    assert.deepEqual(typeErrors(blocks), []);
  });

  it("has links that lead somewhere", () => {
    const broken = PAGES.flatMap((page) =>
      linksOf(page)
        .filter((link) => !leadsSomewhere(page, link))
        .map((link) => `${page}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  it("has a page for everything that is named in the table of contents of the package", () => {
    const { files } = JSON.parse(read("package.json")) as { files: string[] };
    assert.deepEqual(
      files.filter((file) => !/^!?dist\b/.test(file) && !existsSync(join(ROOT, file))),
      [],
    );
  });
});

describe("the rules of the protocol", () => {
  const protocol = read("docs/protocol.md");

  it("are each named in the code that keeps them", () => {
    const named = rulesByFile();
    const missing = RULES.filter((rule) => ![...named.values()].some((rules) => rules.has(rule)));
    assert.deepEqual(missing, [], `named are:\n${tableOf(named)}`);
  });

  it("each have a section, with the files that keep it", () => {
    const sections = protocol.split(/^#### /m).slice(1);
    assert.deepEqual(
      sections.map((section) => Number(/^Rule (\d+):/.exec(section)?.[1])),
      RULES,
    );
    for (const section of sections) {
      const keepers = [...(/^- Kept by: (.*)$/m.exec(section)?.[1] ?? "").matchAll(/`(provider\/[^`]+)`/g)];
      assert.ok(keepers.length > 0, `"${section.split("\n")[0]}" says which files keep it`);
      for (const [, file] of keepers) assert.ok(existsSync(join(ROOT, file ?? "")), `${file} exists`);
    }
  });

  it("name tests that there are", () => {
    const quoted = testsNamedIn(protocol);
    assert.ok(quoted.length > 20);
    assert.deepEqual(unknownTests(quoted), []);
  });

  it("name the mutations that there are, each under its rule", () => {
    for (const section of protocol.split(/^#### /m).slice(1)) {
      const rule = Number(/^Rule (\d+):/.exec(section)?.[1]);
      const names = MUTATIONS.filter((mutation) => mutation.rule === rule).map(({ name }) => name);
      const said = /^- Mutations: .*$/m.exec(section)?.[0];
      assert.equal(said, `- Mutations: ${names.join("; ")}`, `the line "Mutations:" of rule ${rule}`);
    }
  });
});

describe("the engine's sharp edges", () => {
  const page = read("docs/engine-edges.md");

  it("name tests that there are", () => {
    const quoted = testsNamedIn(page);
    assert.ok(quoted.length > 20);
    assert.deepEqual(unknownTests(quoted), []);
  });

  it("each have an entry: every test of them is named", () => {
    const sources = filesBelow("test/engine/edges", ".test.ts").map(read).join("\n");
    const titles = [...sources.matchAll(/\bedge\(\s*["`]([^"`]+)["`]/g)].map(([, title]) => title ?? "");
    assert.ok(titles.length > 15);
    assert.deepEqual(
      titles.map((title) => title.replace(/^.*\}/, "").trim()).filter((title) => !page.includes(`${title}"`)),
      [],
    );
  });
});

describe("the guarantees", () => {
  const page = read("docs/guarantees.md");
  const sections = page.split(/^## (?=\d)/m).slice(1);

  it("are those of the README, in its order", () => {
    const promises = [...read("README.md").matchAll(/^(\d)\. \*\*(.*?)\.\*\*/gm)];
    assert.equal(promises.length, 5);
    const simple = (text: string) => text.toLowerCase().replace(/[^a-z]+/g, " ");
    for (const [index, [, number, promise]] of promises.entries()) {
      const [title = ""] = sections[index]?.split("\n") ?? [];
      const words = simple(promise ?? "").split(" ");
      assert.ok(title.startsWith(`${number}. `), title);
      assert.ok(
        words.filter((word) => simple(title).split(" ").includes(word)).length > words.length / 2,
        `"${title}" is "${promise}"`,
      );
    }
  });

  it("each name the tests that hold them, and what is not promised", () => {
    assert.equal(sections.length, 5);
    for (const section of sections) {
      const [title = ""] = section.split("\n");
      const tests = testsNamedIn(section);
      assert.ok(tests.length >= 5, title);
      assert.deepEqual(unknownTests(tests), [], title);
      assert.match(section, /^- Rules: ./m, title);
      assert.ok((section.split("\nNot promised:\n")[1]?.match(/^- \*\*/gm) ?? []).length >= 5, title);
    }
  });
});

describe("the faults of the world", () => {
  it("each name the tests that make them happen, which there are", () => {
    const rows = read("docs/faults.md").match(/^\| (?!fault |-).*\|$/gm) ?? [];
    assert.ok(rows.length > 20);
    for (const row of rows) {
      const tests = [...(row.split(" | ").at(-1) ?? "").matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? "");
      assert.ok(tests.length > 0, `no test: ${row}`);
      assert.deepEqual(unknownTests(tests), []);
    }
  });
});

describe("the tables of the documentation", () => {
  it("name every input of the secret, and no other", () => {
    assert.deepEqual(namesIn("docs/inputs.md", "The secret").sort(), namesOf(secretVersionInputs).sort());
  });

  it("name every option of the PostgreSQL kind, and no other, with what a change does", () => {
    const rows = rowsIn("docs/inputs.md", "PostgreSQL");
    assert.deepEqual(rows.map(([name]) => name).sort(), Object.keys(postgresOptions.shape).sort());
    const said = { rotate: "rotates", "in-place": "in place", refuse: "is refused" };
    for (const [name, cells] of rows)
      assert.equal(cells.at(-1), said[inputPolicy[name] ?? "rotate"], `what a change of ${name} does`);
  });

  it("say on the page of a kind what a change of each option does", async () => {
    const said = { rotate: "rotates", "in-place": "in place", refuse: "is refused" };
    for (const kind of ["awsAccessKey", "vaultAppRoleSecretId"]) {
      const { options, inputPolicy: policy } = await registry.kinds[kind]!();
      const rows = rowsIn(`docs/kinds/${kind}.md`, "Options");
      assert.deepEqual(
        rows.map(([name]) => name).sort(),
        Object.keys((options as never as { shape: object }).shape).sort(),
      );
      for (const [name, cells] of rows)
        assert.equal(cells.at(-1), said[policy[name] ?? "rotate"], `${kind}: what a change of ${name} does`);
    }
  });

  it("name every input of a rollout, and no other", () => {
    assert.deepEqual(
      rowsIn("docs/inputs.md", "The rollout").map(([name]) => name),
      Object.keys(rolloutInputs.shape),
    );
  });

  it("name every option of every adapter on its page", async () => {
    const missing: string[] = [];
    for (const [page, family, types] of [
      ["docs/checks.md", registry.checks, typesOf(registry.checks)],
      ["docs/consumers.md", registry.consumers, typesOf(registry.consumers)],
      ["docs/kinds/awsAccessKey.md", registry.kinds, ["awsAccessKey"]],
      ["docs/kinds/vaultAppRoleSecretId.md", registry.kinds, ["vaultAppRoleSecretId"]],
      ["docs/stores/file.md", registry.stores, ["file"]],
      ["docs/stores/vault.md", registry.stores, ["vaultKv"]],
      ["docs/stores/aws.md", registry.stores, ["awsSecretsManager"]],
      ["docs/stores/gcp.md", registry.stores, ["gcpSecretManager"]],
      ["docs/stores/kubernetes.md", registry.stores, ["kubernetesSecret"]],
    ] as const) {
      for (const type of types) {
        // One that is long has a page of its own, and what all have in common is on the common one.
        const own = page.replace(/\.md$/, `/${type}.md`);
        const text = read(page) + (existsSync(join(ROOT, own)) ? read(own) : "");
        const inBackticks = new Set([...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code));
        const { options } = await (family as Record<string, () => Promise<{ options: unknown }>>)[type]!();
        for (const name of Object.keys((options as { shape: object }).shape))
          if (!inBackticks.has(name)) missing.push(`${page}: ${name} of ${type}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it("name every step of the audit trail, and no other", () => {
    const code = filesBelow("provider/rotation", ".ts").map(read).join("\n");
    const literal = [...code.matchAll(/\bstep: (?:[\w.]+ \? )?"([a-z-]+)"/g)].map(([, step]) => step ?? "");
    // Passed on by name: the phases that are steps too, and what a rollout reports.
    const passedOn = ["staged", "issued", "verified", "promoting", "canary-checked", "health-checked"];
    for (const step of passedOn) assert.ok(code.includes(`"${step}"`), `${step} is still a step`);
    const page = read("docs/audit.md");
    const table = page.slice(page.indexOf("\n## Steps"), page.indexOf("\n## What it promises"));
    const named = [...table.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell]) =>
      [...(cell ?? "").matchAll(/`([a-z-]+)`/g)].map(([, step]) => step ?? ""),
    );
    assert.deepEqual(named.sort(), [...new Set([...literal, ...passedOn])].sort());
  });
});

/** Other tests of the same process put adapters in memory there. */
function typesOf(family: object): string[] {
  return Object.keys(family).filter((type) => type !== "memory");
}

/** The names in the lines "Tests:" of a page. */
function testsNamedIn(text: string): string[] {
  return [...text.matchAll(/^ *- Tests: (.*)$/gm)].flatMap(([, line]) =>
    [...(line ?? "").matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? ""),
  );
}

/** Those of the names that stand in no test; quoting one elsewhere does not make it a test. */
function unknownTests(names: readonly string[]): string[] {
  const quoting = ["test/unit/docs.test.ts", "test/rules/mutations.ts"];
  const sources = [...filesBelow("test", ".ts"), ...filesBelow("testing", ".ts")]
    .filter((file) => !quoting.includes(file))
    .map(read)
    .join("\n");
  return names.filter((name) => !sources.includes(name));
}

/** The TypeScript examples of a page, each as a module of its own. */
function blocksOf(page: string): [string, string][] {
  return [...read(page).matchAll(/^( *)```ts\n([\s\S]*?)^\1```$/gm)].map(([, , code], index) => [
    join(ROOT, `${page.replace(/[^A-Za-z0-9]/g, "-")}-${index + 1}.ts`),
    `${preambleFor(code ?? "")}\n${code}\nexport {};\n`,
  ]);
}

/** What an example may use without saying where it comes from. */
function preambleFor(code: string): string {
  const common: Record<string, string> = {
    pulumi: `import * as pulumi from "@pulumi/pulumi";`,
    rotation: `import * as rotation from "pulumi-rotating-secrets";`,
    db: `declare const db: import("pulumi-rotating-secrets").RotatingSecret;`,
  };
  return Object.entries(common)
    .filter(([name]) => !new RegExp(`\\b(const|as) ${name}\\b`).test(code))
    .map(([, line]) => line)
    .join("\n");
}

function typeErrors(blocks: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  Object.assign(options, { noEmit: true, incremental: false, rootDir: ROOT });
  options.paths = {
    "pulumi-rotating-secrets": [join(ROOT, "dist/index.d.ts")],
    "pulumi-rotating-secrets/*": [join(ROOT, "dist/components/*/index.d.ts"), join(ROOT, "dist/*/index.d.ts")],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (file) => blocks.has(file) || fileExists(file);
  host.readFile = (file) => blocks.get(file) ?? readFile(file);
  const program = ts.createProgram([...blocks.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
    const file = diagnostic.file ? relative(ROOT, diagnostic.file.fileName) : "";
    const before = diagnostic.file?.text.slice(0, diagnostic.start).split("\n").length ?? 0;
    const line = diagnostic.file?.text.split("\n")[before - 1]?.trim() ?? "";
    return `${file}: ${text} (at "${line}")`;
  });
}

/** Relative links and pictures, without those inside of code. */
function linksOf(page: string): string[] {
  const prose = read(page).replace(/^( *)```[\s\S]*?^\1```$/gm, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? "").filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : relative(ROOT, join(ROOT, dirname(page), path));
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchorsOf(target).includes(anchor);
}

/** As GitHub makes them from headings. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading ?? "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Which rules the comments of a file name: "rule 7", "rules 1, 5 and 9", "rules 18 to 20". */
function rulesByFile(): Map<string, Set<number>> {
  const named = new Map<string, Set<number>>();
  for (const file of filesBelow("provider", ".ts")) {
    const rules = new Set<number>();
    for (const [, list] of read(file).matchAll(/\brules? (\d+(?:(?:, | and | to )\d+)*)/gi)) {
      const numbers = (list ?? "").split(/, | and | to /).map(Number);
      const [first = 0, last = first] = list?.includes(" to ") ? numbers : [];
      for (let rule = first; rule <= last && rule > 0; rule++) rules.add(rule);
      for (const rule of numbers) rules.add(rule);
    }
    if (rules.size > 0) named.set(file, rules);
  }
  return named;
}

function tableOf(named: ReadonlyMap<string, ReadonlySet<number>>): string {
  return RULES.map((rule) => {
    const files = [...named].filter(([, rules]) => rules.has(rule)).map(([file]) => file);
    return `  rule ${rule}: ${files.join(", ") || "NOWHERE"}`;
  }).join("\n");
}

/** The rows of the first table of a section: the name in the first cell, and all cells. */
function rowsIn(page: string, heading: string): [string, string[]][] {
  const section = read(page).split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => {
      const cells = line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [/^`([^`]+)`$/.exec(cells[0] ?? "")?.[1] ?? `unreadable: ${cells[0]}`, cells];
    });
}

function namesIn(page: string, heading: string): string[] {
  return rowsIn(page, heading).map(([name]) => name);
}

/** Where an option is chosen by its type, as in `secretFrom`, the names end. */
interface Schema {
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly def: { readonly type: string; readonly innerType?: Schema; readonly element?: Schema };
}

/** The names of a zod object and of those within: `retirement.grace`, `events[].id`. */
function namesOf(schema: unknown, prefix = ""): string[] {
  const { shape, def } = schema as Schema;
  if (def.innerType) return namesOf(def.innerType, prefix);
  if (def.element) return namesOf(def.element, prefix && `${prefix.slice(0, -1)}[].`);
  return Object.entries(shape ?? {}).flatMap(([name, inner]) => {
    const within = namesOf(inner, `${prefix}${name}.`);
    // An adapter's options have a page of their own; here only its name counts.
    return [`${prefix}${name}`, ...within.filter((one) => !/\.type$/.test(one) && !/^rotation\./.test(one))];
  });
}
