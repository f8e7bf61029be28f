/**
 * What a stopped run is made of, as plain JavaScript: the library as users run it, compiled in `dist`, and a few files of
 * the tests, compiled here. A process that compiles TypeScript as it starts would take longer than the run.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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

/** The numbers of lines in `dist` are those of the sources only where it was built from them. */
function assertBuilt(): void {
  const built = statSync(join(ROOT, "dist/.tsbuildinfo"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const newer = sourcesBelow(join(ROOT, "provider")).find((file) => statSync(file).mtimeMs > built);
  if (newer) throw new Error(`${newer} is newer than what is built in dist. Run: npm run build`);
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sourcesBelow(path) : [path];
  });
}
