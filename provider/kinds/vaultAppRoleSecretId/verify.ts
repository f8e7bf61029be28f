/** Logs in with role id and secret id, and takes the token back at once. */
import type { AdapterContext, SecretValue } from "../../contracts/context";
import type { Verification } from "../../contracts/kind";
import { ConfigurationError, RotationError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import { refusal } from "../../net/vault/failures";
import type { VaultAnswer, VaultRequest } from "../../net/vault/transport";
import type { RolePlace } from "./mark";
import { nameOf } from "./role";
import { IssuedTokens } from "./tokens";
import { useOf } from "./use";

/** What Vault says of a role id or secret id that it does not take. */
const REFUSALS = ["invalid role or secret ID", "invalid secret_id", "missing secret_id"];

export async function verify(
  client: Client,
  place: RolePlace,
  context: AdapterContext,
  value: SecretValue,
): Promise<Verification> {
  const { roleId, secretId } = value;
  if (!roleId || !secretId) return { works: false, detail: "The credential has no role id or no secret id." };
  const path = `auth/${place.mount}/login`;
  const request: VaultRequest = {
    method: "POST",
    path,
    body: { role_id: roleId, secret_id: secretId },
    capability: '"update"',
    secret: true,
    writes: true,
  };
  const answer = await client.as(undefined, request);
  const auth = answer.document["auth"] as Readonly<Record<string, unknown>> | null | undefined;
  const token = auth?.["client_token"];
  if (answer.status === 200 && typeof token === "string" && token !== "") {
    await giveBack(client, place, context, token, auth?.["accessor"]);
    const { role_name: role } = (auth?.["metadata"] ?? {}) as { readonly role_name?: string };
    const works = role?.toLowerCase() === place.role.toLowerCase();
    return {
      works,
      detail: `A log-in with it succeeded as the role ${role ?? "of no name"}${works ? "" : `, not ${place.role}`}.`,
    };
  }
  return refused(place, request, answer);
}

function refused(place: RolePlace, request: VaultRequest, { status, errors }: VaultAnswer): Verification {
  if (errors.some((text) => REFUSALS.some((known) => text.includes(known)))) {
    return {
      works: false,
      detail: `Vault refuses a log-in with it for ${nameOf(place)}: role id or secret id is not valid.`,
    };
  }
  const where = `The log-in at ${request.path}`;
  // Vault's words may quote what was sent, so they are not repeated.
  if (errors.some((text) => text.includes("CIDR"))) {
    throw new ConfigurationError(
      `${where} is not allowed from this machine (secret_id_bound_cidrs of ${nameOf(place)}), so a secret id cannot be ` +
        "verified here. Nothing was changed. Run where it is allowed, or add this machine's address.",
    );
  }
  if (status === 403) {
    throw new ConfigurationError(
      `${where} was refused with "permission denied", which says nothing of the secret id. Nothing was changed. Check ` +
        "that the AppRole method is mounted there and the namespace is right; and whether the role id is locked out after " +
        "log-ins that failed: vault read sys/locked-users. It ends by itself, after 15 minutes unless set otherwise.",
    );
  }
  throw refusal(where, request, { status, errors: [] }, useOf(place));
}

/** A token that cannot be taken back ends by itself. */
async function giveBack(
  client: Client,
  place: RolePlace,
  context: AdapterContext,
  token: string,
  accessor: unknown,
): Promise<void> {
  const self = {
    method: "POST",
    path: "auth/token/revoke-self",
    body: {},
    capability: '"update"',
    writes: true,
  } as const;
  try {
    const { status } = await client.as(token, self);
    if (status >= 200 && status < 300) return;
    // A role without Vault's default policy may not do that; we may.
    if (typeof accessor === "string" && accessor !== "") {
      await new IssuedTokens(client, place).revoke(accessor);
      return;
    }
  } catch (error) {
    if (!(error instanceof RotationError)) throw error;
  }
  context.log.warn(
    `The token of a log-in that verified a secret id of ${nameOf(place)} could not be revoked, and lives until it expires. ` +
      'Allow "update" on auth/token/revoke-self to the role (Vault\'s policy "default" does).',
  );
}
