/**
 * The shape of every conformance suite: plain cases, so that any test runner can loop over them.
 *
 * ```ts
 * for (const c of storeConformance(harness)) it(c.name, c.run);
 * ```
 */
export interface ConformanceCase {
  /** A sentence: what the adapter does. */
  readonly name: string;
  /** Rejects with what was wrong. Cases are independent of each other and of their order. */
  readonly run: () => Promise<void>;
}
