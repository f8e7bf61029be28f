// Compiles the library into dist/, when a source changed since the last time.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { say } from "./say.mjs";

/** @param {string} root the checkout; call it under the checkout's lock */
export async function build(root) {
  const stampFile = join(root, "dist", ".build-stamp.json");
  const files = sources(root);
  const fingerprint = fingerprintOf(root, files);
  const last = readStamp(stampFile);
  if (last?.fingerprint === fingerprint) return;

  removeOutputsOfVanished(root, last?.files ?? [], files);
  say("Compiling …");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await run(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: root });
  if (code !== 0) throw new Problem(`The build failed (\`npm run build\` shows the same):\n${output.trim()}`);
  writeFileSync(stampFile, JSON.stringify({ fingerprint, files }));
}

/** The files that tsconfig.json includes, found without TypeScript so that "nothing changed" takes milliseconds. */
function sources(root) {
  const { include } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"));
  return include
    .filter((entry) => existsSync(join(root, entry)))
    .flatMap((entry) =>
      statSync(join(root, entry)).isDirectory()
        ? readdirSync(join(root, entry), { recursive: true }).map((name) => join(entry, String(name)))
        : [entry],
    )
    .filter((file) => file.endsWith(".ts"))
    .sort();
}

function fingerprintOf(root, files) {
  const hash = createHash("sha256");
  for (const file of ["tsconfig.json", "package.json", "package-lock.json", ...files]) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** tsc leaves the output of a source that is gone; a forgotten import of it would then go on working here only. */
function removeOutputsOfVanished(root, before, now) {
  const still = new Set(now);
  for (const file of before.filter((name) => !still.has(name))) {
    const stem = join(root, "dist", file.slice(0, -".ts".length));
    for (const ending of [".js", ".js.map", ".d.ts"]) rmSync(stem + ending, { force: true });
  }
}
