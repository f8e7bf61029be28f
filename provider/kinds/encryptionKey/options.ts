/** What the user configures for an encryption key, and what a change of it means. */
import { z } from "zod";
import type { InputPolicy, RefusedTerm, RetirementTerms } from "../../contracts/kind";
import { strictOptions } from "../../net/options";
import { askOptions } from "../../net/storedKind";

/** Options of the kind, strict: an unknown key is an error. */
export const encryptionKeyOptions = strictOptions("an encryption key", {
  type: z.literal("encryptionKey", { error: 'the type of an encryption key must be "encryptionKey"' }),
  /** The only one yet. */
  algorithm: z.literal("AES-256-GCM", { error: 'algorithm must be "AES-256-GCM"' }).default("AES-256-GCM"),
  /**
   * The program that encrypts anew what a superseded version has encrypted, as far as it comes, and tells how much is
   * left. It may be ended at any time and is run again; its `timeout` is "15m" by default. Nothing but its answer
   * `{"left": 0}` lets a version go.
   */
  rewrap: askOptions("rewrap", '["orders-ctl", "rewrap"]', "15m"),
});

export type EncryptionKeyOptions = z.output<typeof encryptionKeyOptions>;

/** What a change of each option means. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  algorithm: "rotate",
  rewrap: "in-place",
};

/** A key that goes while a ciphertext of it is left takes the data with it. */
export function refuses(_options: EncryptionKeyOptions, terms: RetirementTerms): RefusedTerm[] {
  const why = "an encryption key goes only on proof that no ciphertext of it is left, never by time alone";
  return [
    ...(terms.requireUnused
      ? []
      : [{ term: "requireUnused" as const, reason: `must not be false: ${why}. Leave it out` }]),
    ...(terms.terminateSessions
      ? [
          {
            term: "terminateSessions" as const,
            reason: `must not be true: ${why}, and data has no sessions. Leave it out`,
          },
        ]
      : []),
  ];
}
