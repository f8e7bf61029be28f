/** Blackouts: days on which no scheduled rotation starts, once or every year. */
import { DAY, dateOf, nextShown, startOfDay, wallOf } from "./calendar";

export interface Blackout {
  /** The first day: `2026-12-20`, or `12-20` for every year. */
  readonly from: string;
  /** The last day, in the same form. One of every year may be earlier in the year: then it goes over New Year. */
  readonly to: string;
  /** An IANA time zone; default `UTC`. */
  readonly timeZone?: string | undefined;
  /** For people. */
  readonly reason?: string | undefined;
}

const YEARLY = /^\d\d-\d\d$/;
/** Any leap year, in which every day of a yearly blackout exists. */
const LEAP_YEAR = 2024;
/** Where only a leap day is left out: eight years, over the turn of a century. */
const LONGEST_DAYS = 8 * 366;

export function isYearly(date: string): boolean {
  return YEARLY.test(date);
}

/** Whether there is such a day, of that year or, without one, of any. */
export function isDate(text: string): boolean {
  if (!YEARLY.test(text) && !/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = isYearly(text) ? `${LEAP_YEAR}-${text}` : text;
  const at = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(at) && dateOf(at) === date;
}

export function isInBlackout(blackout: Blackout, now: number): boolean {
  return includes(blackout, dateOf(wallOf(zoneOf(blackout), now)));
}

/** When the blackout that `now` lies in is over; `null` where it leaves out no day of the year. */
export function endOfBlackout(blackout: Blackout, now: number): number | null {
  const zone = zoneOf(blackout);
  const after = isYearly(blackout.from)
    ? nextDayOutside(blackout, startOfDay(wallOf(zone, now)))
    : Date.parse(`${blackout.to}T00:00:00Z`) + DAY;
  return after === null ? null : nextShown(zone, after, now);
}

function nextDayOutside(blackout: Blackout, day: number): number | null {
  for (let ahead = 1; ahead <= LONGEST_DAYS; ahead++) {
    const later = day + ahead * DAY;
    if (!includes(blackout, dateOf(later))) return later;
  }
  return null;
}

/** Days of one form sort as texts; the 29th of February is a border in other years too. */
function includes({ from, to }: Blackout, date: string): boolean {
  if (!isYearly(from)) return date >= from && date <= to;
  const day = date.slice(5);
  return from <= to ? day >= from && day <= to : day >= from || day <= to;
}

function zoneOf(blackout: Blackout): string {
  return blackout.timeZone ?? "UTC";
}

export function describeBlackout(blackout: Blackout): string {
  const { from, to, reason } = blackout;
  return `${from} to ${to} ${zoneOf(blackout)}${reason === undefined ? "" : `, ${reason}`}`;
}
