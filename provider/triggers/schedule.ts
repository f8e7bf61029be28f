/** Whether it is time: an interval since the version was issued, held back by a window in the calendar. */
import { DateTime, IANAZone } from "luxon";
import { describeDuration } from "../lifecycle/duration";
import type { VersionRecord } from "../lifecycle/ledger";
import type { Reason } from "../lifecycle/reason";

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** When a scheduled rotation may start. Never holds back an event. */
export interface RotationWindow {
  /** Days on which the window opens; absent: every day. */
  readonly days?: readonly Weekday[];
  /** `HH:MM`, local time of `timeZone`. */
  readonly from: string;
  /** `HH:MM`; at or before `from` it is on the next day. */
  readonly to: string;
  /** An IANA time zone; default `UTC`. */
  readonly timeZone?: string;
}

export interface Schedule {
  /** As the user wrote it, for messages. */
  readonly every: string;
  readonly everyMs: number;
  readonly window?: RotationWindow;
}

/** Asked with every check of the inputs; the zones that were made once are kept. */
export function isTimeZone(name: string): boolean {
  return IANAZone.create(name).isValid;
}

/**
 * Whether a moment lies in the window, as a clock on the wall shows it: where the clocks change, an hour that is left
 * out opens nothing, and one that comes twice opens twice. The days are those on which the window opened.
 */
export function isInWindow(window: RotationWindow, now: number): boolean {
  const local = DateTime.fromMillis(now, { zone: window.timeZone ?? "UTC" });
  const opensOn = (weekday: number) => !window.days || window.days.includes(WEEKDAYS[weekday - 1] as Weekday);
  const time = local.hour * 60 + local.minute;
  const from = minuteOfDay(window.from);
  const to = minuteOfDay(window.to);
  const today = opensOn(local.weekday);
  if (from < to) return today && time >= from && time < to;
  const yesterday = opensOn(local.weekday === 1 ? 7 : local.weekday - 1);
  return (today && time >= from) || (yesterday && time < to);
}

function minuteOfDay(time: string): number {
  const [hour, minute] = time.split(":").map(Number);
  return (hour ?? 0) * 60 + (minute ?? 0);
}

export interface ScheduleVerdict {
  readonly due: Reason | null;
  /** When the interval is over, in ms since the epoch. */
  readonly nextAt: number;
  /** Why a version that is old enough still waits. */
  readonly waiting?: string;
}

/** A version that was issued in the future (the clock jumped back) is not due. */
export function decideSchedule(schedule: Schedule, active: VersionRecord, now: number): ScheduleVerdict {
  const since = active.issuedAt ?? active.proposedAt;
  const nextAt = since + schedule.everyMs;
  if (now < nextAt) return { due: null, nextAt };
  if (schedule.window && !isInWindow(schedule.window, now))
    return {
      due: null,
      nextAt,
      waiting: `due by schedule, and waits for its window (${describeWindow(schedule.window)})`,
    };
  return {
    due: { code: "schedule", message: `${describeDuration(now - since)} old, every ${schedule.every}` },
    nextAt,
  };
}

function describeWindow(window: RotationWindow): string {
  return `${(window.days ?? ["every day"]).join(",")} ${window.from}-${window.to} ${window.timeZone ?? "UTC"}`;
}
