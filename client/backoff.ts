/** How often the source may be asked when asking has not helped. */

/** The first window, in milliseconds. */
const FIRST_MS = 1000;
/** The longest one. */
const LONGEST_MS = 30_000;

/**
 * A window opens with each attempt, and until it is over there is no other one. Each is twice as long as the one before,
 * less up to a half by chance, so that many processes do not ask at the same moment.
 */
export class Backoff {
  #attempts = 0;
  #openedAt = 0;
  #lengthMs = 0;

  constructor(private readonly random: () => number) {}

  permits(now: number): boolean {
    const elapsed = now - this.#openedAt;
    // A clock that was set back must not lock us out.
    return elapsed >= this.#lengthMs || elapsed < 0;
  }

  attempt(now: number): void {
    this.#openedAt = now;
    this.#lengthMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempts) * (1 - this.random() / 2);
    this.#attempts++;
  }

  /** Things work: the next window is a short one again. The one that is open stays so. */
  worked(): void {
    this.#attempts = 0;
  }
}
