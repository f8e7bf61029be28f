/** What comes again and again: an interval, or the times of a cron pattern. */
export interface Recurrence {
  /** For people: `every 90d`. */
  readonly text: string;
  /** The shortest time between two in ms, where they come earlier by up to `jitterMs`. */
  shortest(jitterMs: number): number;
  /**
   * When a version that was issued at `issuedAt` is due, in ms since the epoch: always later than that, and never before
   * it is `minAgeMs` old.
   * @param earlierMs by how much all times come earlier (jitter); less than the shortest time between two
   */
  dueAfter(issuedAt: number, earlierMs: number, minAgeMs: number): number;
}
