/** The options that every check has: how it is called, and when and how often it is asked. */
import type { CheckSchedule } from "../contracts/check";
import { duration, durationMs, flag, text, wholeNumber } from "../net/options";

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
  /** How long health must hold, counted from the first healthy answer; "0s" needs one healthy answer. Default: "0s". */
  bake: duration("bake", 0, 7 * 24 * HOUR).optional(),
  /** How long after the start unhealthy answers do not count as failed. Default: "0s", of an adoption check "60s". */
  within: duration("within", 0, 24 * HOUR).optional(),
};

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
}

export function toSchedule(options: CommonCheckOptions, withinByDefault = "0s"): CheckSchedule {
  return {
    intervalMs: durationMs(options.interval, "1s"),
    timeoutMs: durationMs(options.timeout, "5s"),
    failureThreshold: options.failureThreshold ?? 3,
    bakeMs: durationMs(options.bake, "0s"),
    withinMs: durationMs(options.within, withinByDefault),
  };
}
