/** A process that runs one test after the other, each against the source that it is told. See run.ts. */
import fs from "node:fs";
import Module from "node:module";
import { join, resolve } from "node:path";
import Mocha from "mocha";
import type { Failure, Job, Outcome } from "./run";

const ROOT = resolve(__dirname, "../..");
/** The only file of the product that loads others with `import()`. */
const REGISTRY = join(ROOT, "provider/registry.ts");
const LIMIT_MS = 10_000;

/** The path and the text of the file that is mutated now. */
let served: { readonly path: string; readonly source: string; read: boolean } | undefined;

const readFileSync = fs.readFileSync;
fs.readFileSync = function (this: unknown, ...given: Parameters<typeof readFileSync>) {
  const [path] = given;
  if (typeof path === "string" && (path === REGISTRY || path === served?.path)) return sourceOf(path);
  return readFileSync.apply(this, given);
} as typeof readFileSync;

function sourceOf(path: string): string {
  const mutated = path === served?.path;
  if (mutated) served!.read = true;
  const source = mutated ? served!.source : readFileSync(path, "utf8");
  // The cache of `import()` cannot be emptied.
  return path === REGISTRY ? source.replace(/\bimport\((".*?")\)/g, "Promise.resolve(require($1))") : source;
}

function isOurs(path: string): boolean {
  return path.startsWith(`${ROOT}/`) && !path.startsWith(join(ROOT, "node_modules")) && path !== __filename;
}

/** Every module of this package is loaded afresh for each job, so that no state is left of the one before. */
function forgetModules(): void {
  const cache = (Module as unknown as { _cache: Record<string, NodeJS.Module> })._cache;
  for (const path of Object.keys(cache)) {
    if (isOurs(path)) Reflect.deleteProperty(cache, path);
    else if (cache[path]) cache[path].children = cache[path].children.filter((child) => !isOurs(child.filename));
  }
}

async function run({ test, mutated }: Job): Promise<Outcome> {
  served = mutated && { path: join(ROOT, mutated.file), source: mutated.source, read: false };
  const ran: string[] = [];
  const failures: Failure[] = [];
  const mocha = new Mocha({ ui: "bdd", timeout: LIMIT_MS, reporter: Mocha.reporters.Base, forbidOnly: true });
  mocha.addFile(join(ROOT, test.file));
  mocha.fgrep(test.title);
  try {
    await new Promise<unknown>((done) => {
      const runner = mocha.run(done);
      runner.on("test end", (one) => void ran.push(one.fullTitle()));
      runner.on("fail", (one, error) => void failures.push(failureOf(one.fullTitle(), error)));
    });
    mocha.dispose();
    return { ran, failures, loaded: served?.read ?? false };
  } catch (error) {
    return { loadError: String(error), ran, failures, loaded: served?.read ?? false };
  } finally {
    served = undefined;
    forgetModules();
  }
}

function failureOf(title: string, error: Error & { code?: string; operator?: string; actual?: unknown }): Failure {
  const { name, code, message, operator, actual } = error;
  return {
    title,
    name,
    code,
    message: message.slice(0, 2000),
    unwanted: operator === "ifError" ? ((actual as Error | undefined)?.name ?? typeof actual) : undefined,
  };
}

process.on("message", (job: Job) => {
  void run(job).then((outcome) => process.send?.(outcome));
});
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
