/** One audit file, as this process sees it: what is in it, and how a line gets into it. */
import type { Stats } from "node:fs";
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { AuditEvent } from "../contracts/audit";
import { formatLine } from "./lines";

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;
/** How often a line is written again because somebody's unfinished line turned out to be in front of it. */
const ATTEMPTS = 5;

/**
 * Shared by all sinks of this process for the same path, so that a trail is read once and not for each secret, and
 * used by one at a time. Other processes may append at any moment.
 */
export class TrailFile {
  /** identity → number → hash, of every complete line up to `offset`. */
  private readonly hashes = new Map<string, Map<number, string>>();
  /** Bytes read so far; always just after a line break. */
  private offset = 0;
  /** Whether there are bytes after `offset`: a line that is not finished. */
  private hasFragment = false;
  private fileId = "";
  private folderSynced = false;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly path: string) {}

  /**
   * @returns the hash under which the event is in the file now, durably. It is another one than the event's where
   * somebody recorded something else under its number; nothing was written then.
   */
  record(event: AuditEvent): Promise<string> {
    const done = this.last.then(() => this.recordAlone(event));
    this.last = done.catch(() => undefined);
    return done;
  }

  private async recordAlone(event: AuditEvent): Promise<string> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const handle = await open(this.path, "a+", 0o600);
    try {
      await this.catchUp(handle);
      for (let attempt = 1; attempt <= ATTEMPTS && this.hashOf(event) === undefined; attempt++) {
        await this.appendLine(handle, event);
        // Read it back: an unfinished line of another process may have come in between and spoiled it.
        await this.catchUp(handle);
      }
      const hash = this.hashOf(event);
      if (hash === undefined)
        throw new Error(`the line was not found in the file after it was written ${ATTEMPTS} times`);
      // Also where it was there before: whoever wrote it may have died before it was durable.
      await handle.sync();
      await this.syncFolderOnce();
      return hash;
    } finally {
      await handle.close();
    }
  }

  /** One write, so that lines of several processes do not mix. Closes an unfinished line of a dead process first. */
  private async appendLine(handle: FileHandle, event: AuditEvent): Promise<void> {
    const bytes = Buffer.from(`${this.hasFragment ? "\n" : ""}${formatLine(event)}\n`, "utf8");
    const { bytesWritten } = await handle.write(bytes);
    if (bytesWritten < bytes.length) {
      throw Object.assign(new Error(`only ${bytesWritten} of ${bytes.length} bytes could be written`), {
        code: "ENOSPC",
      });
    }
  }

  private hashOf(event: AuditEvent): string | undefined {
    return this.hashes.get(event.identity)?.get(event.seq);
  }

  /** Reads what was appended since the last time, by whomever. */
  private async catchUp(handle: FileHandle): Promise<void> {
    const stats = await handle.stat();
    if (identify(stats) !== this.fileId || stats.size < this.offset) this.startAgain(stats);
    const rest: Buffer[] = [];
    for (let position = this.offset; position < stats.size;) {
      const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, stats.size - position));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      rest.push(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
    const appended = Buffer.concat(rest);
    const end = appended.lastIndexOf(NEWLINE) + 1;
    for (const line of appended.toString("utf8", 0, end).split("\n")) this.remember(line);
    this.offset += end;
    this.hasFragment = end < appended.length;
  }

  /** Another file was put in its place, or it was cut. */
  private startAgain(stats: Stats): void {
    this.hashes.clear();
    this.offset = 0;
    this.fileId = identify(stats);
    this.folderSynced = false;
  }

  /** Only what is needed to know an event again. Whether the line is sound is the verification's business. */
  private remember(line: string): void {
    if (line === "") return;
    let event: Partial<AuditEvent> | null;
    try {
      event = JSON.parse(line) as Partial<AuditEvent> | null;
    } catch {
      return;
    }
    const { identity, seq, hash } = event ?? {};
    if (typeof identity !== "string" || typeof seq !== "number" || typeof hash !== "string") return;
    let chain = this.hashes.get(identity);
    if (chain === undefined) this.hashes.set(identity, (chain = new Map<number, string>()));
    if (!chain.has(seq)) chain.set(seq, hash);
  }

  /** A file that was made just now must survive a power cut as well as its content. */
  private async syncFolderOnce(): Promise<void> {
    if (this.folderSynced || process.platform === "win32") return;
    const folder = await open(dirname(this.path), "r");
    try {
      await folder.sync();
      this.folderSynced = true;
    } finally {
      await folder.close();
    }
  }
}

function identify(stats: Stats): string {
  return `${stats.dev}:${stats.ino}`;
}
