/**
 * What a stopped run is made of, as plain JavaScript: the library as users run it, compiled in `dist`, and a few files of
 * the tests, compiled here. A process that compiles TypeScript as it starts would take longer than the run.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";

export const ROOT = resolve(__dirname, "../..");

const OURS = [
  "crash/victim",
  "crash/runs",
  "crash/program",
  "crash/roles",
  "crash/clock",
  "crash/mintedRole",
  "crash/namedFile",
  "support/miniEngine",
];
const PLAIN = ["support/stopAt.cjs"];

export class Compiled {
  private readonly folder = mkdtempSync(join(tmpdir(), "rotation-victim-"));

  constructor() {
    assertBuilt();
    for (const part of ["provider", "testing"]) symlinkSync(join(ROOT, "dist", part), join(this.folder, part));
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
    for (const name of OURS) this.put(`${name}.js`, compile(join(ROOT, "test", `${name}.ts`)));
    for (const name of PLAIN) copyFileSync(join(ROOT, "test", name), join(this.folder, "test", name));
  }

  get victim(): string {
    return join(this.folder, "test/crash/victim.js");
  }

  private put(name: string, text: string): void {
    const file = join(this.folder, "test", name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function compile(file: string): string {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
  return ts.transpileModule(readFileSync(file, "utf8"), { compilerOptions }).outputText;
}

/** Places in `dist` are those of the sources only where it was built from them. The compiler remembers from what. */
function assertBuilt(): void {
  const { fileNames, fileInfos } = JSON.parse(readFileSync(join(ROOT, "dist/.tsbuildinfo"), "utf8")) as {
    fileNames: string[];
    fileInfos: (string | { version: string })[];
  };
  for (const [index, name] of fileNames.entries()) {
    if (!name.startsWith("../provider/")) continue;
    const info = fileInfos[index];
    const now = createHash("sha256")
      .update(readFileSync(join(ROOT, "dist", name), "utf8"))
      .digest("hex");
    if (now !== (typeof info === "object" ? info.version : info))
      throw new Error(`${name.slice(3)} is not what dist was built from. Run: npm run build`);
  }
}
