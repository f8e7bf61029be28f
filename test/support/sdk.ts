/** Another version of `@pulumi/pulumi` than the one that is installed here, got once into the cache folder. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** @returns the folder of its `node_modules`. */
export async function provideSdk(version: string): Promise<string> {
  const { withLock } = await import("../../scripts/lib/lock.mjs");
  const { cacheFolder } = await import("../../scripts/lib/paths.mjs");
  const target = join(cacheFolder(), `pulumi-sdk-${version}`);
  await withLock(
    join(cacheFolder(), "locks", `pulumi-sdk-${version}`),
    `getting @pulumi/pulumi ${version}`,
    async () => {
      if (!existsSync(target)) await install(version, target);
    },
  );
  return join(target, "node_modules");
}

/** Filled aside and renamed into place, so that a half-filled folder is never taken for a whole one. */
async function install(version: string, target: string): Promise<void> {
  const { run } = await import("../../scripts/lib/processes.mjs");
  await mkdir(dirname(target), { recursive: true });
  const aside = await mkdtemp(join(dirname(target), "partial-"));
  try {
    await writeFile(join(aside, "package.json"), JSON.stringify({ private: true }));
    const wanted = `@pulumi/pulumi@${version}`;
    const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"];
    const { code, output } = await run("npm", ["install", ...quiet, wanted], { cwd: aside });
    if (code !== 0) throw new Error(`npm install ${wanted} failed:\n${output.trim()}`);
    await rename(aside, target);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
