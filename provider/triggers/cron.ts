/**
 * Times by a cron pattern, as a clock on the wall of a time zone shows them. A time that the clocks leave out counts at
 * the moment at which they are moved past it; one that they show twice counts once, the first time.
 */
import { createRequire } from "node:module";
import type * as Croner from "croner";
import { DAY, nextShown, HOUR, isFixed, wallOf } from "./calendar";
import type { Recurrence } from "./recurrence";

/** Five fields; the letters are names of months and days, and `L`, `W`, `#` as croner reads them. */
const FIVE_FIELDS = /^([\dA-Za-z*,/#-]+\s+){4}[\dA-Za-z*,/#-]+$/;
const FROM = Date.UTC(2024, 0, 1);
const MOST_LOOKED_AT = 500;
const LONGEST_LOOKED_AT = 1500 * DAY;

/** A pattern as read, in time without zones: its readings of a clock on the wall. */
type Pattern = Pick<Croner.Cron, "nextRun">;
const patterns = new Map<string, Pattern>();
const shortest = new Map<string, number>();

/** @returns the times; or, as text, why the pattern has none. */
export function parseCron(text: string, timeZone: string): Recurrence | string {
  if (!FIVE_FIELDS.test(text.trim()))
    return "has five fields: minute, hour, day of the month, month and day of the week, such as 0 3 1 * *";
  let pattern: Pattern;
  try {
    pattern = readPattern(text.trim());
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, "");
  }
  if (nextReading(pattern, FROM) === null) return "never comes: there is no such day";
  return {
    text: `cron ${text.trim()} ${timeZone}`,
    // Jitter brings all of them forward by the same.
    shortest: () => shortestOf(text.trim(), pattern, timeZone),
    dueAfter: (issuedAt, earlierMs, minAgeMs) => {
      const later = issuedAt + earlierMs;
      // Those that a version is too young for are left out, not put off: the next one will do.
      return nextTime(pattern, timeZone, Math.max(later, later + minAgeMs - 1)) - earlierMs;
    },
  };
}

function readPattern(text: string): Pattern {
  const known = patterns.get(text);
  if (known) return known;
  const { Cron } = loadCroner();
  // Without a zone, so that only calendar.ts knows how clocks are moved: it is the same for windows.
  const pattern = new Cron(text, { mode: "5-part", utcOffset: 0, paused: true });
  patterns.set(text, pattern);
  return pattern;
}

/** Loaded with the first pattern only: most programs have none. */
function loadCroner(): typeof Croner {
  return createRequire(__filename)("croner") as typeof Croner;
}

/** The first one later than `after`. */
function nextTime(pattern: Pattern, timeZone: string, after: number): number {
  let reading: number | null = wallOf(timeZone, after);
  for (;;) {
    reading = nextReading(pattern, reading);
    // It comes again for ever, or parseCron() had refused it.
    if (reading === null) return Number.MAX_SAFE_INTEGER;
    const at = nextShown(timeZone, reading);
    if (at > after) return at;
  }
}

function nextReading(pattern: Pattern, after: number): number | null {
  try {
    return pattern.nextRun(new Date(after))?.getTime() ?? null;
  } catch (error) {
    // It looks by recursion: too deep where there is nothing to be found.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function shortestOf(text: string, pattern: Pattern, timeZone: string): number {
  const key = `${text} ${timeZone}`;
  const known = shortest.get(key);
  if (known !== undefined) return known;
  let found = LONGEST_LOOKED_AT;
  let last = nextReading(pattern, FROM);
  for (let count = 0; count < MOST_LOOKED_AT && last !== null && last < FROM + LONGEST_LOOKED_AT; count++) {
    const next = nextReading(pattern, last);
    if (next !== null) found = Math.min(found, next - last);
    last = next;
  }
  // Where the clocks are put forward, two times are closer by an hour.
  if (found > HOUR && !isFixed(timeZone, FROM)) found = Math.max(HOUR, found - HOUR);
  shortest.set(key, found);
  return found;
}
