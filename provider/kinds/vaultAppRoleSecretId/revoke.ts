/** The end of a secret id, and of the tokens that were got with it. Each step may be repeated. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { RevokeOptions } from "../../contracts/kind";
import { StateError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import type { RolePlace } from "./mark";
import type { VaultAppRoleSecretIdOptions } from "./options";
import { longestLife, nameOf, readRole } from "./role";
import { SecretIds } from "./secretIds";
import { IssuedTokens, listTokens } from "./tokens";

export async function revoke(
  client: Client,
  options: VaultAppRoleSecretIdOptions,
  place: RolePlace,
  context: AdapterContext,
  ref: IssuedRef,
  { terminateSessions: terminate }: RevokeOptions,
): Promise<void> {
  const secretIds = new SecretIds(client, place);
  const tokens = new IssuedTokens(client, place);
  // An adopted one has no mark, and neither have its tokens.
  const rotation = options.tokens === "revoke" ? ref["rotation"] : undefined;
  if (rotation && !terminate) await refuseWhileUsed(tokens, rotation, "Nothing was revoked");
  const found = await secretIds.of(ref);
  if (found !== undefined) await secretIds.destroy(found.accessor);
  if (rotation) {
    if (terminate) return tokens.end(rotation);
    // One may have been got in between looking and destroying.
    return refuseWhileUsed(tokens, rotation, "The secret id is destroyed");
  }
  if (found !== undefined) context.log.warn(await whatLivesOn(client, place, found.accessor));
}

async function refuseWhileUsed(tokens: IssuedTokens, rotation: string, state: string): Promise<void> {
  const live = await tokens.of(rotation);
  if (live.length === 0) return;
  throw new StateError(
    `${live.length === 1 ? "A token that was got with it is" : `${live.length} tokens that were got with it are`} live: ` +
      `${listTokens(live)}. ${state}. Move who has them to the current ` +
      "version, wait until they end, or have them ended (retirement.terminateSessions).",
  );
}

async function whatLivesOn(client: Client, place: RolePlace, accessor: string): Promise<string> {
  const life = longestLife(await readRole(client, place));
  return (
    `The secret id with the accessor ${accessor} of ${nameOf(place)} is destroyed. Tokens that were got with it before live ` +
    `on ${life}. To end one sooner: vault token revoke -accessor ACCESSOR.`
  );
}
