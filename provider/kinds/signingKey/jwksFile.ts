/** The file that verifiers are served: read whole, and replaced whole by one writer at a time. */
import { randomBytes } from "node:crypto";
import { chmod, open, readFile, realpath, rename, stat, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../../lifecycle/errors";
import { errorCode } from "../../net/networkErrors";
import { parseKeySet, type KeySet } from "./keySet";

/** Web servers of other users read it. There is nothing in it but public keys. */
const MODE = 0o644;
/** A change takes milliseconds, so who has held the lock for so long is dead. */
const ABANDONED_AFTER_MS = 10_000;
const GIVE_UP_AFTER_MS = 60_000;
const LOOK_EVERY_MS = 25;
const FORBIDDEN = new Set(["EACCES", "EPERM", "EROFS"]);

export class JwksFile {
  private readonly path: string;

  constructor(
    path: string,
    private readonly context: AdapterContext,
  ) {
    this.path = resolve(path);
  }

  /** @returns `undefined` where there is no file, in a folder that is there. */
  async read(): Promise<KeySet | undefined> {
    this.context.signal.throwIfAborted();
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw this.failure(error, "read");
      await this.requireFolder();
      return undefined;
    }
    const found = parseKeySet(text);
    if (found) return found;
    throw new StateError(
      `${this.path} is no JWKS: JSON with a list "keys". Nothing was changed. Put it right, or remove it; it is then made anew.`,
    );
  }

  /** Replaces the document by what `change` makes of it; the same document is not written again. */
  async update(change: (found: KeySet | undefined) => KeySet | undefined): Promise<void> {
    await this.requireFolder();
    try {
      const lock = await this.lock();
      try {
        const found = await this.read();
        const next = change(found);
        if (next !== undefined && !isDeepStrictEqual(next, found)) await this.replace(next, lock);
      } finally {
        await lock.release();
      }
    } catch (error) {
      throw error instanceof RotationError || this.context.signal.aborted ? error : this.failure(error, "written");
    }
  }

  private async replace(next: KeySet, lock: Lock): Promise<void> {
    // A link that stands there, as to another disk, stays one.
    const target = await realpath(this.path).catch(() => this.path);
    const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(8).toString("hex")}`);
    try {
      await writeDurably(temporary, `${JSON.stringify(next, null, 2)}\n`);
      // The mode that it was made with is cut by this process's mask.
      await chmod(temporary, MODE);
      if (!(await lock.isOurs()))
        throw new UnreachableError(
          `${this.path} was not changed: this run stood still for so long that another one took its place. Run again.`,
        );
      await rename(temporary, target);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(target));
  }

  private async lock(): Promise<Lock> {
    const { clock, signal } = this.context;
    const path = `${this.path}.lock`;
    const until = clock.now() + GIVE_UP_AFTER_MS;
    for (;;) {
      signal.throwIfAborted();
      const lock = await Lock.take(path);
      if (lock) return lock;
      await Lock.breakAbandoned(path, join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}`));
      if (clock.now() >= until)
        throw new UnreachableError(
          `${this.path} is being changed by somebody else: ${path} is held. Nothing was changed. Run again; if nothing ` +
            `else runs, remove that file first.`,
        );
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  /** Never made: where a disk is not mounted, an empty folder would look as if all keys had gone. */
  private async requireFolder(): Promise<void> {
    try {
      if ((await stat(dirname(this.path))).isDirectory()) return;
    } catch (error) {
      if (FORBIDDEN.has(errorCode(error))) throw this.failure(error, "read");
    }
    throw new UnreachableError(
      `The folder ${dirname(this.path)} of jwksFile is not there. Nothing was changed. Mount it, or make it, and run again.`,
    );
  }

  private failure(error: unknown, what: "read" | "written"): RotationError {
    const code = errorCode(error);
    if (FORBIDDEN.has(code))
      return new ConfigurationError(
        `${this.path} cannot be ${what} (${code}). Whoever runs pulumi needs ` +
          `${what === "read" ? "to read it and to search its folder" : `to write in ${dirname(this.path)}`}.`,
      );
    return new UnreachableError(`${this.path} cannot be ${what} (${code}). Check the disk, then run again.`);
  }
}

/** A file beside the one that it protects, made by whoever may change that. */
class Lock {
  private constructor(
    private readonly path: string,
    private readonly token: string,
  ) {}

  /** @returns `undefined` while somebody else has it. */
  static async take(path: string): Promise<Lock | undefined> {
    const token = randomBytes(16).toString("hex");
    let handle: FileHandle;
    try {
      handle = await open(path, "wx", 0o600);
    } catch (error) {
      if (errorCode(error) === "EEXIST") return undefined;
      throw error;
    }
    try {
      await handle.writeFile(token);
    } finally {
      await handle.close();
    }
    return new Lock(path, token);
  }

  /** Removes a lock that a process has left which was killed. Both times that are compared are the filesystem's. */
  static async breakAbandoned(path: string, aside: string): Promise<void> {
    const held = await stat(path).catch(() => undefined);
    if (!held) return;
    const probe = await open(aside, "wx", 0o600);
    try {
      const { mtimeMs } = await probe.stat();
      const seen = await stat(path).catch(() => undefined);
      if (seen?.ino !== held.ino || mtimeMs - held.mtimeMs < ABANDONED_AFTER_MS) return;
      // Moved away first: of several that find it abandoned, one succeeds.
      await rename(path, aside).catch(() => undefined);
    } finally {
      await probe.close();
      await unlink(aside).catch(() => undefined);
    }
  }

  async isOurs(): Promise<boolean> {
    return (await readFile(this.path, "utf8").catch(() => "")) === this.token;
  }

  async release(): Promise<void> {
    if (await this.isOurs()) await unlink(this.path).catch(() => undefined);
  }
}

async function writeDurably(path: string, content: string): Promise<void> {
  const handle = await open(path, "wx", MODE);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** So that the new entry survives a power cut. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // A folder cannot be opened there.
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
