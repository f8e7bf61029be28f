// Folders of the cache that are whole or not there: a run that is killed leaves none that is half filled.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Fills a folder aside and renames it into place. What was there before is replaced. Call it under the folder's lock.
 *
 * @template T
 * @param {string} target
 * @param {(aside: string) => Promise<T>} fill puts everything into the folder that it is given
 * @returns {Promise<T>} what `fill` returned
 */
export async function completeFolder(target, fill) {
  const parent = dirname(target);
  const prefix = `${basename(target)}.partial-`;
  await mkdir(parent, { recursive: true });
  await removeLeftovers(parent, prefix);
  const aside = await mkdtemp(join(parent, prefix));
  try {
    const result = await fill(aside);
    if (existsSync(target)) await rename(target, await mkdtemp(join(parent, prefix)));
    await rename(aside, target);
    return result;
  } finally {
    await removeLeftovers(parent, prefix);
  }
}

/** What a run that was killed left behind; the lock is held, so nobody is filling one. */
async function removeLeftovers(parent, prefix) {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    // A compiler that outlived its killed run may still write there: then a later run removes it.
    await rm(join(parent, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}
