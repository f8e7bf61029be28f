/** The stored versions on disk: `versions/<version>-<token>.sealed`, one sealed file each. */
import { readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { VersionRef } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { createOnce, syncFolder } from "./durableFiles";
import { errorCode } from "./failures";

const NAME = /^(\d+)-(.+)\.sealed$/;
/** File names are limited to 255 bytes nearly everywhere. */
const MAX_NAME_LENGTH = 255;

export class VersionFiles {
  constructor(
    private readonly folder: string,
    private readonly scratch: string,
  ) {}

  async create(ref: VersionRef, content: Buffer): Promise<"created" | "exists"> {
    return createOnce(this.scratch, this.pathOf(ref), content);
  }

  /** @returns `undefined` when it is not stored. */
  async read(ref: VersionRef): Promise<Buffer | undefined> {
    try {
      return await readFile(this.pathOf(ref));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Ordered by version. Files that are not versions are left alone. */
  async list(): Promise<readonly VersionRef[]> {
    const refs: VersionRef[] = [];
    for (const name of await readdir(this.folder)) {
      const ref = parseName(name);
      if (ref !== undefined) refs.push(ref);
    }
    return refs.sort((a, b) => a.version - b.version || (a.token < b.token ? -1 : 1));
  }

  async remove(ref: VersionRef): Promise<void> {
    try {
      await unlink(this.pathOf(ref));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    // Also where it was gone: whoever removed it may have died before that was durable.
    await syncFolder(this.folder);
  }

  private pathOf(ref: VersionRef): string {
    const name = `${ref.version}-${encodeURIComponent(ref.token)}.sealed`;
    if (!Number.isSafeInteger(ref.version) || ref.version < 0 || ref.token === "" || name.length > MAX_NAME_LENGTH) {
      throw new ConfigurationError(
        `The file store cannot name a version ${ref.version} with the token "${ref.token.slice(0, 60)}": the version ` +
          `must be a whole number, and the file name made of both at most ${MAX_NAME_LENGTH} characters long. ` +
          "Nothing was changed.",
      );
    }
    return join(this.folder, name);
  }
}

function parseName(name: string): VersionRef | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  try {
    return { version: Number(match[1]), token: decodeURIComponent(match[2] ?? "") };
  } catch {
    return undefined; // A stray % sign: not a name of ours.
  }
}
