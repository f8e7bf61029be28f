/**
 * A secret store: where versions live, the label of "current" that readers follow, and, beside them, the ledger.
 *
 * Every method may be called again after a crash with the same arguments. Errors never contain a secret value.
 */
import type { Payload } from "../lifecycle/payload";
import type { IssuedRef, SecretValue, VersionRef } from "../lifecycle/values";
import type { UsageReport } from "./kind";

export type { Payload } from "../lifecycle/payload";

export type { VersionRef } from "../lifecycle/values";

/** What is stored for one version: what a reader gets. */
export interface StoredVersion {
  readonly secret: string;
  readonly ref: VersionRef;
  /** Keyed and truncated; lets a consumer say which version it uses without naming the value. */
  readonly fingerprint: string;
  readonly issued: IssuedRef;
  readonly value: SecretValue;
}

/** An opaque mark of one state of the ledger, compared for equality only. */
export type Revision = string;

export interface LedgerSnapshot {
  /** `"0"` where nothing was ever committed. */
  readonly revision: Revision;
  /** The ledger as it was committed, JSON; `undefined` where nothing was ever committed. */
  readonly body: unknown;
  /** The version that readers of "current" get; `null` where there is none. */
  readonly current: VersionRef | null;
}

export interface Ledger {
  load(): Promise<LedgerSnapshot>;
  /**
   * Replaces the ledger if its revision is still `expected`, and returns the new revision.
   * @throws ConflictError when it is not: nothing was changed.
   */
  commit(body: unknown, expected: Revision): Promise<Revision>;
}

export interface SecretStore extends Ledger {
  readonly type: string;
  /** Unique and stable: two adapters with the same location are the same store. Shown to people. */
  readonly location: string;
  /**
   * Whether `promote` makes something that is named after the epoch, such as a Kubernetes Secret. The active version is
   * then promoted under each epoch that is handed out. Absent: it does not.
   */
  readonly namesEpochs?: boolean;
  /**
   * How long a run's lease lasts that it does not renew, in ms, for a store that counts how often it is written: the
   * ledger is committed three times as often while a run waits. Where the run was killed on another machine, the next
   * one waits as long. Absent: 60,000.
   */
  readonly leaseMs?: number;
  /**
   * Stores the value as a version that is not current. The same token again returns the same reference and keeps
   * the value stored first.
   */
  putVersion(version: StoredVersion): Promise<VersionRef>;
  /**
   * Makes `ref` current. Promoting what is current already succeeds.
   * The returned revision replaces the caller's: a store that keeps label and ledger in one place makes a new one.
   * @param epoch the promotion epoch under which the version is handed out.
   * @throws ConflictError when the ledger is no longer at `fence`, or "current" is neither `expected` nor `ref`.
   * @throws NotFoundError when `ref` is not stored.
   */
  promote(ref: VersionRef, expected: VersionRef | null, fence: Revision, epoch: number): Promise<Revision>;
  /** Takes the label of "current" away, in a teardown only. */
  clearCurrent(fence: Revision): Promise<Revision>;
  /** Works for a disabled version too. @throws NotFoundError */
  read(selector: VersionRef | "current"): Promise<StoredVersion>;
  /**
   * What a reader of "current" gets who knows nothing of this library: the value in the store's format. Also where it
   * was not this library that wrote it.
   * @throws NotFoundError where such a reader gets nothing.
   */
  readPayload(): Promise<Payload>;
  /** Every version that is stored, the current one included. */
  list(): Promise<readonly VersionRef[]>;
  /**
   * Takes a version that is not current away from those who read it by its number, so that it can be given back.
   * Disabled already, or absent, is success. A store that has no such thing leaves this and `enable` out.
   * @throws StateError when it is the current one.
   */
  disable?(ref: VersionRef): Promise<void>;
  /** Gives it back. Enabled already is success. @throws NotFoundError when it is gone for good. */
  enable?(ref: VersionRef): Promise<void>;
  /**
   * Who has the version from this store now, where the store can see that: the pods that mount its Secret. A store that
   * cannot leaves this out, which says nothing for or against a use.
   */
  usage?(ref: VersionRef): Promise<UsageReport>;
  /**
   * Deletes a version for good, disabled or not. Absent is success.
   * @throws StateError when it is the current one.
   */
  retire(ref: VersionRef): Promise<void>;
  close(): Promise<void>;
}

export type Disabling = Required<Pick<SecretStore, "disable" | "enable">>;

export function canDisable<T extends SecretStore>(store: T): store is T & Disabling {
  return "disable" in store && "enable" in store;
}
