// Gets the servers that tests need into the cache folder, once: each has a folder of its own, named by what it was made
// from, so that checkouts of different versions share the cache. Tests get one folder of links to those that they need.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { completeFolder } from "./complete-folder.mjs";
import { withLock } from "./lock.mjs";
import { cacheFolder } from "./paths.mjs";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { say } from "./say.mjs";
import { SERVERS } from "./server-recipes.mjs";

/**
 * One server, made if it is not there yet.
 *
 * @param {string} name @param {{ background?: boolean, live?: boolean }} [manner] as for any Go build
 * @returns {Promise<string>} its folder
 */
export async function provideServer(name, { background = false, live = false } = {}) {
  const server = SERVERS[name];
  if (process.platform === "win32") {
    throw new Problem(
      `${server.title}, which tests need, is not made on Windows here. Run the tests in WSL or on Linux.`,
    );
  }
  const folder = join(home(), folderName(name, server, process));
  if (await works(server, folder)) return folder;
  await withLock(lockOf(folder), `getting ${server.title}`, async () => {
    if (await works(server, folder)) return;
    await completeFolder(folder, async (aside) => {
      await server.make(aside, { background, live });
      const said = await ask(server, aside);
      if (!said.includes(server.proof.says)) {
        throw new Problem(`${server.title} was made, but does not run on this machine:\n${said.trim()}`);
      }
    });
    say(`${server.title} is ready, in ${folder}.`);
  });
  return folder;
}

/**
 * The folder for ROTATION_SERVERS: `bin/…` and the like, as links to what is cached.
 *
 * @param {Record<string, string>} folders of the servers, by name @returns {Promise<string>}
 */
export async function linkServers(folders) {
  const links = linksTo(folders);
  const name = createHash("sha256").update(JSON.stringify(links)).digest("hex").slice(0, 12);
  const set = join(home(), `set-${name}`);
  const isWhole = () => links.every(([place]) => existsSync(join(set, place)));
  await withLock(lockOf(set), "preparing servers", async () => {
    if (isWhole()) return;
    await completeFolder(set, async (aside) => {
      for (const [place, target] of links) {
        await mkdir(dirname(join(aside, place)), { recursive: true });
        await symlink(target, join(aside, place));
      }
    });
  });
  return set;
}

/**
 * @param {string} name @param {import("./server-recipes.mjs").Server} server
 * @param {{ platform: string, arch: string }} machine
 */
export function folderName(name, { version, identity }, { platform, arch }) {
  return `${name}-${version}-${platform}-${arch}-${identity()}`;
}

/** @param {Record<string, string>} folders @returns {[place: string, target: string][]} in a fixed order */
export function linksTo(folders) {
  return Object.keys(folders)
    .sort()
    .flatMap((name) => Object.entries(SERVERS[name].places).map(([place, path]) => [place, join(folders[name], path)]));
}

function home() {
  return join(cacheFolder(), "servers");
}

function lockOf(folder) {
  return join(cacheFolder(), "locks", `server-${basename(folder)}`);
}

async function works(server, folder) {
  return existsSync(join(folder, server.proof.program)) && (await ask(server, folder)).includes(server.proof.says);
}

async function ask({ proof: { program, args } }, folder) {
  try {
    return (await run(join(folder, program), args, { limitMs: 60_000 })).output;
  } catch (error) {
    return error.message; // such as a program for another kind of processor
  }
}
