/** What the user configures for a signing key, and what a change of it means. */
import { z } from "zod";
import type { InputPolicy, RefusedTerm, RetirementTerms } from "../../contracts/kind";
import { describeDuration } from "../../lifecycle/duration";
import { duration, durationMs, strictOptions, text, wholeNumber } from "../../net/options";
import { refusesWithoutUsage, usageOption } from "../../net/storedKind";

const DAY = 86_400_000;
export const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

const shape = strictOptions("a signing key", {
  type: z.literal("signingKey", { error: 'the type of a signing key must be "signingKey"' }),
  /** Default "ES256". "EdDSA" is Ed25519. */
  algorithm: z
    .enum(ALGORITHMS, { error: `algorithm must be one of ${ALGORITHMS.map((name) => `"${name}"`).join(", ")}` })
    .default("ES256"),
  /** Length of an RSA key in bits, for RS256 only. Default 2048, the least that RFC 7518 (section 3.3) allows. */
  modulusLength: wholeNumber("modulusLength", 2048, 8192).optional(),
  /**
   * The file with the public keys (JWKS, RFC 7517) that verifiers are served. It is made where it is missing; its folder
   * has to exist, and to last. Keys of others in it stay. Several secrets may share one.
   */
  jwksFile: text("jwksFile"),
  /** How long verifiers, and what stands between, may cache the JWKS: `max-age` of its answer, or more. */
  cacheTime: duration("cacheTime", 0, 30 * DAY),
  /** The longest time for which a token is valid after it was signed, the verifiers' leeway included. */
  tokenLifetime: duration("tokenLifetime", 0, 366 * DAY),
  /**
   * How long a new key is in the JWKS before something may sign with it. Default: `cacheTime`. Less is right only where
   * every verifier fetches the JWKS again when it meets a key id that it does not know.
   */
  publishWait: duration("publishWait", 0, 30 * DAY).optional(),
  /** Asks a program whether a version still signs. Default: nobody is asked, and it cannot be told. */
  usage: usageOption.optional(),
});

/** Options of the kind, strict: an unknown key is an error. */
export const signingKeyOptions = shape.refine(
  ({ algorithm, modulusLength }) => modulusLength === undefined || algorithm === "RS256",
  { path: ["modulusLength"], error: 'modulusLength is for "RS256" only; leave it out' },
);

export type SigningKeyOptions = z.output<typeof signingKeyOptions>;

export function publishWaitMs({ publishWait, cacheTime }: SigningKeyOptions): number {
  return durationMs(publishWait, cacheTime);
}

/** What a change of each option means. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  algorithm: "rotate",
  modulusLength: "rotate",
  // The keys in the file that it leaves would be orphans.
  jwksFile: "refuse",
  cacheTime: "in-place",
  tokenLifetime: "in-place",
  publishWait: "in-place",
  usage: "in-place",
};

/** A key that goes before the last token that it signed takes that token with it. */
export function refuses(options: SigningKeyOptions, terms: RetirementTerms): RefusedTerm[] {
  const { cacheTime, tokenLifetime } = options;
  const least = durationMs(cacheTime, cacheTime) + durationMs(tokenLifetime, tokenLifetime) + terms.readersCacheMs;
  const refused = refusesWithoutUsage(options, terms);
  if (terms.graceMs < least)
    refused.push({
      term: "grace",
      reason:
        `of ${describeDuration(terms.graceMs)} is shorter than ${describeDuration(least)}: cacheTime (${cacheTime}), ` +
        `tokenLifetime (${tokenLifetime}) and readersCache together, so the key could go before the last token that it ` +
        `signed. Make it at least that, and longer by the time that a rollout of the signers takes`,
    });
  return refused;
}
