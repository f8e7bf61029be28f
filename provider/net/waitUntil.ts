/** Asks again and again until the answer is good or the time is over. */
import type { AdapterContext } from "../contracts/context";
import { describeDuration } from "../lifecycle/duration";

/** The longest that one question of a wait may take, for whoever asks a peer that may be silent; in milliseconds. */
export const ONE_QUESTION_MS = 5000;
const PROGRESS_EVERY_MS = 10_000;
/** What the last question is given at least, so that the end of the time does not look like a silent peer. */
const LEAST_FOR_A_QUESTION_MS = 1000;

export interface WaitRequest<T> {
  /** What is waited for, as the progress line says it: `consumer "orders" to serve again`. */
  readonly what: string;
  readonly intervalMs: number;
  /** The wait ends with the first answer after this time; there is always at least one answer. */
  readonly timeoutMs: number;
  /** @param leftMs how long the answer may take: what is left of the time, but at least a second. */
  ask(leftMs: number): Promise<T>;
  good(answer: T): boolean;
  describe(answer: T): string;
}

/**
 * @returns the first good answer, or the last bad one when the time is over.
 * @throws the signal's reason when the run is cancelled.
 */
export async function waitUntil<T>(request: WaitRequest<T>, context: AdapterContext): Promise<T> {
  const { clock, signal, log } = context;
  const startedAt = clock.now();
  let progressAt = startedAt;
  for (;;) {
    signal.throwIfAborted();
    const answer = await request.ask(Math.max(LEAST_FOR_A_QUESTION_MS, startedAt + request.timeoutMs - clock.now()));
    signal.throwIfAborted();
    if (request.good(answer)) return answer;
    const left = startedAt + request.timeoutMs - clock.now();
    if (left <= 0) return answer;
    if (clock.now() - progressAt >= PROGRESS_EVERY_MS) {
      progressAt = clock.now();
      const waited = describeDuration(clock.now() - startedAt);
      log.info(
        `Waiting for ${request.what} for ${waited}, ${describeDuration(left)} left: ${request.describe(answer)}.`,
      );
    }
    await clock.sleep(Math.min(request.intervalMs, left), signal);
  }
}
