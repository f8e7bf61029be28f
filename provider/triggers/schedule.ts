/**
 * Whether it is time: from the age of a version, a calendar and when it expires. Pure; a run that comes late finds the
 * same as one in time, and what was just issued is never due.
 */
import { describeDuration } from "../lifecycle/duration";
import type { VersionRecord } from "../lifecycle/ledger";
import type { Reason } from "../lifecycle/reason";
import type { Blackout } from "./blackouts";
import { ALLOWED_CLOCK_SKEW_MS } from "./clockSkew";
import { expiryOf, type RenewBefore } from "./expiry";
import { heldBy, nextAllowed } from "./holds";
import { describeInstant } from "./instant";
import { shareOf } from "./jitter";
import type { Recurrence } from "./recurrence";
import type { RotationWindow } from "./windows";

export interface Schedule {
  /** `null`: only what expires is due. */
  readonly recurrence: Recurrence | null;
  readonly windows: readonly RotationWindow[];
  readonly blackouts: readonly Blackout[];
  readonly renewBefore: RenewBefore;
  /** Everything comes earlier by a part of this, in ms; which part is the secret's own. */
  readonly jitterMs: number;
  /** In ms; what is younger is never due by schedule. */
  readonly minAgeMs: number;
  /** In ms; what is older is due, and nothing holds it back. */
  readonly maxAgeMs: number | null;
}

/** The version that the schedule is about. */
export type Scheduled = Pick<VersionRecord, "version" | "issuedAt" | "proposedAt" | "expiresAt">;

export interface ScheduleVerdict {
  readonly due: Reason | null;
  /** When a run may begin, in ms since the epoch: from now on, or since then where it is due; `null`: never. */
  readonly nextAt: number | null;
  /** What makes it due then, for people. */
  readonly why?: string;
  /** Why a version that is old enough still waits, or what is wrong with the clock. */
  readonly waiting?: string;
}

/** When a version is due, and why. */
interface DueMoment {
  readonly at: number;
  readonly code: "schedule" | "expiry";
  /** What the reason says beside the age. */
  readonly text: string;
}

/** @param identity of the secret, which its jitter comes from */
export function decideSchedule(schedule: Schedule, active: Scheduled, identity: string, now: number): ScheduleVerdict {
  const moment = dueMoment(schedule, active, identity);
  if (moment === null) return { due: null, nextAt: null };
  const plan = { why: describeMoment(schedule, active, moment) };
  const since = issueOf(active);
  if (now < moment.at) {
    const nextAt = beginFrom(schedule, active, moment.at);
    if (since <= now + ALLOWED_CLOCK_SKEW_MS) return { due: null, nextAt, ...plan };
    return { due: null, nextAt, ...plan, waiting: describeClock(active, now, nextAt) };
  }
  const nextAt = beginFrom(schedule, active, now);
  if (nextAt === null || nextAt > now)
    return { due: null, nextAt, ...plan, waiting: describeWait(schedule, moment, now, nextAt) };
  const held = heldBy(schedule, now);
  const ended = held === null ? "" : `; waits no longer for ${held}`;
  return {
    due: { code: moment.code, message: `${describeDuration(now - since)} old, ${moment.text}${ended}` },
    nextAt: beginFrom(schedule, active, moment.at),
    ...plan,
  };
}

/** When a run in time begins with the next rotation: depends on nothing but the version and the schedule. */
export function planOf(schedule: Schedule, active: Scheduled, identity: string): { at: number; why: string } | null {
  const { nextAt, why } = decideSchedule(schedule, active, identity, issueOf(active));
  return nextAt === null || why === undefined ? null : { at: nextAt, why };
}

function dueMoment(schedule: Schedule, active: Scheduled, identity: string): DueMoment | null {
  const since = issueOf(active);
  const share = shareOf(identity);
  const { recurrence, minAgeMs, maxAgeMs } = schedule;
  const earlierMs = Math.floor(share * schedule.jitterMs);
  const moments: DueMoment[] = [];
  if (recurrence)
    moments.push({ at: recurrence.dueAfter(since, earlierMs, minAgeMs), code: "schedule", text: recurrence.text });
  if (maxAgeMs !== null)
    moments.push({ at: since + maxAgeMs, code: "schedule", text: `at most ${describeDuration(maxAgeMs)}` });
  const expiry = expiryOf(active.expiresAt, since, schedule, share);
  if (expiry)
    moments.push({
      at: expiry.dueAt,
      code: "expiry",
      text: `expires ${describeInstant(expiry.expiresAt)}`,
    });
  return moments.reduce<DueMoment | null>((first, one) => (first === null || one.at < first.at ? one : first), null);
}

/** The first moment from `moment` on at which nothing holds the rotation back; `null`: there is none. */
function beginFrom(schedule: Schedule, active: Scheduled, moment: number): number | null {
  const urgentAt = urgentFrom(schedule, active);
  if (moment >= urgentAt) return moment;
  const allowed = nextAllowed(schedule, moment);
  const begin = Math.min(allowed ?? Infinity, urgentAt);
  return begin === Infinity ? null : begin;
}

/** From when on neither a window nor a blackout holds it back. */
function urgentFrom(schedule: Schedule, active: Scheduled): number {
  const since = issueOf(active);
  const expiry = expiryOf(active.expiresAt, since, schedule, 0);
  return Math.min(schedule.maxAgeMs === null ? Infinity : since + schedule.maxAgeMs, expiry?.urgentAt ?? Infinity);
}

function issueOf(active: Scheduled): number {
  return active.issuedAt ?? active.proposedAt;
}

function describeMoment(schedule: Schedule, active: Scheduled, moment: DueMoment): string {
  const held = heldBy(schedule, moment.at);
  if (held === null) return moment.text;
  if (moment.at >= urgentFrom(schedule, active)) return moment.text;
  return `${moment.text}; due ${describeInstant(moment.at)}, then waits for ${held}`;
}

function describeWait(schedule: Schedule, moment: DueMoment, now: number, nextAt: number | null): string {
  const until = nextAt === null ? "for ever" : `until ${describeInstant(nextAt)}`;
  const by = moment.code === "expiry" ? `because it ${moment.text}` : `by schedule (${moment.text})`;
  return `due ${by}, and waits for ${heldBy(schedule, now) ?? "nothing"}, ${until}`;
}

function describeClock({ version, issuedAt, proposedAt }: Scheduled, now: number, nextAt: number | null): string {
  return (
    `v${version} was issued at ${describeInstant(issuedAt ?? proposedAt)}, and it is ${describeInstant(now)} by the clock ` +
    `of this machine: that one was set back, or the other one was ahead. Nothing is rotated twice; by schedule the next ` +
    `one is due ${nextAt === null ? "never" : describeInstant(nextAt)}`
  );
}
