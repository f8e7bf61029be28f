/** What is to be said of one secret, as data. Holds no secret value. Times are RFC 3339. */
import { isConfirmedOn, unconfirmedUsers } from "../provider/lifecycle/confirmation";
import { describeDuration } from "../provider/lifecycle/duration";
import {
  activeVersion,
  unretired,
  type LedgerState,
  type MayUse,
  type VersionRecord,
} from "../provider/lifecycle/ledger";
import { decideRetirement } from "../provider/lifecycle/retirement";
import type { Use } from "../provider/lifecycle/values";
import type { SecretVersionInputs } from "../provider/inputs/secretVersion";
import { isKnownDead } from "../provider/rotation/process";
import type { Parts } from "../provider/rotation/session";
import { reportOf, type IncidentReport } from "../provider/triggers/incidents";
import { compileSchedule, type ScheduleText } from "../provider/triggers/compile";
import { decideSchedule } from "../provider/triggers/schedule";
import type { Trail } from "./trail";

export interface SecretStatus {
  readonly name: string;
  readonly store: string;
  readonly owner: string;
  readonly status: LedgerState["status"];
  readonly active: {
    readonly version: number;
    readonly issuedAt: string | null;
    readonly ageMs: number | null;
    readonly fingerprint: string | null;
    readonly issued: Readonly<Record<string, string>>;
  } | null;
  /** Phase of the rotation; `null` where none was or it was settled by hand. */
  readonly phase: string | null;
  readonly confirmed: boolean;
  readonly unconfirmedBy: readonly string[];
  readonly schedule: {
    /** What makes it due. */
    readonly why: string;
    readonly nextAt: string | null;
    readonly due: boolean;
    readonly waiting?: string;
  } | null;
  readonly lastFailure: { readonly at: string; readonly count: number; readonly message: string } | null;
  /** What lives beside the active version, or is in the making. */
  readonly others: readonly {
    readonly version: number;
    readonly state: string;
    readonly since: string | null;
    /** Why it is still there, or what the next run may do. */
    readonly why: string;
    /** Who used it when that was last looked at. */
    readonly uses: readonly Use[];
  }[];
  /** What somebody changed or removed outside; `null`: nothing known. */
  readonly drift: { readonly versions: readonly number[]; readonly detail: string; readonly since: string } | null;
  /** Events that asked for new versions: the open ones, and the latest of those that are done. */
  readonly events: readonly IncidentReport[];
  readonly rollouts: readonly {
    readonly key: string;
    readonly mayUse: readonly MayUse[];
    readonly confirmed: boolean;
    readonly confirmedAt: string | null;
    readonly evidence: string | null;
  }[];
  readonly residues: readonly {
    readonly key: string;
    readonly mayUse: readonly MayUse[];
    readonly leftAt: string;
    readonly release: string;
  }[];
  readonly lease: { readonly holder: string; readonly since: string; readonly until: string } | null;
  readonly audit: {
    readonly trail: string;
    readonly events: number;
    /** Events that only the ledger has so far. */
    readonly unwritten: number;
    /** Why the trail cannot be reached now. */
    readonly down?: string;
  };
}

export function statusOf(
  parts: Parts,
  ledger: LedgerState,
  trail: Trail,
  schedule: SecretVersionInputs["schedule"],
): SecretStatus {
  const now = parts.context.clock.now();
  const active = activeVersion(ledger);
  const unconfirmed = unconfirmedUsers(ledger);
  const { failures } = ledger;
  return {
    name: parts.secret,
    store: parts.store.location,
    owner: ledger.owner.stack,
    status: ledger.status,
    active: active && {
      version: active.version,
      issuedAt: iso(active.issuedAt),
      ageMs: active.issuedAt === null ? null : now - active.issuedAt,
      fingerprint: active.fingerprint,
      issued: active.issued ?? {},
    },
    phase: ledger.rotation?.phase ?? null,
    confirmed: unconfirmed.length === 0,
    unconfirmedBy: unconfirmed.map((user) => user.who),
    schedule: active && scheduleOf(ledger, active, schedule, now),
    lastFailure: failures && { at: at(failures.lastAt), count: failures.count, message: failures.message },
    others: othersOf(parts, ledger, now),
    drift: ledger.drift && {
      versions: ledger.drift.versions,
      detail: ledger.drift.detail,
      since: at(ledger.drift.at),
    },
    events: ledger.incidents.map((incident) => reportOf(ledger, incident)),
    rollouts: Object.entries(ledger.rollouts).map(([key, rollout]) => ({
      key,
      mayUse: rollout.mayUse,
      confirmed: active !== null && isConfirmedOn(rollout, active.version),
      confirmedAt: iso(rollout.confirmedAt),
      evidence: rollout.evidence,
    })),
    residues: Object.entries(ledger.residues).map(([key, residue]) => ({
      key,
      mayUse: residue.mayUse,
      leftAt: at(residue.leftAt),
      release: `rotation release ${ledger.secret} --rollout ${key} --reason TEXT`,
    })),
    lease: leaseOf(ledger, now),
    audit: {
      trail: parts.audit.location,
      events: trail.events.length,
      unwritten: trail.unwritten.length,
      ...(trail.down === undefined ? {} : { down: trail.down }),
    },
  };
}

/** As the program says; of another stack's secret as its ledger does. */
function scheduleOf(
  ledger: LedgerState,
  active: VersionRecord,
  declared: SecretVersionInputs["schedule"],
  now: number,
): SecretStatus["schedule"] {
  const { everyMs } = ledger.declared;
  const told = declared ?? (ledger.declared.schedule as ScheduleText | undefined);
  const schedule = compileSchedule(told ?? (everyMs === null ? {} : { every: `${everyMs}ms` }));
  const { nextAt, due, waiting, why } = decideSchedule(schedule, active, ledger.identity, now);
  if (why === undefined) return null;
  return {
    why: told || everyMs === null ? why : why.replace(`${everyMs}ms`, describeDuration(everyMs)),
    nextAt: iso(nextAt),
    due: due !== null,
    ...(waiting === undefined ? {} : { waiting }),
  };
}

function othersOf(parts: Parts, ledger: LedgerState, now: number): SecretStatus["others"] {
  const policy = { ...ledger.declared, ...parts.kind.capabilities };
  const pending = ledger.versions.filter((record) => record.state === "pending");
  return [
    ...pending.map(({ version, state, proposedAt }) => ({
      version,
      state,
      since: at(proposedAt),
      why: "in the making",
      uses: [],
    })),
    ...unretired(ledger).map((record) => {
      const verdict = decideRetirement(ledger, record, policy, now);
      const next =
        verdict.step === "hold" ? verdict.message : (record.putOff?.message ?? `the next run may ${verdict.step} it`);
      return {
        version: record.version,
        state: record.state,
        since: iso(record.disabledAt ?? record.leftAt),
        why: next,
        uses: record.putOff?.uses ?? [],
      };
    }),
  ];
}

function leaseOf({ lease }: LedgerState, now: number): SecretStatus["lease"] {
  if (!lease || lease.expiresAt <= now || isKnownDead(lease)) return null;
  const holder = `run ${lease.run} of ${lease.user}@${lease.host} (process ${lease.pid})`;
  return { holder, since: at(lease.acquiredAt), until: at(lease.expiresAt) };
}

function iso(time: number | null): string | null {
  return time === null ? null : at(time);
}

function at(time: number): string {
  return new Date(time).toISOString();
}
