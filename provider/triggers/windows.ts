/** Windows: the times of the week in which a scheduled rotation may start. */
import { DAY, shownBetween, startOfDay, wallOf } from "./calendar";

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** When a scheduled rotation may start. Never holds back an event. */
export interface RotationWindow {
  /** Days on which the window opens; absent: every day. */
  readonly days?: readonly Weekday[] | undefined;
  /** `HH:MM`, local time of `timeZone`. */
  readonly from: string;
  /** `HH:MM`; at or before `from` it is on the next day. */
  readonly to: string;
  /** An IANA time zone; default `UTC`. */
  readonly timeZone?: string | undefined;
}

const MINUTE = 60_000;
/** A clock that leaves out a whole day (Samoa, 2011) lets a weekly window wait for a fortnight. */
const LONGEST_WAIT_DAYS = 21;

/**
 * Whether a moment lies in the window, as a clock on the wall shows it: where the clocks change, an hour that is left
 * out opens nothing, and one that comes twice opens twice. The days are those on which the window opened.
 */
export function isInWindow(window: RotationWindow, now: number): boolean {
  const wall = wallOf(zoneOf(window), now);
  const today = startOfDay(wall);
  return [today, today - DAY].some((day) => {
    const { from, to } = readingsOn(window, day);
    return opensOn(window, day) && wall >= from && wall < to;
  });
}

/** The first moment from `now` on that lies in the window; `null`: none within three weeks. */
export function nextInWindow(window: RotationWindow, now: number): number | null {
  if (isInWindow(window, now)) return now;
  const today = startOfDay(wallOf(zoneOf(window), now));
  for (let ahead = -1; ahead < LONGEST_WAIT_DAYS; ahead++) {
    const day = today + ahead * DAY;
    const openings = openingsOn(window, day, now);
    // A clock that is set back over midnight shows the end of this day once more, after the beginning of the next.
    if (openings.length > 0) return Math.min(...openings, ...openingsOn(window, day + DAY, now));
  }
  return null;
}

function openingsOn(window: RotationWindow, day: number, now: number): number[] {
  if (!opensOn(window, day)) return [];
  const { from, to } = readingsOn(window, day);
  return shownBetween(zoneOf(window), from, to)
    .map(({ start }) => start)
    .filter((start) => start > now);
}

/** What the clock shows when the window of that day opens and closes. */
function readingsOn({ from, to }: RotationWindow, day: number): { from: number; to: number } {
  const opens = minuteOfDay(from);
  const closes = minuteOfDay(to);
  return { from: day + opens * MINUTE, to: day + closes * MINUTE + (closes <= opens ? DAY : 0) };
}

function opensOn({ days }: RotationWindow, day: number): boolean {
  return !days || days.includes(WEEKDAYS[(new Date(day).getUTCDay() + 6) % 7] as Weekday);
}

function minuteOfDay(time: string): number {
  const [hour, minute] = time.split(":").map(Number);
  return (hour ?? 0) * 60 + (minute ?? 0);
}

function zoneOf(window: RotationWindow): string {
  return window.timeZone ?? "UTC";
}

export function describeWindow(window: RotationWindow): string {
  return `${(window.days ?? ["every day"]).join(",")} ${window.from}-${window.to} ${zoneOf(window)}`;
}
