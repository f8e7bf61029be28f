/** What a clock on the wall shows, by the platform's own calendar: what windows are held against. */

export interface Window {
  readonly days?: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

const MINUTE = 60_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const formats = new Map<string, Intl.DateTimeFormat>();

function shown(timeZone: string, now: number): { day: string; minutes: number } {
  let format = formats.get(timeZone);
  if (!format) {
    const parts = { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    formats.set(timeZone, (format = new Intl.DateTimeFormat("en-GB", { timeZone, ...parts })));
  }
  const [, day = "", hour, minute] = /^(\w+),? (\d\d):(\d\d)$/.exec(format.format(now)) ?? [];
  return { day: day.toLowerCase(), minutes: Number(hour) * 60 + Number(minute) };
}

/** Days are those on which the window opened; one that ends at or before its beginning goes on past midnight. */
export function isOpen({ days, from, to, timeZone }: Window, now: number): boolean {
  const { day, minutes } = shown(timeZone, now);
  const opens = minutesOf(from);
  const closes = minutesOf(to);
  const on = (which: string) => days === undefined || days.includes(which);
  const yesterday = DAYS[(DAYS.indexOf(day) + 6) % 7] ?? "";
  if (opens < closes) return on(day) && minutes >= opens && minutes < closes;
  return (on(day) && minutes >= opens) || (on(yesterday) && minutes < closes);
}

function minutesOf(time: string): number {
  const [hour, minute] = time.split(":").map(Number);
  return (hour ?? 0) * 60 + (minute ?? 0);
}

/** The first quarter of an hour from then on in which it is open. */
export function nextOpening(window: Window, after: number): number {
  const step = 15 * MINUTE;
  let moment = Math.ceil(after / step) * step;
  while (!isOpen(window, moment)) moment += step;
  return moment;
}

/** The next moment from then on at which the clocks of a zone change; a year later where they never do. */
export function nextClockChange(timeZone: string, after: number): number {
  const offset = (now: number) => (shown(timeZone, now).minutes - Math.floor(now / MINUTE) + 1e9 * 1440) % 1440;
  const hour = 60 * MINUTE;
  let low = Math.ceil(after / hour) * hour;
  let high = low;
  const before = offset(low);
  while (offset(high) === before && high < low + 366 * 24 * hour) high += 14 * 24 * hour;
  while (high - low > hour) {
    const middle = low + Math.floor((high - low) / 2 / hour) * hour;
    if (offset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
