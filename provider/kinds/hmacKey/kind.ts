/**
 * The kind `hmacKey`: a key that signer and verifier share, as for webhooks. Each version is a key of its own with an
 * id, which the signer sends along; a verifier accepts every version that the store still has.
 */
import { randomBytes } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import type { CredentialKind } from "../../contracts/kind";
import { askUsage, createStoredKind, keyIdOf } from "../../net/storedKind";
import { HASH_BYTES, type HmacKeyOptions } from "./options";

const TYPE = "hmacKey";

export function createHmacKeyKind(options: HmacKeyOptions, context: AdapterContext): CredentialKind {
  const { algorithm, encoding, prefix, usage } = options;
  return createStoredKind(
    {
      type: TYPE,
      secretField: "key",
      publicFields: ["keyId", "algorithm"],
      draw: (request) => ({
        key: prefix + randomBytes(options.bytes ?? HASH_BYTES[algorithm]).toString(encoding),
        keyId: keyIdOf(request),
        algorithm,
      }),
      usage: (ref) => askUsage(usage, TYPE, ref, context),
    },
    context,
  );
}
