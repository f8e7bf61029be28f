/** Creating files that are either there completely and durably, or not at all. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConfigurationError, UnreachableError } from "../../lifecycle/errors";
import { errorCode } from "./failures";

/** How much older than a new file a temporary file must be to count as left behind by a dead process. */
const ABANDONED_AFTER_MS = 60_000;
const ATTEMPTS = 3;
/** What `link` fails with where the filesystem, or the way it is mounted, has no hard links. */
const NO_HARD_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

const sweptFolders = new Set<string>();

/**
 * Creates `target` with this content, mode 0600, unless it exists.
 *
 * The content is written to a temporary file and made durable first; the hard link is what makes it visible, and it
 * fails when somebody else was faster. So nobody ever sees a part of a file, two writers cannot both win, and a
 * writer that dies leaves nothing but a temporary file.
 * @param scratch a folder on the same filesystem that holds nothing but temporary files.
 */
export async function createOnce(scratch: string, target: string, content: Buffer): Promise<"created" | "exists"> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const outcome = await createThroughScratch(scratch, target, content);
    if (outcome !== "swept") {
      // Also where it existed: whoever created it may have died before it was durable.
      await syncFolder(dirname(target)).catch((error: unknown) => {
        throw outcomeUnknown(target, error);
      });
      return outcome;
    }
  }
  throw new UnreachableError(
    `The file ${target} could not be created: its temporary file in ${scratch} vanished ${ATTEMPTS} times. ` +
      "Nothing was changed. Stop whatever removes files there, then run again.",
  );
}

/** Puts an empty file in the place of `target`. Whoever opened it before can read it to the end. */
export async function replaceByEmpty(scratch: string, target: string): Promise<void> {
  const temporary = await writeTemporary(scratch, Buffer.alloc(0));
  try {
    await rename(temporary, target);
  } catch (error) {
    await removeIfPresent(temporary);
    throw error;
  }
}

/** Makes entries that were added to or removed from the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // A folder cannot be opened there.
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the folder, and those above it, with mode 0700. One that exists keeps its mode. */
export async function makePrivateFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

export async function removeIfPresent(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function createThroughScratch(
  scratch: string,
  target: string,
  content: Buffer,
): Promise<"created" | "exists" | "swept"> {
  const temporary = await writeTemporary(scratch, content);
  try {
    await link(temporary, target);
    return "created";
  } catch (error) {
    const code = errorCode(error);
    // Over a network, `link` may report a failure although it worked: the number of links tells the truth.
    const links = await numberOfLinks(temporary);
    if (links === 0) return "swept";
    if (links === 2) return "created";
    if (code === "EEXIST") return "exists";
    if (code !== undefined && NO_HARD_LINKS.has(code)) throw noHardLinks(dirname(target), error);
    throw error;
  } finally {
    // It is only clutter by now, and it must not hide what happened above.
    await removeIfPresent(temporary).catch(() => undefined);
  }
}

async function writeTemporary(scratch: string, content: Buffer): Promise<string> {
  const temporary = join(scratch, `${process.pid}-${randomBytes(8).toString("hex")}`);
  const handle = await open(temporary, "wx", 0o600);
  try {
    if (content.length > 0) {
      await handle.writeFile(content);
      await handle.sync();
    }
    if (!sweptFolders.has(scratch)) {
      sweptFolders.add(scratch);
      await removeAbandoned(scratch, (await handle.stat()).mtimeMs);
    }
  } catch (error) {
    await removeIfPresent(temporary).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
  return temporary;
}

/**
 * Compares with the time of a file that was made just now, so that both times are the filesystem's. A process that
 * was only slow notices that its file is gone and writes it again.
 */
async function removeAbandoned(scratch: string, now: number): Promise<void> {
  for (const entry of await readdir(scratch)) {
    const path = join(scratch, entry);
    try {
      if ((await stat(path)).mtimeMs < now - ABANDONED_AFTER_MS) await unlink(path);
    } catch {
      // Somebody else removed it, or it is not ours to remove: no reason to fail.
    }
  }
}

async function numberOfLinks(path: string): Promise<number> {
  try {
    return (await stat(path)).nlink;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

function outcomeUnknown(target: string, cause: unknown): UnreachableError {
  return new UnreachableError(
    `The file ${target} was created, but it is not certain that it would survive a power cut ` +
      `(${(cause as Error).message}). Check the disk, then run again: the next run finds out what is there.`,
    { cause },
  );
}

function noHardLinks(folder: string, cause: unknown): ConfigurationError {
  return new ConfigurationError(
    `The folder ${folder} is on a filesystem without hard links (${(cause as Error).message}). The file store needs ` +
      "them to let exactly one of two concurrent runs win. Nothing was changed. Give `path` a folder on a local disk " +
      "or on NFS, not on FAT, exFAT or a shared folder of a virtual machine.",
    { cause },
  );
}
