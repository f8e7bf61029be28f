/** The options that every check has: how it is called, and when and how often it is asked. */
import { z } from "zod";
import type { BaselinePlan, CheckSchedule } from "../contracts/check";
import { describeValue, duration, durationMs, flag, strictOptions, text, wholeNumber } from "../net/options";

const HOUR = 3_600_000;

export const commonCheckOptions = {
  /** How reports call the check. Default: its type and what it asks. */
  name: text("name", 200).optional(),
  /** The time from one answer to the next question. Default: "1s". */
  interval: duration("interval", 10, HOUR).optional(),
  /** The longest that one question may take; later counts as unhealthy. Default: "5s". */
  timeout: duration("timeout", 10, HOUR).optional(),
  /** How many unhealthy answers in a row fail the rollout. Default: 3. */
  failureThreshold: wholeNumber("failureThreshold", 1, 1000).optional(),
  /** How many healthy answers in a row health takes; fewer do not break a row of unhealthy ones. Default: 1. */
  successThreshold: wholeNumber("successThreshold", 1, 1000).optional(),
  /** How long health must hold, counted from the first healthy answer; "0s" needs one healthy answer. Default: "0s". */
  bake: duration("bake", 0, 7 * 24 * HOUR).optional(),
  /** How long after the start unhealthy answers do not count as failed. Default: "0s", of an adoption check "60s". */
  within: duration("within", 0, 24 * HOUR).optional(),
  /** `compare`: what was unhealthy before the rotation does not fail the rollout, unless it is worse. Default: none. */
  baseline: z
    .literal("compare", {
      error: (issue) => `baseline must be "compare", or left out; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** How often it is asked before the rotation. Default: 3. */
  baselineSamples: wholeNumber("baselineSamples", 1, 100).optional(),
};

/** For a check whose answer depends on the version, so that it says nothing about the time before. */
export const refuseBaseline = (why: string) => ({
  baseline: z.undefined({ error: `baseline must be left out: ${why}` }).optional(),
  baselineSamples: z.undefined({ error: `baselineSamples must be left out: ${why}` }).optional(),
});

const amount = (what: string, min: number, example: string) =>
  z
    .number({ error: (issue) => `${what} must be a number such as ${example}; it is ${describeValue(issue.input)}` })
    .min(min, { error: (issue) => `${what} must be at least ${min}; it is ${describeValue(issue.input)}` });

/** For checks that measure something. */
export const toleranceOption = {
  /**
   * By how much the value may be worse than before the rotation: a multiple of it, and a difference in its unit. Where
   * both are given, only what is beyond both is worse. Default: values are not compared.
   */
  tolerance: strictOptions("tolerance", {
    factor: amount("tolerance.factor", 1, "1.5").optional(),
    absolute: amount("tolerance.absolute", 0, "50").optional(),
  })
    .refine(({ factor, absolute }) => factor !== undefined || absolute !== undefined, {
      error: "tolerance must have a factor, such as 1.5, or an absolute difference, or both",
    })
    .optional(),
};

/** As the last refinement of the options of a check. */
export const baselineIsAskedFor: [(options: CommonCheckOptions) => boolean, { path: PropertyKey[]; error: string }] = [
  ({ baseline, baselineSamples, tolerance }) =>
    baseline !== undefined || (tolerance === undefined && baselineSamples === undefined),
  { path: ["baseline"], error: 'tolerance and baselineSamples have no effect without "baseline": "compare"' },
];

/** For checks that can be asked before any consumer has been touched. */
export const canaryOption = {
  /** Whether the check is also asked with the new version before any consumer is touched. */
  canary: flag("canary").optional(),
};

export interface CommonCheckOptions {
  readonly interval?: string | undefined;
  readonly timeout?: string | undefined;
  readonly failureThreshold?: number | undefined;
  readonly bake?: string | undefined;
  readonly within?: string | undefined;
  readonly successThreshold?: number | undefined;
  readonly baseline?: "compare" | undefined;
  readonly baselineSamples?: number | undefined;
  readonly tolerance?: BaselinePlan["tolerance"] | undefined;
}

/** @param worse in which direction what the check measures gets worse. */
export function toSchedule(
  options: CommonCheckOptions,
  withinByDefault = "0s",
  worse: BaselinePlan["worse"] = "higher",
): CheckSchedule {
  return {
    intervalMs: durationMs(options.interval, "1s"),
    timeoutMs: durationMs(options.timeout, "5s"),
    failureThreshold: options.failureThreshold ?? 3,
    bakeMs: durationMs(options.bake, "0s"),
    withinMs: durationMs(options.within, withinByDefault),
    ...(options.successThreshold === undefined ? {} : { successThreshold: options.successThreshold }),
    ...(options.baseline === undefined ? {} : { baseline: planOf(options, worse) }),
  };
}

function planOf({ baselineSamples, tolerance }: CommonCheckOptions, worse: BaselinePlan["worse"]): BaselinePlan {
  return { samples: baselineSamples ?? 3, worse, ...(tolerance === undefined ? {} : { tolerance }) };
}
