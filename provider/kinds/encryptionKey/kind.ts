/**
 * The kind `encryptionKey`: keys for data at rest. The newest encrypts, and all that the store has decrypt. A version
 * goes only when the user's program has encrypted anew whatever it had encrypted, and says that nothing is left.
 */
import { randomBytes } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import type { CredentialKind } from "../../contracts/kind";
import { createStoredKind, keyIdOf } from "../../net/storedKind";
import type { EncryptionKeyOptions } from "./options";
import { assertNothingLeft, TYPE, usageOf } from "./rewrap";

const KEY_BYTES = 32;

export function createEncryptionKeyKind(options: EncryptionKeyOptions, context: AdapterContext): CredentialKind {
  const { algorithm } = options;
  return createStoredKind(
    {
      type: TYPE,
      secretField: "key",
      publicFields: ["keyId", "algorithm"],
      draw: (request) => ({ key: randomBytes(KEY_BYTES).toString("base64"), keyId: keyIdOf(request), algorithm }),
      usage: (ref) => usageOf(options, ref, context),
      assertMayEnd: (ref) => assertNothingLeft(options, ref, context),
    },
    context,
  );
}
