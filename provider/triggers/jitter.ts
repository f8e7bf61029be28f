/** Spreads secrets of one age, so that they do not all fall due in one run. */
import { createHash } from "node:crypto";

/**
 * Always the same number for a secret, from 0 to below 1, and evenly spread over secrets.
 * @param identity the random id that a secret has for life
 */
export function shareOf(identity: string): number {
  return createHash("sha256").update(`jitter:${identity}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
