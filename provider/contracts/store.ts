/**
 * A secret store: where versions live, the label of "current" that readers follow, and, beside them, the ledger.
 *
 * Every method may be called again after a crash with the same arguments. Errors never contain a secret value.
 */
import type { IssuedRef, SecretValue, VersionRef } from "../lifecycle/values";

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
   * Stores the value as a version that is not current. The same token again returns the same reference and keeps
   * the value stored first.
   */
  putVersion(version: StoredVersion): Promise<VersionRef>;
  /**
   * Makes `ref` current. Promoting what is current already succeeds.
   * The returned revision replaces the caller's: a store that keeps label and ledger in one place makes a new one.
   * @throws ConflictError when the ledger is no longer at `fence`, or "current" is neither `expected` nor `ref`.
   * @throws NotFoundError when `ref` is not stored.
   */
  promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision>;
  /** Takes the label of "current" away, in a teardown only. */
  clearCurrent(fence: Revision): Promise<Revision>;
  /** @throws NotFoundError */
  read(selector: VersionRef | "current"): Promise<StoredVersion>;
  /** Every version that is stored, the current one included. */
  list(): Promise<readonly VersionRef[]>;
  /**
   * Deletes a version for good. Absent is success.
   * @throws StateError when it is the current one.
   */
  retire(ref: VersionRef): Promise<void>;
  close(): Promise<void>;
}
