/** The input `schedule` of a secret: its shape, and what does not go together. */
import { z } from "zod";
import { describeDuration, parseDuration } from "../lifecycle/duration";
import { isDate, isYearly } from "../triggers/blackouts";
import { isTimeZone } from "../triggers/calendar";
import { compileSchedule, DEFAULT_TIME_ZONE, shortestInterval, type ScheduleText } from "../triggers/compile";
import { parseCron } from "../triggers/cron";
import { parseEvery } from "../triggers/every";
import { nextAllowed } from "../triggers/holds";
import { WEEKDAYS } from "../triggers/windows";
import { durationMs, durationText } from "./common";

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, {
  error: (issue) => `${JSON.stringify(issue.input)} is not a time of day; write it as 02:00`,
});

const timeZone = z.string().refine(isTimeZone, {
  error: (issue) => `${JSON.stringify(issue.input)} is not an IANA time zone such as Europe/Berlin or UTC`,
});

const everyText = z
  .string()
  .refine((text) => (parseDuration(text) ?? parseEvery(text, DEFAULT_TIME_ZONE)) !== undefined, {
    error: (issue) =>
      `${JSON.stringify(issue.input)} is not a duration; write 90s, 15m, 36h, 90d, 2w, or ISO 8601 such as P90D or P3M`,
  });

const longerThanNothing = durationText.refine((text) => durationMs(text) > 0, { error: "has to be longer than 0" });

const window = z.strictObject({
  days: z.array(z.enum(WEEKDAYS)).min(1).optional(),
  from: clockTime,
  to: clockTime,
  timeZone: timeZone.optional(),
});

const date = z.string().refine(isDate, {
  error: (issue) => `${JSON.stringify(issue.input)} is not a day; write it as 2026-12-20, or as 12-20 for every year`,
});

const blackout = z
  .strictObject({ from: date, to: date, timeZone: timeZone.optional(), reason: z.string().min(1).optional() })
  .superRefine(({ from, to }, context) => {
    if (context.issues.length > 0) return;
    const problem = (message: string) => context.addIssue({ code: "custom", path: ["to"], message });
    if (isYearly(from) !== isYearly(to)) problem(`${to} and ${from} have to be both with a year, or both without`);
    else if (!isYearly(from) && to < from) problem(`${to} is before ${from}; it is the last day of the blackout`);
  });

const renewBefore = z.union([z.string(), z.number()]).superRefine((value, context) => {
  const isGood = typeof value === "number" ? value > 0 && value < 1 : durationMs(value) > 0;
  if (!isGood)
    context.addIssue({
      code: "custom",
      message: `${JSON.stringify(value)} is neither a duration such as 30d nor a part of the life between 0 and 1 such as 0.25`,
    });
});

export const scheduleInput = z
  .strictObject({
    every: everyText.optional(),
    cron: z.string().optional(),
    timeZone: timeZone.optional(),
    window: window.optional(),
    windows: z.array(window).min(1).optional(),
    blackouts: z.array(blackout).default([]),
    renewBefore: renewBefore.optional(),
    jitter: durationText.optional(),
    minAge: durationText.optional(),
    maxAge: longerThanNothing.optional(),
  })
  .superRefine((schedule, context) => {
    if (context.issues.length > 0) return;
    for (const { path, message } of [...conflicts(schedule), ...lengths(schedule)])
      context.addIssue({ code: "custom", path: [path], message });
  });

interface Problem {
  readonly path: string;
  readonly message: string;
}

function conflicts(schedule: ScheduleText): Problem[] {
  const { every, cron, timeZone: zone = DEFAULT_TIME_ZONE } = schedule;
  const problems: Problem[] = [];
  if (every !== undefined && cron !== undefined)
    problems.push({ path: "cron", message: "every and cron cannot both say when; take one of them out" });
  if (every === undefined && cron === undefined && schedule.renewBefore === undefined)
    problems.push({
      path: "every",
      message: "is missing: give every or cron, or renewBefore alone for what expires by itself",
    });
  if (every !== undefined && parseDuration(every) === 0)
    problems.push({ path: "every", message: "has to be longer than 0" });
  const read = cron === undefined ? undefined : parseCron(cron, zone);
  if (typeof read === "string")
    problems.push({ path: "cron", message: `${JSON.stringify(cron)} is not a cron pattern: ${read}` });
  if (schedule.window !== undefined && schedule.windows !== undefined)
    problems.push({ path: "windows", message: "window and windows cannot both be given; put all into windows" });
  const compiled = compileSchedule(schedule);
  // Those of every year; one that ends only delays.
  const blackouts = compiled.blackouts.filter(({ from }) => isYearly(from));
  if (compiled.maxAgeMs === null && nextAllowed({ ...compiled, blackouts }, Date.UTC(2024, 0, 1)) === null)
    problems.push({
      path: "blackouts",
      message: "leave no time at which a rotation may start; leave some out, or give a maxAge",
    });
  return problems;
}

/** Which lengths of time contradict each other. */
function lengths(schedule: ScheduleText): Problem[] {
  const { jitter, minAge, maxAge } = schedule;
  const compiled = compileSchedule(schedule);
  const { recurrence, jitterMs, minAgeMs, maxAgeMs } = compiled;
  const problems: Problem[] = [];
  const shortest = recurrence?.shortest(0);
  if (shortest !== undefined && shortest > 0 && jitterMs >= shortest)
    problems.push({ path: "jitter", message: `${jitter} has to be shorter than the time between two rotations` });
  if (schedule.every !== undefined && shortest !== undefined && minAgeMs > shortest)
    problems.push({ path: "minAge", message: `${minAge} is longer than every (${schedule.every})` });
  if (maxAgeMs === null) return problems;
  if (maxAgeMs <= minAgeMs)
    problems.push({ path: "maxAge", message: `${maxAge} is not longer than minAge (${minAge})` });
  if (schedule.every !== undefined && shortest !== undefined && maxAgeMs <= shortest)
    problems.push({
      path: "maxAge",
      message: `${maxAge} is not longer than every (${schedule.every}), so no window and no blackout would ever hold`,
    });
  return problems;
}

/**
 * Rule 10: a version has to be gone before its successor's successor comes.
 * @param leaving how long that takes
 */
export function tooShort(schedule: ScheduleText, leaving: { ms: number; text: string }): Problem | undefined {
  const shortest = shortestInterval(compileSchedule(schedule));
  if (shortest === null || shortest > leaving.ms) return undefined;
  const { every, cron, jitter, maxAge } = schedule;
  const path = every !== undefined ? "every" : cron !== undefined ? "cron" : "maxAge";
  const less = every !== undefined && jitter !== undefined ? `, earlier by up to ${jitter} (jitter),` : "";
  const what =
    every ?? (cron === undefined ? maxAge : `${describeDuration(shortest)}, the shortest time between two of ${cron},`);
  return {
    path,
    message:
      `${what}${less} is not longer than ${leaving.text} together, so the next rotation would come before the superseded ` +
      `version may go. Rotate less often, or shorten one of them`,
  };
}
