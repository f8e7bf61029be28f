/**
 * What this library itself needs, below `<path>-rotation`: the ledger, and each version as a whole. Readers of the secret
 * need no access to it.
 */
import { randomUUID } from "node:crypto";
import { staleRevision } from "../../contracts/refusals";
import type { Revision, StoredVersion, VersionRef } from "../../contracts/store";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import type { Entry, Kv } from "./kv";
import { nameOf, refOf } from "./labels";

/** The revision of a ledger to which nothing was ever committed. */
const NOTHING: Revision = "0";

export class Companion {
  private readonly ledgerPath: string;
  private readonly versionsPath: string;

  constructor(
    private readonly kv: Kv,
    path: string,
    private readonly location: string,
  ) {
    this.ledgerPath = `${path}-rotation/ledger`;
    this.versionsPath = `${path}-rotation/versions`;
  }

  async loadLedger(): Promise<{ readonly revision: Revision; readonly body: unknown }> {
    const entry = await this.kv.read(this.ledgerPath);
    if (entry.state === "absent") return { revision: NOTHING, body: undefined };
    const revision = this.revisionOf(entry);
    if (entry.state === "gone") throw this.ledgerGone(revision);
    return { revision, body: this.parse(entry.data["ledger"], `the ledger (version ${revision} of its entry)`) };
  }

  /** @throws ConflictError when the ledger is at another revision. */
  async checkFence(expected: Revision): Promise<void> {
    const { revision } = await this.loadLedger();
    if (revision !== expected) throw staleRevision(this.location, expected, revision);
  }

  async commit(body: unknown, expected: Revision): Promise<Revision> {
    if (!/^(0|[1-9]\d*)$/.test(expected))
      throw staleRevision(this.location, expected, (await this.loadLedger()).revision);
    // Tells our own commit from another's when the answer to it got lost and it was sent again.
    const write = randomUUID();
    const written = await this.kv.write(this.ledgerPath, { ledger: JSON.stringify(body), write }, Number(expected));
    if (written !== undefined) return String(written.version);
    const found = await this.kv.read(this.ledgerPath);
    if (found.state === "there" && found.data["write"] === write) return String(found.version);
    if (found.state === "gone") throw this.ledgerGone(String(found.version));
    throw staleRevision(this.location, expected, found.state === "absent" ? NOTHING : this.revisionOf(found));
  }

  /** Stores it unless a version is stored under its token. @returns the reference of the one that is stored. */
  async create(version: StoredVersion): Promise<VersionRef> {
    const { ref } = version;
    const stored = (await this.list()).find((other) => other.token === ref.token);
    if (stored !== undefined) return stored;
    const written = await this.kv.write(this.pathOf(ref), { stored: JSON.stringify(version) }, 0);
    if (written === undefined) await this.read(ref); // It is there; whether it is whole shows here.
    if (written?.vanishes) {
      throw new ConfigurationError(
        `The store ${this.location}: Vault deletes what is written to "${this.kv.at("data", this.pathOf(ref))}" by itself ` +
          "after some time (delete_version_after of the mount). The ledger and the versions would be lost. Version " +
          `${ref.version} was stored, but nothing was issued. Set it to 0s, or take another mount, then run again.`,
      );
    }
    return { version: ref.version, token: ref.token };
  }

  async read(ref: VersionRef): Promise<StoredVersion | undefined> {
    const entry = await this.kv.read(this.pathOf(ref));
    if (entry.state === "absent") return undefined;
    const what = `version ${ref.version} (${ref.token})`;
    if (entry.state === "gone") {
      throw new StateError(
        `The store ${this.location}: the entry of ${what} was deleted by hand. Nothing was changed. Give it back: ` +
          `vault kv undelete -versions=${entry.version} ${this.commandPath(this.pathOf(ref))}`,
      );
    }
    const stored = this.parse(entry.data["stored"], what) as StoredVersion;
    if (!isSameRef(stored.ref, ref)) throw this.foreign(what);
    return stored;
  }

  /** For what only needs it where it is to be had, such as a retirement. */
  async readIfWhole(ref: VersionRef): Promise<StoredVersion | undefined> {
    try {
      return await this.read(ref);
    } catch (error) {
      if (error instanceof StateError) return undefined;
      throw error;
    }
  }

  async list(): Promise<readonly VersionRef[]> {
    return (await this.kv.list(this.versionsPath)).flatMap((name) => refOf(name) ?? []);
  }

  remove(ref: VersionRef): Promise<void> {
    return this.kv.remove(this.pathOf(ref));
  }

  /** What it works on, for a check of permissions. */
  paths(ref: VersionRef) {
    return { ledger: this.ledgerPath, version: this.pathOf(ref), versions: this.versionsPath };
  }

  private pathOf(ref: VersionRef): string {
    return `${this.versionsPath}/${nameOf(ref)}`;
  }

  private revisionOf(entry: Exclude<Entry, { state: "absent" }>): Revision {
    return String(entry.version);
  }

  private parse(text: unknown, what: string): unknown {
    try {
      if (typeof text === "string") return JSON.parse(text) as unknown;
    } catch {
      // Falls through: what a parser says quotes what it read.
    }
    throw this.foreign(what);
  }

  private foreign(what: string): StateError {
    return new StateError(
      `The store ${this.location}: ${what} was not written by this library. Nothing was changed. Put the version before ` +
        "it back with vault kv rollback, and find out who wrote it.",
    );
  }

  private ledgerGone(revision: Revision): StateError {
    return new StateError(
      `The store ${this.location}: its ledger was deleted or destroyed by hand at version ${revision}. Nothing was ` +
        `changed. Give it back: vault kv undelete -versions=${revision} ${this.commandPath(this.ledgerPath)}. If that ` +
        "version is destroyed: vault kv rollback to the one before, or a backup of Vault.",
    );
  }

  /** As the vault command takes it. */
  private commandPath(path: string): string {
    const [mount] = this.kv.at("data", path).split(`/data/${path}`);
    return `-mount=${mount ?? ""} ${path}`;
  }
}
