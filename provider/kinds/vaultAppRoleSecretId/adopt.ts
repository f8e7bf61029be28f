/** Takes over a secret id that is in use, without changing anything about it. */
import type { AdapterContext } from "../../contracts/context";
import type { Issued } from "../../contracts/kind";
import { ConfigurationError, NotFoundError, StateError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import type { VaultAppRoleSecretIdOptions } from "./options";
import { nameOf } from "./role";
import { SecretIds } from "./secretIds";
import { verify } from "./verify";

/** @param given `{ username, password }`, as `adopt` has them: the role id and the secret id. */
export async function adopt(
  client: Client,
  options: VaultAppRoleSecretIdOptions,
  context: AdapterContext,
  given: Readonly<Record<string, string>>,
): Promise<Issued> {
  const roleId = given["roleId"] ?? given["username"];
  const secretId = given["secretId"] ?? given["password"];
  if (!roleId || !secretId) {
    throw new ConfigurationError(
      'A secret id to adopt needs the role id as "username" and the secret id as "password"; given were: ' +
        `${Object.keys(given).sort().join(", ") || "none"}.`,
    );
  }
  const found = await new SecretIds(client, options).ofValue(secretId);
  if (found === undefined) {
    throw new NotFoundError(
      `Vault has no such secret id for ${nameOf(options)}. Nothing was changed. Check mount and role.`,
    );
  }
  if (found.mark !== undefined) {
    throw new StateError(
      `The secret id with the accessor ${found.accessor} was issued by rotation ${found.mark.rotation} of a secret with the ` +
        `identity ${found.mark.identity}, so it cannot be adopted. Nothing was changed.`,
    );
  }
  if (found.numUses > 0) {
    throw new StateError(
      `The secret id with the accessor ${found.accessor} may be used ${found.numUses} times more, and each verification is a ` +
        "use, so it cannot be adopted. Nothing was changed.",
    );
  }
  const value = { roleId, secretId };
  const login = await verify(client, options, context, value);
  if (!login.works) throw new StateError(`The secret id cannot be adopted: ${login.detail} Nothing was changed.`);
  const { mount, role } = options;
  return {
    ref: { mount, role, rotation: "", version: "", accessor: found.accessor, adopted: "true" },
    value,
    ...(found.expiresAt !== undefined && { expiresAt: found.expiresAt }),
  };
}
