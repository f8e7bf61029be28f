/** Everything that can make a rotation due, in the order of urgency: events, changed inputs, expiry, schedule. */
import { describeDuration } from "../lifecycle/duration";
import { activeVersion, type LedgerState } from "../lifecycle/ledger";
import type { Reason, ReasonCode } from "../lifecycle/reason";
import { ALLOWED_CLOCK_SKEW_MS } from "./clockSkew";
import { NO_SCHEDULE } from "./compile";
import { decideSchedule, planOf, type Schedule } from "./schedule";

export { ALLOWED_CLOCK_SKEW_MS };

export const EVENT_REASONS = [
  "on-demand",
  "suspected-compromise",
  "departed-employee",
  "audit-finding",
  "policy",
] as const satisfies readonly ReasonCode[];

/** Something that happened and asks for a new version. */
export interface RotationEvent {
  readonly id: string;
  readonly reason: (typeof EVENT_REASONS)[number];
  /** ms since the epoch. */
  readonly at: number;
  readonly requestedBy?: string;
  /** Whether what it matches is revoked before anybody has confirmed a successor. */
  readonly revokeFirst?: boolean;
}

export interface DueInputs {
  /** Absent: only what expires by itself is due in time. */
  readonly schedule?: Schedule;
  readonly events: readonly RotationEvent[];
  /** Digest of the inputs that a version is issued from. */
  readonly inputsDigest: string;
  /** The first wait after a failed rotation in ms; it doubles with each further failure. */
  readonly retryAfterMs: number;
}

/** The longest wait between failed rotations, in ms. */
export const LONGEST_RETRY_MS = 86_400_000;

export interface DueVerdict {
  readonly due: Reason | null;
  /** When a run may begin with the next rotation in time, in ms since the epoch; `null`: nothing makes it due. */
  readonly nextAt: number | null;
  /** What makes it due then, for people. */
  readonly why?: string;
  /** Why something that is due is held back. */
  readonly waiting?: string;
}

type Occurrence = { readonly at: number; readonly reason: ReasonCode };

/** Rule 16: a version answers an event if it was issued later than that, by more than the allowed clock skew. */
export function isAnswered(event: Occurrence, issuedAt: number | null): boolean {
  return issuedAt !== null && issuedAt > event.at + skewOf(event);
}

/** A clock skew matters where a stolen value could be taken for its successor. A wish needs no such margin. */
function skewOf(event: Occurrence): number {
  return event.reason === "suspected-compromise" ? ALLOWED_CLOCK_SKEW_MS : 0;
}

/** Up to when a version that was issued counts as compromised, in ms since the epoch; `null`: none does. */
export function compromisedBefore(events: readonly RotationEvent[]): number | null {
  const compromises = events.filter((event) => event.reason === "suspected-compromise");
  return compromises.length > 0 ? Math.max(...compromises.map((event) => event.at + skewOf(event))) : null;
}

/** As {@link compromisedBefore}, for what is revoked before anybody has confirmed a successor. */
export function revokeFirstBefore(events: readonly RotationEvent[]): number | null {
  return compromisedBefore(events.filter((event) => event.revokeFirst));
}

export function decideDue(inputs: DueInputs, ledger: LedgerState, now: number): DueVerdict {
  const active = activeVersion(ledger);
  if (active === null) return { due: null, nextAt: null };
  // Rule 11: an event is handled only when a version issued after it is confirmed; one that is issued is on its way.
  const open = inputs.events.filter(
    (event) => event.at <= now + ALLOWED_CLOCK_SKEW_MS && !isAnswered(event, ledger.confirmedIssueAt),
  );
  const pending = open.filter((event) => !isAnswered(event, active.issuedAt));
  const urgent = open.some((event) => event.reason === "suspected-compromise");
  const schedule = decideSchedule(inputs.schedule ?? NO_SCHEDULE, active, ledger.identity, now);
  const next = { nextAt: schedule.nextAt, ...(schedule.why === undefined ? {} : { why: schedule.why }) };

  const due = pending.length > 0 ? eventReason(pending) : (changedInputs(inputs, active.inputsDigest) ?? schedule.due);
  if (due === null) return { due, ...next, ...(schedule.waiting ? { waiting: schedule.waiting } : {}) };
  const retryAt = urgent ? 0 : retryMoment(inputs, ledger);
  if (now < retryAt)
    return {
      due: null,
      ...next,
      waiting: `${due.code} is due; the last attempt failed (${ledger.failures?.message ?? "unknown"}), next one in ${describeDuration(retryAt - now)}`,
    };
  return { due, ...next };
}

/** When a run in time begins with the next rotation, and why; `null`: nothing makes it due. */
export function nextRotation(inputs: DueInputs, ledger: LedgerState): { at: number; why: string } | null {
  const active = activeVersion(ledger);
  return active && planOf(inputs.schedule ?? NO_SCHEDULE, active, ledger.identity);
}

function eventReason(events: readonly RotationEvent[]): Reason {
  const urgency = (event: RotationEvent) => EVENT_REASONS.indexOf(event.reason);
  const first = [...events].sort(
    (a, b) =>
      Number(b.reason === "suspected-compromise") - Number(a.reason === "suspected-compromise") ||
      urgency(a) - urgency(b),
  )[0] as RotationEvent;
  const ids = events.map((event) => event.id);
  const by = first.requestedBy ? `, asked by ${first.requestedBy}` : "";
  return { code: first.reason, message: `event ${ids.join(", ")}${by}`, events: ids };
}

function changedInputs(inputs: DueInputs, issuedFrom: string | null): Reason | null {
  if (issuedFrom === null || issuedFrom === inputs.inputsDigest) return null;
  return { code: "policy", message: "inputs that a version is issued from have changed" };
}

function retryMoment(inputs: DueInputs, ledger: LedgerState): number {
  if (!ledger.failures) return 0;
  const wait = inputs.retryAfterMs * 2 ** Math.min(ledger.failures.count - 1, 30);
  return ledger.failures.lastAt + Math.min(wait, LONGEST_RETRY_MS);
}
