/**
 * The ledger of one secret: its versions, the phase of its rotation, who may be using what. It lives beside the secret
 * in its primary store and is changed by compare-and-swap only. It holds no secret value.
 *
 * All times are milliseconds since the Unix epoch.
 */
import type { AuditEvent } from "./auditEvent";
import type { AuditOutage } from "./auditOutage";
import { StateError } from "./errors";
import type { Reason, ReasonCode } from "./reason";
import type { IssuedRef, Use, VersionRef } from "./values";

/** Raised with every change of shape that older code cannot read. */
export const LEDGER_SCHEMA = 1;

/**
 * `disabled` is reversible and still counts as live. `retiring` is not: destruction has begun and any later run may
 * finish it.
 */
export type VersionState =
  "pending" | "active" | "superseded" | "rejected" | "disabled" | "retiring" | "retired" | "abandoned";

/** What is neither gone nor going to be handed out again by itself. */
export const UNRETIRED: readonly VersionState[] = ["superseded", "rejected", "disabled", "retiring"];

/**
 * The phase of a rotation, committed before the side effect that it names has to follow:
 * - `proposed`: a version number is taken; next the value is stored as pending
 * - `staged`: the value is stored; next it is issued
 * - `issued`: the issuer accepts it; next we log in with it
 * - `verified`: it works; next it is distributed to the replicas
 * - `promoting`: the label of "current" moves; from here on there is no abandoning (rule 14)
 * - `confirming`: it is active; rollouts have yet to confirm
 * - `done`: every rollout has confirmed
 * - `returning`: the label moves back to the superseded version
 * - `abandoning`: what was never handed out is revoked
 */
export type Phase =
  "proposed" | "staged" | "issued" | "verified" | "promoting" | "confirming" | "done" | "returning" | "abandoning";

export interface VersionRecord {
  readonly version: number;
  /** Idempotency token of the rotation that made it, and its token in the store. */
  readonly rotationId: string;
  state: VersionState;
  /** Why it was made. */
  readonly reason: Reason;
  /** Digest of the inputs it was issued from; `null` for an adopted credential. */
  readonly inputsDigest: string | null;
  readonly adopted: boolean;
  readonly proposedAt: number;
  issued: IssuedRef | null;
  issuedAt: number | null;
  expiresAt: number | null;
  fingerprint: string | null;
  /** When it last stopped being active or carried the label of "current"; grace counts from here. */
  leftAt: number | null;
  /** When it first stopped being active, whatever happened since; the alarm age counts from here. */
  supersededAt: number | null;
  /** Whether it was rejected by a rollout, kept while it is disabled or retiring. */
  rejected: boolean;
  /** When the issuer had switched it off; `null` in the state `disabled` while that is only intended. */
  disabledAt: number | null;
  /** Why it could not be retired when that was last tried. */
  putOff: { at: number; code: string; message: string; uses?: readonly Use[] } | null;
  /** When the alarm was raised over how long it lives on. */
  alarmedAt: number | null;
  /** How it was shown to be dead, once it is revoked. */
  proof: { at: number; detail: string } | null;
  /** When it reached `retired` or `abandoned`. */
  endedAt: number | null;
}

export interface RotationRecord {
  readonly id: string;
  readonly version: number;
  phase: Phase;
  readonly reason: Reason;
  readonly startedAt: number;
  /** The version to go back to, while `returning`. */
  returnTo: number | null;
  promotedAt: number | null;
  /** Runs of the owning stack since the promotion that left it unconfirmed, the promoting one included (rule 15). */
  attempts: number;
  /** For issuers that choose the value: what was live there before minting (rule 23). */
  inventory: { readonly rotationIds: readonly string[]; readonly at: number } | null;
}

/** A version, or anything that ever existed. */
export type MayUse = number | "unknown";

/** What a check said before a rotation, or at the end of one. */
export interface CheckBaseline {
  readonly healthy: boolean;
  /** What it measured, if anything. */
  readonly value?: number;
}

/** What the checks said that are compared with a baseline, by their names. */
export interface BaselineRecord {
  /** The version that was to be rolled out then, or was confirmed. */
  readonly version: number;
  readonly at: number;
  /**
   * Whether no consumer can have used that version yet, so that it cannot have changed what was seen. Holds for
   * whatever is rolled out until the rollout confirms.
   */
  readonly before: boolean;
  readonly checks: Readonly<Record<string, CheckBaseline>>;
}

/** A registered rollout and the versions that its consumers may be using (rule 1). */
export interface RolloutRecord {
  readonly stack: string;
  readonly name: string;
  mayUse: MayUse[];
  /** Whether all its consumers stay on a version until they are rolled. */
  pinned: boolean;
  registeredAt: number;
  confirmedAt: number | null;
  evidence: string | null;
  /** What the rollout under way is compared with. Absent: no check of it has a baseline, or it has confirmed. */
  baseline?: BaselineRecord;
  /** What those checks said when it last confirmed. */
  confirmedHealth?: BaselineRecord;
}

/** What a rollout that left may still be using (rule 4). */
export interface ResidueRecord {
  readonly stack: string;
  readonly name: string;
  mayUse: MayUse[];
  readonly pinned: boolean;
  readonly leftAt: number;
}

/** An event that asked for a new version, and the versions that it matched. */
export interface IncidentRecord {
  readonly id: string;
  readonly reason: ReasonCode;
  /** When it happened. */
  readonly at: number;
  readonly requestedBy: string | null;
  readonly revokeFirst: boolean;
  readonly recordedAt: number;
  /** Versions that lived and were issued before it. */
  readonly matched: readonly number[];
  /** When all of them were gone and a later version was confirmed. */
  closedAt: number | null;
}

/** The right to cause side effects on one secret, held for the length of a provider call (rule 21). */
export interface Lease {
  readonly run: string;
  readonly user: string;
  readonly host: string;
  /** Where the process number means the same. */
  readonly scope: string;
  readonly pid: number;
  /** Start of that process as the kernel counts it; tells a process from a later one of the same number. */
  readonly processStart: string;
  readonly acquiredAt: number;
  expiresAt: number;
}

/**
 * `required`: a rollout of the owning stack has to confirm. `elsewhere`: the owning stack has no consumers of its own.
 * `none`: a version counts as confirmed where no rollout is registered.
 */
export type Confirmation = "required" | "elsewhere" | "none";

/** An adapter's type and options, as configured. */
export interface AdapterDescription {
  readonly type: string;
  readonly [option: string]: unknown;
}

export interface Declaration {
  readonly kind: AdapterDescription;
  readonly replicas: readonly AdapterDescription[];
  readonly audit: AdapterDescription | null;
  /** Absent: `stop`. */
  readonly auditOutage?: AuditOutage;
  /** The shortest time between two rotations by schedule, in ms; `null`: there is none. */
  readonly everyMs: number | null;
  /** The schedule as the program wrote it. Absent: `everyMs` is all of it, but for a window. */
  readonly schedule?: Readonly<Record<string, unknown>>;
  readonly graceMs: number;
  readonly soakMs: number;
  readonly requireUnused: boolean;
  readonly terminateSessions: boolean;
  /** How long a version may live on after it was superseded before runs fail, in ms; `null`: for ever. */
  readonly alarmAfterMs: number | null;
  /** Versions issued up to then have no grace (rule 16); `null`: none. */
  readonly compromisedBefore: number | null;
  /** Versions issued up to then are revoked before anybody has confirmed a successor (rule 16); `null`: none. */
  readonly revokeFirstBefore: number | null;
  /** Whether a teardown is refused. */
  readonly protect?: boolean;
}

export interface LedgerState {
  readonly schema: number;
  secret: string;
  /** Random, made at the first creation; marks what is issued. */
  identity: string;
  owner: { id: string; stack: string };
  status: "live" | "tearing-down" | "torn-down" | "moved";
  /** Where the secret lives now, for `moved`. */
  movedTo: string | null;
  /** The former store, as configured, while copies of the versions are still there. */
  movedFrom: { readonly store: AdapterDescription; readonly at: number } | null;
  /** What the owner declares and every rollout needs, so that a link is small and never out of date. */
  declared: Declaration;
  /** None of these ever starts again, not after a teardown either (rule 18). */
  counters: { version: number; incarnation: number; epoch: number };
  audit: { seq: number; hash: string };
  /** Key of the fingerprints. */
  fingerprintKey: string;
  active: number | null;
  versions: VersionRecord[];
  rotation: RotationRecord | null;
  confirmation: Confirmation;
  /** Rule 3. */
  ownerUnconfirmed: boolean;
  rollouts: Record<string, RolloutRecord>;
  residues: Record<string, ResidueRecord>;
  /** When the latest confirmed version was issued; answers events older than that (rules 11 and 16). */
  confirmedIssueAt: number | null;
  /** The open ones, and the latest of those that are done. */
  incidents: IncidentRecord[];
  failures: { count: number; lastAt: number; message: string } | null;
  /** Versions that somebody changed or removed outside, so that they do not work any more, and what was seen. */
  drift: {
    readonly versions: readonly number[];
    /** Those of them that the issuer does not have any more. */
    readonly gone: readonly number[];
    readonly detail: string;
    readonly at: number;
  } | null;
  /** Whether something may be alive at the issuer that should be dead, so that the next run has to look (rule 23). */
  inspectDue: boolean;
  lease: Lease | null;
  /** Events of the audit trail that may not have reached the sink yet. */
  outbox: AuditEvent[];
}

/** How many ended versions are remembered, so that one found alive is recognised (rule 23). */
export const REMEMBERED_VERSIONS = 50;

/** @throws StateError for a ledger of a newer package, or one that is not a ledger. */
export function decodeLedger(body: unknown, location: string): LedgerState | null {
  if (body === undefined || body === null) return null;
  const schema = (body as { schema?: unknown }).schema;
  if (typeof schema !== "number")
    throw new StateError(
      `${location} holds something that is not a ledger of rotating secrets (no "schema"). Nothing was changed. ` +
        `Give the secret another path, or remove what is there.`,
    );
  if (schema > LEDGER_SCHEMA)
    throw new StateError(
      `The ledger in ${location} has schema ${schema}, written by a newer pulumi-rotating-secrets; this version reads ` +
        `up to ${LEDGER_SCHEMA}. Nothing was changed. Upgrade the package where this program runs.`,
    );
  return withDefaults(body as LedgerState);
}

/** What a ledger of the same schema, written by an older package, does not have yet. */
function withDefaults(ledger: Omit<LedgerState, "incidents"> & Partial<LedgerState>): LedgerState {
  return {
    ...ledger,
    drift: ledger.drift ?? null,
    incidents: ledger.incidents ?? [],
    declared: {
      ...ledger.declared,
      alarmAfterMs: ledger.declared.alarmAfterMs ?? null,
      revokeFirstBefore: ledger.declared.revokeFirstBefore ?? null,
    },
    versions: ledger.versions.map((record) => ({
      ...record,
      supersededAt: record.supersededAt ?? record.leftAt,
      alarmedAt: record.alarmedAt ?? null,
    })),
  };
}

/** The name of a version in its stores. */
export function refOf(version: VersionRecord): VersionRef {
  return { version: version.version, token: version.rotationId };
}

export function findVersion(ledger: LedgerState, version: number): VersionRecord | undefined {
  return ledger.versions.find((record) => record.version === version);
}

/** @throws StateError when the ledger does not know the version. */
export function getVersion(ledger: LedgerState, version: number): VersionRecord {
  const record = findVersion(ledger, version);
  if (!record) throw new StateError(`${ledger.secret}: the ledger does not know v${version}.`);
  return record;
}

export function activeVersion(ledger: LedgerState): VersionRecord | null {
  return ledger.active === null ? null : getVersion(ledger, ledger.active);
}

/** Versions that still exist beside the active one, and are not in the making. */
export function unretired(ledger: LedgerState): VersionRecord[] {
  return ledger.versions.filter((record) => record.version !== ledger.active && UNRETIRED.includes(record.state));
}

/** The version that a return may go to: superseded, not disabled, not retiring (rule 14), and not known to be dead. */
export function returnTarget(ledger: LedgerState): VersionRecord | undefined {
  return unretired(ledger).find(
    (record) =>
      record.state === "superseded" && record.proof === null && !ledger.drift?.versions.includes(record.version),
  );
}

/** Whether a rotation has side effects to finish, so that nothing else may start (rule 11). */
export function isUnfinished(rotation: RotationRecord | null): rotation is RotationRecord {
  return rotation !== null && rotation.phase !== "confirming" && rotation.phase !== "done";
}

/** Drops the oldest ended versions beyond those that are remembered. */
export function forgetOldVersions(ledger: LedgerState): void {
  const ended = ledger.versions.filter((record) => record.state === "retired" || record.state === "abandoned");
  const forgotten = new Set(ended.slice(0, Math.max(0, ended.length - REMEMBERED_VERSIONS)));
  if (forgotten.size > 0) ledger.versions = ledger.versions.filter((record) => !forgotten.has(record));
}
