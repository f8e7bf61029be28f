/**
 * A store in an encrypted folder, for one secret:
 *
 * ```
 * store.json          how to derive the key; plain, made once
 * ledger/<revision>   ledger and label of "current" in one sealed document
 * versions/<version>-<token>.sealed
 * tmp/                files on their way in
 * ```
 *
 * It finds out when a file was changed, or put in the place of another. It cannot find out when the whole folder was
 * put back to an earlier state; the engine's state and the audit trail can.
 */
import type { KeyObject } from "node:crypto";
import { join, resolve } from "node:path";
import type { AdapterContext } from "../../contracts/context";
import { notStored, otherCurrent, staleRevision } from "../../contracts/refusals";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { exists, makePrivateFolder } from "./durableFiles";
import { translatingFailures } from "./failures";
import { createHeader, newHeader, readHeader, type StoreHeader } from "./header";
import { lockHeader, unlockHeader } from "./key";
import type { FileStoreOptions } from "./options";
import { Revisions } from "./revisions";
import { markOf, seal, unseal } from "./sealing";
import { VersionFiles } from "./versionFiles";

/** The revision of a store to which nothing was ever committed. */
const NOTHING: Revision = "0";
/** How often a reader of "current" that lost a race with a retirement looks again. */
const READ_ATTEMPTS = 20;

/** What one revision holds. `body` is absent where a label was set before the first commit. */
interface LedgerDocument {
  readonly body?: unknown;
  readonly current: VersionRef | null;
}

interface Head {
  readonly number: number;
  readonly revision: Revision;
  readonly document: LedgerDocument;
}

const NO_HEAD: Head = { number: 0, revision: NOTHING, document: { current: null } };

export function createFileStore(options: FileStoreOptions, context: AdapterContext): SecretStore {
  return new FileStore({ ...options, path: resolve(options.path) }, context);
}

class FileStore implements SecretStore {
  readonly type = "file";
  readonly location: string;
  private readonly folders: Readonly<Record<"ledger" | "versions" | "scratch", string>>;
  private readonly headerPath: string;
  private readonly revisions: Revisions;
  private readonly versions: VersionFiles;
  /** Known once the store was found or made; it never changes afterwards. */
  private key: KeyObject | undefined;

  constructor(
    private readonly options: FileStoreOptions,
    private readonly context: AdapterContext,
  ) {
    const path = options.path;
    this.location = `file:${path}`;
    this.headerPath = join(path, "store.json");
    this.folders = { ledger: join(path, "ledger"), versions: join(path, "versions"), scratch: join(path, "tmp") };
    this.revisions = new Revisions(this.folders.ledger, this.folders.scratch);
    this.versions = new VersionFiles(this.folders.versions, this.folders.scratch);
  }

  load(): Promise<LedgerSnapshot> {
    return this.attempt("load the ledger", async () => {
      const { revision, document } = await this.head();
      return { revision, body: document.body, current: document.current };
    });
  }

  commit(body: unknown, expected: Revision): Promise<Revision> {
    return this.attempt("commit the ledger", async () => {
      const head = await this.headAt(expected);
      return this.append(head, { body, current: head.document.current });
    });
  }

  putVersion(version: StoredVersion): Promise<VersionRef> {
    const { ref } = version;
    return this.attempt(`store version ${ref.version}`, async () => {
      const key = await this.openOrMake();
      const stored = (await this.versions.list()).find((other) => other.token === ref.token);
      if (stored !== undefined) return stored;
      const outcome = await this.versions.create(ref, seal(key, versionRole(ref), JSON.stringify(version)));
      if (outcome === "exists") await this.readStored(key, ref);
      return { version: ref.version, token: ref.token };
    });
  }

  promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision> {
    return this.attempt(`make version ${ref.version} current`, async () => {
      const head = await this.headAt(fence);
      // Opened, not only looked up: what cannot be decrypted must not become current.
      if (this.key === undefined || (await this.readStored(this.key, ref)) === undefined)
        throw notStored(this.location, ref);
      const { body, current } = head.document;
      if (isSameRef(current, ref)) return head.revision;
      if (!isSameRef(current, expected)) throw otherCurrent(this.location, current, expected);
      return this.append(head, { body, current: { version: ref.version, token: ref.token } });
    });
  }

  clearCurrent(fence: Revision): Promise<Revision> {
    return this.attempt('take the label of "current" away', async () => {
      const head = await this.headAt(fence);
      if (head.document.current === null) return head.revision;
      return this.append(head, { body: head.document.body, current: null });
    });
  }

  read(selector: VersionRef | "current"): Promise<StoredVersion> {
    return this.attempt(describe(selector, "read "), async () => {
      const stored = selector === "current" ? await this.readCurrent() : await this.readIfMade(selector);
      if (stored === undefined) throw notStored(this.location, selector);
      return stored;
    });
  }

  async readPayload(): Promise<Payload> {
    return (await this.read("current")).value;
  }

  list(): Promise<readonly VersionRef[]> {
    return this.attempt("list the versions", async () =>
      (await this.openIfMade()) === undefined ? [] : this.versions.list(),
    );
  }

  /**
   * Needs no compare-and-swap of its own: a retirement is committed to the ledger before it begins, so whoever wants
   * to promote this version at the same moment holds a fence that is no longer true.
   */
  retire(ref: VersionRef): Promise<void> {
    return this.attempt(`delete version ${ref.version}`, async () => {
      const { document, number } = await this.head();
      if (isSameRef(document.current, ref)) {
        throw new StateError(
          `Version ${ref.version} in ${this.location} is the current one (ledger revision ${number}): it cannot be ` +
            "deleted. Nothing was changed. Promote another version first.",
        );
      }
      if (this.key !== undefined) await this.versions.remove(ref);
    });
  }

  async close(): Promise<void> {
    // Nothing is kept open.
  }

  /** The newest revision; what was never made counts as empty, and reading it makes nothing. */
  private async head(): Promise<Head> {
    const key = await this.openIfMade();
    const newest = key && (await this.revisions.newest());
    return key === undefined || newest === undefined ? NO_HEAD : this.decode(key, newest.number, newest.content);
  }

  /** The newest revision if it is `expected`. Only `append` can tell for sure that it still is. */
  private async headAt(expected: Revision): Promise<Head> {
    const head = await this.head();
    if (head.revision !== expected) throw staleRevision(this.location, expected, head.revision);
    return head;
  }

  private async append(head: Head, document: LedgerDocument): Promise<Revision> {
    const key = await this.openOrMake();
    const next = head.number + 1;
    const content = seal(key, ledgerRole(next), JSON.stringify(document));
    if (!(await this.revisions.create(next, content)))
      throw staleRevision(this.location, head.revision, `${next} or later`);
    return revisionOf(next, content);
  }

  private decode(key: KeyObject, number: number, content: Buffer): Head {
    const text = unseal(key, ledgerRole(number), content);
    if (text === undefined) throw this.damaged(`revision ${number} of the ledger`);
    return { number, revision: revisionOf(number, content), document: JSON.parse(text) as LedgerDocument };
  }

  private async readCurrent(): Promise<StoredVersion | undefined> {
    let current: VersionRef | null = null;
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      current = (await this.head()).document.current;
      if (current === null || this.key === undefined) return undefined;
      const stored = await this.readStored(this.key, current);
      if (stored !== undefined) return stored;
      // Promoted away and deleted since the ledger was read: look again.
    }
    throw new StateError(
      `Version ${current?.version} is the current one in ${this.location}, but its file is gone: it was not this ` +
        "package that removed it. Nothing was changed. Restore the folder from a backup.",
    );
  }

  private async readIfMade(ref: VersionRef): Promise<StoredVersion | undefined> {
    const key = await this.openIfMade();
    return key && this.readStored(key, ref);
  }

  private async readStored(key: KeyObject, ref: VersionRef): Promise<StoredVersion | undefined> {
    const content = await this.versions.read(ref);
    if (content === undefined) return undefined;
    const text = unseal(key, versionRole(ref), content);
    if (text === undefined) throw this.damaged(`the file of version ${ref.version}`);
    return JSON.parse(text) as StoredVersion;
  }

  /**
   * @returns `undefined` when the store was not made yet, or not to the end. Looking makes nothing.
   *
   * A store is made in the order header, folders, content, and looked at here in the opposite order: where a later
   * part is seen while an earlier one is missing, it was lost, and must not be taken for a store that is new.
   */
  private async openIfMade(): Promise<KeyObject | undefined> {
    if (this.key !== undefined) return this.key;
    const hasRevisions = await this.revisions.any();
    const hasVersions = await exists(this.folders.versions);
    const hasLedger = await exists(this.folders.ledger);
    const header = await readHeader(this.headerPath);
    if (!hasRevisions && !hasVersions) return undefined;
    if (header === undefined) throw this.lost("store.json, without which nothing in it can be decrypted");
    if (!hasLedger) throw this.lost("folder `ledger`");
    if (!hasVersions) throw this.lost("folder `versions`");
    this.key = await unlockHeader(header, this.options, this.context, this.location);
    return this.key;
  }

  private async openOrMake(): Promise<KeyObject> {
    const made = await this.openIfMade();
    await makePrivateFolder(this.folders.scratch); // Also later: it is empty mostly, and some backups drop that.
    if (made !== undefined) return made;
    const header = (await readHeader(this.headerPath)) ?? (await this.makeHeader());
    const key = await unlockHeader(header, this.options, this.context, this.location);
    await makePrivateFolder(this.folders.ledger);
    await makePrivateFolder(this.folders.versions);
    this.key = key;
    return key;
  }

  private async makeHeader(): Promise<StoreHeader> {
    const draft = newHeader("passphrase" in this.options.key ? "passphrase" : "keyFile");
    const locked = await lockHeader(draft, this.options, this.context);
    return createHeader(this.headerPath, this.folders.scratch, locked);
  }

  private lost(what: string): StateError {
    return new StateError(
      `The store ${this.location} has lost its ${what}. Nothing was changed. Restore the folder from a backup.`,
    );
  }

  private attempt<T>(doing: string, action: () => Promise<T>): Promise<T> {
    return translatingFailures(this.location, doing, action);
  }

  private damaged(what: string): StateError {
    return new StateError(
      `In ${this.location} ${what} was changed, cut short or put there from elsewhere: it cannot be opened with the ` +
        "key that opens the store. Nothing was changed. Restore the folder from a backup, and find out who changed it.",
    );
  }
}

/** The mark tells a revision from one of the same number that was committed after a backup was put back. */
function revisionOf(number: number, content: Buffer): Revision {
  return `${number}-${markOf(content)}`;
}

function ledgerRole(number: number): string {
  return `ledger:${number}`;
}

function versionRole(ref: VersionRef): string {
  return `version:${ref.version}:${ref.token}`;
}

function describe(selector: VersionRef | "current", verb: string): string {
  return verb + (selector === "current" ? "the current version" : `version ${selector.version}`);
}
