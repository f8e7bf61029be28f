/** When a version that its issuer ends by itself has to have a successor. */

/** How long before it expires a version is replaced: in ms, or as a part of its life. */
export type RenewBefore = { readonly ms: number } | { readonly share: number };

/** As certificates are usually renewed: it leaves the time to notice and mend what is broken. */
export const RENEW_BY_DEFAULT: RenewBefore = { share: 1 / 3 };
/** A longer one would make each version due as soon as it is issued. */
const LONGEST_SHARE = 1 / 2;

export interface Expiry {
  readonly expiresAt: number;
  readonly dueAt: number;
  /** Nothing holds it back from here on: half of the time before it expires is over. */
  readonly urgentAt: number;
}

/**
 * @param share which part of the jitter is the secret's own
 * @returns `null` where the version does not expire, or had expired when it was issued
 */
export function expiryOf(
  expiresAt: number | null,
  issuedAt: number,
  limits: { readonly renewBefore: RenewBefore; readonly jitterMs: number; readonly minAgeMs: number },
  share: number,
): Expiry | null {
  if (expiresAt === null || expiresAt <= issuedAt) return null;
  const life = expiresAt - issuedAt;
  const { renewBefore } = limits;
  const wanted = "ms" in renewBefore ? renewBefore.ms : renewBefore.share * life;
  const before = Math.floor(Math.min(wanted, life * LONGEST_SHARE));
  const urgentAt = expiresAt - Math.floor(before / 2);
  // Earlier, but not so much that what was just issued is due again.
  const earlierMs = Math.floor(share * Math.min(limits.jitterMs, (life - before) / 2));
  const dueAt = expiresAt - before - earlierMs;
  return { expiresAt, dueAt: Math.max(dueAt, Math.min(issuedAt + limits.minAgeMs, urgentAt)), urgentAt };
}
