/** Repeats a call that a server could not answer just now. Only for calls that may be repeated. */
import type { AdapterContext } from "../contracts/context";

export interface RetryOptions {
  /** How often the call is made at most, the first time included. @default 5 */
  readonly attempts?: number;
  /** The longest first wait in ms; it doubles with each further one. @default 200 */
  readonly firstWaitMs?: number;
  /** The longest wait in ms. @default 10000 */
  readonly longestWaitMs?: number;
  /** `false`: it is not tried again. A number: the server asked for so many ms at least. */
  readonly isTransient: (error: unknown) => boolean | number;
  /** From 0 to 1; given by tests. */
  readonly random?: () => number;
}

/** @throws what the last call threw, and the signal's reason when the run is cancelled meanwhile. */
export async function retrying<T>(
  { clock, signal }: Pick<AdapterContext, "clock" | "signal">,
  options: RetryOptions,
  call: () => Promise<T>,
): Promise<T> {
  const { attempts = 5, firstWaitMs = 200, longestWaitMs = 10_000, random = Math.random } = options;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      const transient = options.isTransient(error);
      if (transient === false || attempt >= attempts) throw error;
      const most = Math.min(longestWaitMs, firstWaitMs * 2 ** (attempt - 1));
      // Spread over the whole wait, so that many who were turned away do not come back at the same moment.
      const wait = Math.max(typeof transient === "number" ? transient : 0, most * random());
      await clock.sleep(wait, signal);
    }
  }
}
