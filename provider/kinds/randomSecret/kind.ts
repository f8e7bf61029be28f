/** The kind `randomSecret`: a random text after a policy, or random bytes. Nobody but its readers knows it. */
import { randomBytes } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import type { CredentialKind } from "../../contracts/kind";
import { askUsage, createStoredKind } from "../../net/storedKind";
import { policyOf, type RandomSecretOptions } from "./options";
import { alphabetsOf, drawText } from "./policy";

const TYPE = "randomSecret";

export function createRandomSecretKind(options: RandomSecretOptions, context: AdapterContext): CredentialKind {
  return createStoredKind(
    {
      type: TYPE,
      secretField: "secret",
      publicFields: [],
      draw: () => ({ secret: draw(options) }),
      usage: (ref) => askUsage(options.usage, TYPE, ref, context),
    },
    context,
  );
}

function draw(options: RandomSecretOptions): string {
  if (options.bytes) return randomBytes(options.bytes.count).toString(options.bytes.encoding);
  const policy = policyOf(options);
  return drawText(policy.length, alphabetsOf(policy));
}
