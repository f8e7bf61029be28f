import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import type * as TextModule from "../../provider/resources/text";
import { providerText } from "../../provider/resources/text";

const ROOT = resolve(__dirname, "../..");

/** Runs a script in a fresh Node process, where the built package is found as by a user's program. */
function run(script: string): unknown {
  const output = execFileSync(process.execPath, ["-e", script], { cwd: join(ROOT, "examples"), encoding: "utf8" });
  return JSON.parse(output);
}

describe("the package, imported by a program", function () {
  this.timeout(60_000);

  it("loads no cloud SDK, no database driver and nothing that only the provider process needs", () => {
    const loaded = run(`
      require("@pulumi/pulumi");
      const before = new Set(Object.keys(require.cache));
      require("pulumi-rotating-secrets");
      console.log(JSON.stringify(Object.keys(require.cache).filter((file) => !before.has(file))));
    `) as string[];
    const relative = loaded.map((file) => file.slice(ROOT.length + 1));
    assert.ok(relative.length > 0);
    assert.deepEqual(
      relative.filter((file) => !/^dist\/(index|components\/\w+|provider\/resources\/\w+)\.js$/.test(file)),
      [],
    );
  });

  for (const vendor of ["vault", "aws", "gcp", "kubernetes"]) {
    it(`loads @pulumi/${vendor}, and no other SDK, with its entry "${vendor}"`, () => {
      const { packages, ours } = run(`
        require("@pulumi/pulumi");
        const before = new Set(Object.keys(require.cache));
        require("pulumi-rotating-secrets/${vendor}");
        const loaded = Object.keys(require.cache).filter((file) => !before.has(file));
        const packageOf = (file) => /.*[/]node_modules[/]((?:@[^/]+[/])?[^/]+)/.exec(file)?.[1];
        console.log(JSON.stringify({
          packages: [...new Set(loaded.map(packageOf).filter(Boolean))].sort(),
          ours: loaded.filter((file) => !packageOf(file)),
        }));
      `) as { packages: string[]; ours: string[] };
      assert.deepEqual(packages, [`@pulumi/${vendor}`, ...(vendor === "kubernetes" ? [] : ["zod"])]);
      const allowed = new RegExp(`^dist/(components/(${vendor}/)?|provider/(lifecycle|resources)/)\\w+\\.js$`);
      assert.deepEqual(
        ours.map((file) => file.slice(ROOT.length + 1)).filter((file) => !allowed.test(file)),
        [],
      );
    });
  }

  it("loads nothing but Node's own modules with its entry for applications", () => {
    const { files, others } = run(`
      const asked = new Set();
      const { Module } = require("node:module");
      const load = Module._load;
      Module._load = (request, ...rest) => (asked.add(request), load(request, ...rest));
      require("pulumi-rotating-secrets/client");
      const others = [...asked].filter((name) => !/^(node:|[.][/])/.test(name));
      console.log(JSON.stringify({ files: Object.keys(require.cache), others }));
    `) as { files: string[]; others: string[] };
    assert.deepEqual(others, ["pulumi-rotating-secrets/client"]);
    const ours = files.map((file) => file.slice(ROOT.length + 1));
    assert.ok(ours.includes("dist/client/index.js"));
    assert.deepEqual(
      ours.filter((file) => !/^dist\/client\/\w+\.js$/.test(file)),
      [],
    );
  });

  it("adds at most 100 ms of CPU to a program that imports @pulumi/pulumi", () => {
    const measure = `
      require("@pulumi/pulumi");
      const before = process.cpuUsage();
      require("pulumi-rotating-secrets");
      const { user, system } = process.cpuUsage(before);
      console.log(JSON.stringify((user + system) / 1000));
    `;
    const best = Math.min(...[1, 2, 3].map(() => run(measure) as number));
    assert.ok(best <= 100, `${best} ms`);
  });

  it("has an entry for each declared path", () => {
    const { exports, bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      exports: Record<string, string | { types: string; default: string }>;
      bin: Record<string, string>;
    };
    const files = [
      ...Object.values(exports).flatMap((target) => (typeof target === "string" ? [target] : Object.values(target))),
      ...Object.values(bin),
    ];
    for (const file of files) assert.ok(readFileSync(join(ROOT, file)).length > 0, file);
  });
});

describe("the provider text in the state", () => {
  const source = readFileSync(join(ROOT, "provider/resources/text.ts"), "utf8");
  const build = (options: ts.CompilerOptions): typeof TextModule => {
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.CommonJS, ...options },
    });
    const module = { exports: {} };
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- a build of our own source
    new Function("exports", "module", outputText)(module.exports, module);
    return module.exports as typeof TextModule;
  };

  it("is the same whatever the build: states written by any version name it", () => {
    const builds = [
      build({ target: ts.ScriptTarget.ES2017 }),
      build({ target: ts.ScriptTarget.ESNext, removeComments: true }),
    ];
    for (const { providerText: built } of builds) {
      assert.equal(
        built("secretVersion"),
        'exports.handler=()=>require("pulumi-rotating-secrets/internal/handler").secretVersion',
      );
      assert.equal(built("rollout"), 'exports.handler=()=>require("pulumi-rotating-secrets/internal/handler").rollout');
    }
    assert.equal(providerText("rollout"), builds[0]?.providerText("rollout"));
  });

  it("is what the built package gives, and leads to the handler", () => {
    const methods = run(`
      const handler = require("pulumi-rotating-secrets/internal/handler");
      console.log(JSON.stringify(["secretVersion", "rollout"].map((name) => Object.keys(handler[name]).sort())));
    `);
    const rollout = ["check", "configure", "create", "delete", "diff", "update"];
    assert.deepEqual(methods, [[...rollout, "read"].sort(), rollout]);
  });
});
