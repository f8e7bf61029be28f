/** What the user configures for an HMAC key, and what a change of it means. */
import { z } from "zod";
import type { InputPolicy } from "../../contracts/kind";
import { strictOptions, wholeNumber } from "../../net/options";
import { usageOption } from "../../net/storedKind";

const oneOf = <const T extends readonly [string, ...string[]]>(what: string, values: T) =>
  z.enum(values, { error: `${what} must be one of ${values.map((value) => `"${value}"`).join(", ")}` });

const PREFIX = 'prefix must be 0 to 32 letters, digits, "_" or "-", such as "whsec_"';

/** The least that RFC 2104 (section 3) advises: the length of the hash, in bytes. */
export const HASH_BYTES = { sha256: 32, sha384: 48, sha512: 64 } as const;

const shape = strictOptions("an HMAC key", {
  type: z.literal("hmacKey", { error: 'the type of an HMAC key must be "hmacKey"' }),
  /** The hash with which signatures are made. Consumers get it beside the key. Default "sha256". */
  algorithm: oneOf("algorithm", ["sha256", "sha384", "sha512"]).default("sha256"),
  /**
   * Length of the key, from the length of the hash up to 128. Default: the length of the hash; less weakens the
   * signature, more adds nothing (RFC 2104, section 3, https://www.rfc-editor.org/rfc/rfc2104#section-3).
   */
  bytes: wholeNumber("bytes", HASH_BYTES.sha256, 128).optional(),
  /** How the key is written. Default "base64". */
  encoding: oneOf("encoding", ["base64", "base64url", "hex"]).default("base64"),
  /** Stands before the encoded key, such as `whsec_` of https://www.standardwebhooks.com. Default: nothing. */
  prefix: z
    .string({ error: PREFIX })
    .regex(/^[A-Za-z0-9_-]{0,32}$/, { error: PREFIX })
    .default(""),
  /** Asks a program whether a version is still used. Default: nobody is asked, and it cannot be told. */
  usage: usageOption.optional(),
});

/** Options of the kind, strict: an unknown key is an error. */
export const hmacKeyOptions = shape.refine(({ algorithm, bytes }) => (bytes ?? 128) >= HASH_BYTES[algorithm], {
  path: ["bytes"],
  error: "bytes must be at least the length of the hash: 32 for sha256, 48 for sha384, 64 for sha512",
});

export type HmacKeyOptions = z.output<typeof hmacKeyOptions>;

/** What a change of each option means. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  algorithm: "rotate",
  bytes: "rotate",
  encoding: "rotate",
  prefix: "rotate",
  usage: "in-place",
};
