/** Durations as people write them: `90s`, `15m`, `36h`, `90d`, `2w`, or ISO 8601 (`P90D`, `PT1H`). */
import { Duration } from "luxon";

const SHORT = /^(\d+)(ms|s|m|h|d|w)$/;
const FACTOR = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * @returns milliseconds, or `undefined` when the text is not a duration of zero or more. Calendar units that have no
 * fixed length (months, years) are refused.
 */
export function parseDuration(text: string): number | undefined {
  const short = SHORT.exec(text);
  if (short) return Number(short[1]) * FACTOR[short[2] as keyof typeof FACTOR];
  if (!text.startsWith("P")) return undefined;
  const iso = Duration.fromISO(text);
  if (!iso.isValid || iso.years !== 0 || iso.months !== 0) return undefined;
  const ms = iso.toMillis();
  return Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined;
}

/** The time in the unit that says most to a person: `91 days`, `3 hours`, `79 seconds`. */
export function describeDuration(ms: number): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1000],
  ] as const;
  for (const [name, size] of units) {
    // 79 seconds, not 1 minute: below two the smaller unit says more.
    const says = size === 1000 || ms % size === 0 ? ms >= size : ms >= 2 * size;
    if (says) {
      const count = Math.floor(ms / size);
      return `${count} ${name}${count === 1 ? "" : "s"}`;
    }
  }
  return `${ms} ms`;
}
