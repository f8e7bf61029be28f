/** What the role says of its secret ids and tokens, and whether they can be rotated. */
import { describeDuration, parseDuration } from "../../lifecycle/duration";
import { ConfigurationError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import type { RolePlace } from "./mark";
import type { VaultAppRoleSecretIdOptions } from "./options";

export interface RoleFacts {
  readonly bindsSecretId: boolean;
  /** How often a secret id may be used; 0: without limit. */
  readonly numUses: number;
  /** How long a secret id is good for, in ms; 0: for ever. */
  readonly secretIdTtlMs: number;
  /** The longest life of a token, in ms; 0: as long as the mount lets it. */
  readonly tokenMaxTtlMs: number;
  /** Above 0: tokens may be renewed for ever. */
  readonly tokenPeriodMs: number;
  readonly tokenType: string;
}

export function rolePath({ mount, role }: RolePlace): string {
  return `auth/${mount}/role/${role}`;
}

export function nameOf({ mount, role }: RolePlace): string {
  return `the role ${JSON.stringify(role)} of auth/${mount}`;
}

/** @returns `undefined` when there is no such role. */
export async function readRole(client: Client, place: RolePlace): Promise<RoleFacts | undefined> {
  const request = { method: "GET", path: rolePath(place), capability: '"read"', writes: false } as const;
  const { status, document, errors } = await client.ask(request, 404);
  if (status === 404) {
    // Vault says so too where nothing is mounted.
    if (!errors.some((text) => text.includes("no handler for route"))) return undefined;
    throw new ConfigurationError(
      `Nothing is mounted at auth/${place.mount}. Nothing was changed. Set \`mount\` to where the AppRole method is ` +
        "(vault auth list), then run again.",
    );
  }
  const data = (document["data"] ?? {}) as Readonly<Record<string, unknown>>;
  const seconds = (name: string) => (Number(data[name]) || 0) * 1000;
  return {
    bindsSecretId: data["bind_secret_id"] !== false,
    numUses: Number(data["secret_id_num_uses"]) || 0,
    secretIdTtlMs: seconds("secret_id_ttl"),
    tokenMaxTtlMs: seconds("token_max_ttl"),
    tokenPeriodMs: seconds("token_period"),
    tokenType: typeof data["token_type"] === "string" ? data["token_type"] : "default",
  };
}

/** How long a token of the role may live, as the end of a sentence. */
export function longestLife(facts: RoleFacts | undefined): string {
  const maxMs = facts?.tokenMaxTtlMs ?? 0;
  return maxMs > 0
    ? `for ${describeDuration(maxMs)} at most (token_max_ttl of the role)`
    : "as long as max_lease_ttl of the mount lets them, 32 days unless set otherwise, as the role has no token_max_ttl";
}

/** @returns why secret ids of such a role cannot be rotated, as a sentence with what to do; `undefined` where they can. */
export function whyNot(facts: RoleFacts, { tokens, validFor }: VaultAppRoleSecretIdOptions): string | undefined {
  if (!facts.bindsSecretId)
    return "has bind_secret_id = false: it lets in who knows the role id, so a rotation would change nothing. Set it to true";
  if (facts.numUses > 0)
    return (
      `lets a secret id be used ${facts.numUses} times (secret_id_num_uses), and each verification is a use. Set it to 0, ` +
      "and limit its life by `validFor` or secret_id_ttl"
    );
  const wanted = validFor === undefined ? 0 : (parseDuration(validFor) ?? 0);
  if (facts.secretIdTtlMs > 0 && wanted > facts.secretIdTtlMs)
    return (
      `ends secret ids after ${describeDuration(facts.secretIdTtlMs)} (secret_id_ttl), which is sooner than validFor, ` +
      `${validFor}. Raise the one, or lower the other`
    );
  if (tokens === "revoke" && facts.tokenType === "batch")
    return (
      'gives out batch tokens, which can neither be found nor revoked. Set token_type to "service", or say tokens: ' +
      '"expire"'
    );
  if (tokens === "expire" && facts.tokenPeriodMs > 0)
    return (
      "gives out periodic tokens (token_period), which may be renewed for ever, also after their secret id is destroyed. " +
      'Set token_period to 0 and a token_max_ttl, or say tokens: "revoke"'
    );
  return undefined;
}

/** @throws ConfigurationError when there is no such role, or its secret ids cannot be rotated. */
export async function requireRole(
  client: Client,
  place: RolePlace,
  options: VaultAppRoleSecretIdOptions,
): Promise<RoleFacts> {
  const facts = await readRole(client, place);
  const refused =
    facts === undefined ? "does not exist. Make it (vault write auth/approle/role/NAME …)" : whyNot(facts, options);
  if (facts !== undefined && refused === undefined) return facts;
  const name = nameOf(place);
  throw new ConfigurationError(
    `${name[0]?.toUpperCase()}${name.slice(1)} ${refused}. Nothing was changed. Then run again.`,
  );
}
