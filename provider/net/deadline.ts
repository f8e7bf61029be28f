/**
 * Ends one piece of network work in time, whatever the peer does.
 *
 * Real timers, not the injected clock: a socket knows nothing of an injected clock, and a test that moves one forward
 * does not want its real server cut off.
 */
export type Bounded<T> =
  { readonly ended: "done"; readonly value: T } | { readonly ended: "timeout" } | { readonly ended: "cancelled" };

/**
 * @param work is given a signal that is aborted at the deadline and on cancellation; it should then let go of its
 * resources, but is not waited for.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<Bounded<T>> {
  if (signal.aborted) return { ended: "cancelled" };
  const controller = new AbortController();
  let end: (bounded: Bounded<T>) => void = () => undefined;
  const ended = new Promise<Bounded<T>>((resolve) => (end = resolve));
  const stop = (reason: "timeout" | "cancelled") => {
    end({ ended: reason });
    controller.abort();
  };
  const cancel = () => stop("cancelled");
  const timer = setTimeout(() => stop("timeout"), timeoutMs);
  signal.addEventListener("abort", cancel, { once: true });
  const done = work(controller.signal).then((value): Bounded<T> => ({ ended: "done", value }));
  // What the work throws after its end has been decided is of no interest.
  done.catch(() => undefined);
  try {
    return await Promise.race([ended, done]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}
