/** What the user writes to rotate the secret id of a role of Vault's AppRole method. */
import { z } from "zod";
import type { InputPolicy } from "../../contracts/kind";
import { describeValue, duration, strictOptions, text } from "../../net/options";
import { vaultAuthOptions, vaultCallOptions, vaultPath, vaultPlaceOptions } from "../../net/vault/options";

const ROLE = "1 to 512 letters, digits and characters of _.- and space";
const TOKENS = '"revoke" or "expire"';

function expected(what: string, allowed: string) {
  return (issue: { readonly input?: unknown }) => `${what} must be ${allowed}; it is ${describeValue(issue.input)}`;
}

/** Options of the kind, strict: an unknown key is an error. */
export const vaultAppRoleSecretIdOptions = strictOptions("the kind vaultAppRoleSecretId", {
  type: z.literal("vaultAppRoleSecretId"),
  ...vaultPlaceOptions,
  /** Where the AppRole method is mounted, without `auth/`. Default: `approle`. */
  mount: vaultPath("mount", "approle").default("approle"),
  /** The name of the role. It must exist, and ask for a secret id that may be used without limit. */
  role: z.string({ error: expected("role", ROLE) }).regex(/^[A-Za-z0-9_.-]([A-Za-z0-9_. -]{0,510}[A-Za-z0-9_.-])?$/, {
    error: expected("role", ROLE),
  }),
  /** The role's role id, which consumers get beside the secret id: `vault read auth/approle/role/NAME/role-id`. */
  roleId: text("roleId"),
  ...vaultAuthOptions,
  /**
   * Dead-man's switch: how long after its issue Vault itself refuses the secret id. Longer than the longest time between
   * two rotations, and not longer than the role's `secret_id_ttl`. At least a minute. Default: the role's `secret_id_ttl`.
   */
  validFor: duration("validFor", 60_000, Number.MAX_SAFE_INTEGER).optional(),
  /**
   * What becomes of the tokens that a secret id was used to get, which outlive it. `revoke`: they are found by its
   * rotation id, count as its use, and are ended where the retirement says so. `expire`: nobody looks for them; they end
   * after the role's `token_max_ttl`, and there is no evidence of use. Default: `revoke`.
   */
  tokens: z.enum(["revoke", "expire"], { error: expected("tokens", TOKENS) }).default("revoke"),
  ...vaultCallOptions,
});

export type VaultAppRoleSecretIdOptions = z.output<typeof vaultAppRoleSecretIdOptions>;

/** What a change of each option means. Another role would be another secret. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  address: "in-place",
  namespace: "refuse",
  mount: "refuse",
  role: "refuse",
  roleId: "rotate",
  auth: "in-place",
  validFor: "rotate",
  tokens: "in-place",
  caFile: "in-place",
  timeout: "in-place",
};
