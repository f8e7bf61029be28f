/**
 * The ledger's revisions on disk: `ledger/0000000001`, `ledger/0000000002`, … The highest one is the ledger.
 *
 * Compare-and-swap without a lock. Whoever read revision n commits by creating the name n + 1, which exactly one
 * process can do. Nobody holds anything, so a process that dies blocks nobody.
 *
 * Why the name of a revision is never taken away: a writer that read revision n may be suspended for hours while
 * others commit n + 1, n + 2 and so on. If n + 1 had been removed by then, the writer would create it when it wakes,
 * and believe that it committed. Looking for a higher revision afterwards would come too late for a reader whose
 * listing was made in the middle of that, and for a writer that dies before it looks. So a revision that is no longer
 * needed is replaced by an empty file of the same name (by `rename`, in one step): the name stays taken for ever, and
 * creating it fails for ever. The cost is an empty file for each commit.
 *
 * It follows that the names form a row without gaps: n + 1 is only created by somebody who read n. So the highest
 * revision is found by starting at any revision that exists and walking up until a name is missing. The listing only
 * tells where to start; that a listing made during changes may lack the newest names does not matter, and neither
 * does it if somebody clears away the empty files.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { StateError, UnreachableError } from "../../lifecycle/errors";
import { createOnce, exists, replaceByEmpty } from "./durableFiles";
import { errorCode } from "./failures";

/** How many of the newest revisions keep their content: a reader may have found one and not opened it yet. */
const KEEP_CONTENT = 5;
const READ_ATTEMPTS = 100;
const NAME = /^\d{10}$/;

export interface RevisionFile {
  /** 1 for the first. */
  readonly number: number;
  readonly content: Buffer;
}

export class Revisions {
  /** A revision that is known to exist, 0 where none is: saves the listing on the next call. */
  private known = 0;

  constructor(
    private readonly folder: string,
    private readonly scratch: string,
  ) {}

  /** Whether anything was ever committed. */
  async any(): Promise<boolean> {
    return (await this.findNewest()) > 0;
  }

  /** @returns `undefined` when nothing was ever committed. */
  async newest(): Promise<RevisionFile | undefined> {
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      const number = await this.findNewest();
      if (number === 0) return undefined;
      const content = await this.contentOf(number);
      if (content !== undefined && content.length > 0) return { number, content };
      if (!(await exists(this.pathOf(number + 1)))) throw this.damaged(number);
      // Others committed so often since it was found that it is history by now: look again.
    }
    throw new UnreachableError(
      `The ledger in ${this.folder} changed ${READ_ATTEMPTS} times while it was read. Nothing was changed. ` +
        "Find out what writes to it all the time, then run again.",
    );
  }

  /** @returns `undefined` when there is no such revision; empty when it is history. */
  async contentOf(number: number): Promise<Buffer | undefined> {
    try {
      return await readFile(this.pathOf(number));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** @returns whether the revision was created; `false` when somebody else created it before. */
  async create(number: number, content: Buffer): Promise<boolean> {
    const outcome = await createOnce(this.scratch, this.pathOf(number), content);
    this.known = Math.max(this.known, number);
    if (outcome === "created") await this.emptyHistory(number).catch(() => undefined); // The next commit tries again.
    return outcome === "created";
  }

  /** Goes down until it meets one that was emptied before, so that what a dead process left is caught up. */
  private async emptyHistory(newest: number): Promise<void> {
    for (let number = newest - KEEP_CONTENT; number >= 1; number--) {
      const path = this.pathOf(number);
      if (!(await exists(path)) || (await stat(path)).size === 0) return;
      await replaceByEmpty(this.scratch, path);
    }
  }

  /** Walks by itself: several calls at once must not carry each other past the end. */
  private async findNewest(): Promise<number> {
    let number = this.known;
    if (number === 0 || !(await exists(this.pathOf(number)))) number = await this.highestListed();
    while (await exists(this.pathOf(number + 1))) number += 1;
    this.known = number;
    return number;
  }

  private async highestListed(): Promise<number> {
    let names: string[];
    try {
      names = await readdir(this.folder);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return 0;
      throw error;
    }
    return names.filter((name) => NAME.test(name)).reduce((highest, name) => Math.max(highest, Number(name)), 0);
  }

  private damaged(number: number): StateError {
    return new StateError(
      `The newest revision of the ledger, ${this.pathOf(number)}, is empty or gone: it was not this package that did ` +
        "that. Nothing was changed. Restore the folder from a backup.",
    );
  }

  private pathOf(number: number): string {
    return join(this.folder, String(number).padStart(10, "0"));
  }
}
