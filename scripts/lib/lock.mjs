// One run at a time for what two runs must not do at once (install, build). A lock is a file; its holder touches it
// every two seconds, so that a lock whose holder was killed is seen to be abandoned, also across containers that
// share a cache folder, where a process id means nothing.
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "./say.mjs";

const BEAT_MS = 2_000;
const ABANDONED_MS = 30_000;

/**
 * @template T
 * @param {string} file
 * @param {string} what the other run is doing, for the line that is shown while waiting for it
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, what, work) {
  const content = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() });
  await mkdir(dirname(file), { recursive: true });
  for (let told = false; !(await take(file, content));) {
    if (await isAbandoned(file)) {
      await remove(file, await readFile(file, "utf8").catch(() => undefined));
      continue;
    }
    if (!told) say(`Waiting for another run that is ${what} …`);
    told = true;
    await sleep(250);
  }
  const beat = setInterval(() => void utimes(file, new Date(), new Date()).catch(() => {}), BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await remove(file, content);
  }
}

async function take(file, content) {
  // Written aside and linked into place: nobody ever reads a half-written lock.
  const aside = `${file}.${randomUUID()}`;
  await writeFile(aside, content);
  try {
    await link(aside, file);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function isAbandoned(file) {
  try {
    const [{ mtimeMs }, text] = await Promise.all([stat(file), readFile(file, "utf8")]);
    if (Date.now() - mtimeMs > ABANDONED_MS) return true;
    const holder = JSON.parse(text);
    return holder.host === hostname() && !isAlive(holder.pid);
  } catch {
    return false; // just released
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Removes the lock only if it is still the one meant: another run may have taken it over in the meantime. */
async function remove(file, content) {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, "utf8")) !== content) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}
