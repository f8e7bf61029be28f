/**
 * An audit trail in a file: one event a line, only ever appended to. Several secrets and several processes may share
 * one file. Do not rotate or edit it: the verification would find events missing.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
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
    async read(identity) {
      const text = await orUnreachable("read", location, () => readIfPresent(path));
      return parseTrail(text).filter((event) => event === null || event.identity === identity);
    },
    async close() {
      // The file is opened for each append only.
    },
  };
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
