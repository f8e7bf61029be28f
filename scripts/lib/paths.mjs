// Where things are: the checkout, and the cache folder for what is too big or too slow to get twice.
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** @param {{ env?: NodeJS.ProcessEnv, platform?: string, home?: string }} [machine] given by tests */
export function cacheFolder({ env = process.env, platform = process.platform, home = homedir() } = {}) {
  const base = env.XDG_CACHE_HOME || (platform === "darwin" ? join(home, "Library", "Caches") : join(home, ".cache"));
  return join(base, "pulumi-rotating-secrets");
}
