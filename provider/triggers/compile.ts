/** A schedule as the program writes it, ready to decide by. */
import { parseDuration } from "../lifecycle/duration";
import type { Blackout } from "./blackouts";
import { parseCron } from "./cron";
import { parseEvery } from "./every";
import { RENEW_BY_DEFAULT, type RenewBefore } from "./expiry";
import type { Recurrence } from "./recurrence";
import type { Schedule } from "./schedule";
import type { RotationWindow } from "./windows";

/** Checked by provider/inputs/schedule.ts. */
export interface ScheduleText {
  readonly every?: string | undefined;
  readonly cron?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly window?: RotationWindow | undefined;
  readonly windows?: readonly RotationWindow[] | undefined;
  readonly blackouts?: readonly Blackout[] | undefined;
  readonly renewBefore?: string | number | undefined;
  readonly jitter?: string | undefined;
  readonly minAge?: string | undefined;
  readonly maxAge?: string | undefined;
}

export const DEFAULT_TIME_ZONE = "UTC";

/** What holds where the program gives no schedule: what expires is renewed. */
export const NO_SCHEDULE: Schedule = compileSchedule({});

export function compileSchedule(text: ScheduleText): Schedule {
  const timeZone = text.timeZone ?? DEFAULT_TIME_ZONE;
  const inZone = <Part extends { readonly timeZone?: string | undefined }>(part: Part): Part => ({
    ...part,
    timeZone: part.timeZone ?? timeZone,
  });
  return {
    recurrence: recurrenceOf(text),
    windows: [...(text.window ? [text.window] : []), ...(text.windows ?? [])].map(inZone),
    blackouts: (text.blackouts ?? []).map(inZone),
    renewBefore: renewBeforeOf(text.renewBefore),
    jitterMs: msOf(text.jitter) ?? 0,
    minAgeMs: msOf(text.minAge) ?? 0,
    maxAgeMs: msOf(text.maxAge) ?? null,
  };
}

/** The shortest time between two rotations that the schedule asks for, in ms; `null`: it knows only what expires. */
export function shortestInterval({ recurrence, jitterMs, minAgeMs, maxAgeMs }: Schedule): number | null {
  if (recurrence === null) return maxAgeMs;
  return Math.min(Math.max(recurrence.shortest(jitterMs), minAgeMs), maxAgeMs ?? Infinity);
}

/** Whether it is an interval of a fixed length, and a window at most: all that older packages knew. */
export function isPlain({ every, window: _window, ...rest }: ScheduleText): boolean {
  const more = Object.values(rest).filter(
    (value) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return more.length === 0 && every !== undefined && parseDuration(every) !== undefined;
}

function recurrenceOf({ every, cron, timeZone = DEFAULT_TIME_ZONE }: ScheduleText): Recurrence | null {
  const read =
    every !== undefined ? parseEvery(every, timeZone) : cron !== undefined ? parseCron(cron, timeZone) : null;
  return typeof read === "string" ? null : (read ?? null);
}

function renewBeforeOf(text: string | number | undefined): RenewBefore {
  if (text === undefined) return RENEW_BY_DEFAULT;
  return typeof text === "number" ? { share: text } : { ms: msOf(text) ?? 0 };
}

function msOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}
