/**
 * What a clock on the wall shows in a time zone, and when it shows it. A reading is kept as the milliseconds that a clock
 * in UTC with the same hands would have, so that it can be calculated with.
 */
import { IANAZone } from "luxon";

export interface Interval {
  readonly start: number;
  /** Not in it any more. */
  readonly end: number;
}

const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** No clock is further from UTC, and none is ever moved by more. */
const FARTHEST = 26 * HOUR;

/** Asked with every check of the inputs; the zones that were made once are kept. */
export function isTimeZone(name: string): boolean {
  return IANAZone.create(name).isValid;
}

/** Whether its clocks are never moved, as far as the years around `at` tell. */
export function isFixed(zone: string, at: number): boolean {
  const months = Array.from({ length: 24 }, (_, month) => offset(zone, at + month * 30 * DAY));
  return months.every((one) => one === months[0]);
}

function offset(zone: string, at: number): number {
  return IANAZone.create(zone).offset(at) * MINUTE;
}

/** What the clock shows at a moment. */
export function wallOf(zone: string, at: number): number {
  return at + offset(zone, at);
}

/** The day that a reading lies in, as `2026-11-28`. */
export function dateOf(wall: number): string {
  return new Date(wall).toISOString().slice(0, 10);
}

/** The reading at the beginning of its day. */
export function startOfDay(wall: number): number {
  return Math.floor(wall / DAY) * DAY;
}

/**
 * The moments at which the clock shows something from `from` to before `to`, of at most a few days: none where it leaves
 * all of that out, two intervals where it shows some of it twice.
 */
export function shownBetween(zone: string, from: number, to: number): Interval[] {
  return offsetsBetween(zone, from - FARTHEST, to + FARTHEST)
    .map((part) => ({ start: Math.max(part.start, from - part.offset), end: Math.min(part.end, to - part.offset) }))
    .filter(({ start, end }) => start < end);
}

/** The first moment after `after` at which the clock comes to show `wall`, or is moved past it. */
export function nextShown(zone: string, wall: number, after = -Infinity): number {
  const starts = shownBetween(zone, wall, wall + FARTHEST).map(({ start }) => start);
  return starts.find((start) => start > after) ?? (starts.at(-1) as number);
}

/** Clocks are moved at most once in so few days. */
function offsetsBetween(zone: string, start: number, end: number): (Interval & { offset: number })[] {
  const before = offset(zone, start);
  const after = offset(zone, end);
  if (before === after) return [{ start, end, offset: before }];
  let low = start;
  let high = end;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(zone, middle) === before) low = middle;
    else high = middle;
  }
  return [
    { start, end: high, offset: before },
    { start: high, end, offset: after },
  ];
}
