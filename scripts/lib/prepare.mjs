// What every command needs first: the packages and the compiled library.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { build } from "./build.mjs";
import { installDependencies } from "./dependencies.mjs";
import { withLock } from "./lock.mjs";
import { ROOT, cacheFolder } from "./paths.mjs";

export async function prepare() {
  // Outside the checkout: node_modules and dist may both be absent, and a lock is nobody's source.
  const name = createHash("sha256").update(ROOT).digest("hex").slice(0, 16);
  await withLock(join(cacheFolder(), "locks", `checkout-${name}`), "installing or compiling", async () => {
    await installDependencies(ROOT);
    await build(ROOT);
  });
}
