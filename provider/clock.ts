/** The time of one run. */
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "./contracts/context";

/**
 * The wall clock as it was when the run began, and from then on the time that has really passed. So a clock that is put
 * right in the middle of a run neither ends a grace period early nor a lease.
 */
export function runClock(
  wall: () => number = () => Date.now(),
  monotonic: () => number = () => performance.now(),
): Clock {
  const startedAt = wall();
  const started = monotonic();
  return {
    now: () => Math.round(startedAt + monotonic() - started),
    sleep: async (ms, signal) => {
      try {
        await delay(ms, undefined, signal ? { signal } : {});
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
  };
}
