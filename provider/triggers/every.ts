/** Intervals: of a fixed length (`90d`), or of calendar months and years (`P3M`). */
import { DateTime, Duration } from "luxon";
import { parseDuration } from "../lifecycle/duration";
import { HOUR, isFixed } from "./calendar";
import type { Recurrence } from "./recurrence";

/** A January from which on four years hold every length that a month has, and a leap year. */
const FROM_YEAR = 2023;

/** @returns `undefined` where the text is not an interval longer than nothing. */
export function parseEvery(text: string, timeZone: string): Recurrence | undefined {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms > 0 ? everyMs(text, ms) : undefined;
  const calendar = parseCalendar(text);
  return calendar && everyMonths(text, calendar, timeZone);
}

function everyMs(text: string, ms: number): Recurrence {
  return {
    text: `every ${text}`,
    // Counted from the last issue, which came earlier too.
    shortest: (jitterMs) => ms - jitterMs,
    dueAfter: (issuedAt, earlierMs, minAgeMs) => issuedAt + Math.max(ms - earlierMs, minAgeMs),
  };
}

/** The same day and time of day, so many months later; the last day of the month where it has no such day. */
function everyMonths(text: string, duration: Duration, timeZone: string): Recurrence {
  const plus = (at: number, zone: string) => DateTime.fromMillis(at, { zone }).plus(duration).toMillis();
  return {
    text: `every ${text}`,
    shortest: (jitterMs) => {
      const starts = Array.from({ length: 48 }, (_, month) => Date.UTC(FROM_YEAR, month, 1));
      const shortest = Math.min(...starts.map((start) => plus(start, "UTC") - start));
      return (isFixed(timeZone, starts[0] as number) ? shortest : shortest - HOUR) - jitterMs;
    },
    dueAfter: (issuedAt, earlierMs, minAgeMs) => Math.max(plus(issuedAt, timeZone) - earlierMs, issuedAt + minAgeMs),
  };
}

function parseCalendar(text: string): Duration | undefined {
  if (!text.startsWith("P")) return undefined;
  const duration = Duration.fromISO(text);
  if (!duration.isValid) return undefined;
  const parts = Object.values(duration.toObject());
  return parts.every((part) => Number.isInteger(part) && part >= 0) && duration.years + duration.months > 0
    ? duration
    : undefined;
}
