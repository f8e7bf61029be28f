/**
 * An audit trail in a file: one event a line, only ever appended to. Several secrets and several processes may share
 * one file. Do not rotate or edit it: the verification would find events missing.
 */
import { constants } from "node:fs";
import { access, open, readFile, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { AuditSink } from "../contracts/audit";
import type { AdapterContext } from "../contracts/context";
import { RotationError, UnreachableError } from "../lifecycle/errors";
import { parseTrail } from "./lines";
import { disagreement, refuseWrongHash } from "./refusals";
import { TrailFile } from "./trailFile";

export const fileAuditOptions = z.strictObject({
  type: z.literal("file"),
  /**
   * The file that events are appended to, made with mode 0600 (its folder with 0700) when it does not exist. A
   * relative path counts from the working directory of the Pulumi program.
   */
  path: z.string("path must be a text, the file of the audit trail").min(1, "path must not be empty"),
});

export type FileAuditOptions = z.infer<typeof fileAuditOptions>;

/** What a run may need for its events; a rotation writes about a tenth of it. */
const SPACE_FOR_A_RUN = 128 * 1024;

const trails = new Map<string, TrailFile>();

export function createFileAuditSink(options: FileAuditOptions, _context: AdapterContext): AuditSink {
  const path = resolve(options.path);
  const location = `file:${path}`;
  const trail = trails.get(path) ?? new TrailFile(path);
  trails.set(path, trail);
  return {
    type: "file",
    location,
    async record(event) {
      refuseWrongHash(event, location);
      const stored = await orUnreachable(`write event ${event.seq} of the secret "${event.secret}" to`, location, () =>
        trail.record(event),
      );
      if (stored !== event.hash) throw disagreement(event, stored, location);
    },
    async probe() {
      await orUnreachable("write to", location, () => probe(path));
    },
    async read(identity) {
      const text = await orUnreachable("read", location, () => readIfPresent(path));
      return parseTrail(text).filter((event) => event === null || event.identity === identity);
    },
    async close() {
      // The file is opened for each append only.
    },
  };
}

/** Opens the file as an append would, and looks at the space there is. Makes and writes nothing. */
async function probe(path: string): Promise<void> {
  const place = (await isAppendable(path)) ? path : await writableFolderAbove(path);
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  if (free < SPACE_FOR_A_RUN)
    throw new Error(
      `only ${Math.floor(free / 1024)} KiB are free there, and a run needs ${SPACE_FOR_A_RUN / 1024} KiB`,
    );
}

async function isAppendable(path: string): Promise<boolean> {
  try {
    const handle = await open(path, constants.O_WRONLY | constants.O_APPEND);
    await handle.close();
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return false;
    throw error;
  }
}

/** The folder in which the file, or the first folder that it lacks, would be made. */
async function writableFolderAbove(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      return folder;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "ENOENT" || folder === dirname(folder)) throw error;
    }
  }
}

async function readIfPresent(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return "";
    throw error;
  }
}

async function orUnreachable<T>(doing: string, location: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof RotationError) throw error;
    throw new UnreachableError(
      `Could not ${doing} the audit trail ${location}: ${(error as Error).message}. No step is taken that cannot be ` +
        "recorded. Make the file writable (space, permissions, a folder that exists), then run again.",
      { cause: error },
    );
  }
}
