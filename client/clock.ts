/** Time, so that tests can set it. */

export interface ClientClock {
  /** Milliseconds since 1970. It may be set back, and jump ahead while the process is frozen. */
  now(): number;
  /** Ends after `ms`, and at once when the signal is aborted; it never fails. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls again and again; must not keep the process alive. @returns what ends it */
  every(ms: number, action: () => void): () => void;
}

export const systemClock: ClientClock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end);
    }),
  every: (ms, action) => {
    const timer = setInterval(action, ms).unref();
    return () => clearInterval(timer);
  },
};
