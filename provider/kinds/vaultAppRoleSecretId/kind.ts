/**
 * The kind `vaultAppRoleSecretId`: how a machine logs in to Vault by the AppRole method.
 *
 * A role has as many secret ids as it likes, side by side, so versions overlap freely. The value is chosen here and stored
 * before Vault knows it (a "custom" secret id), so no kill can lose it. Each carries the secret's identity and the
 * rotation id as metadata, which Vault copies to the tokens that are got with it. The exact policy is in
 * docs/kinds/vaultAppRoleSecretId.md.
 */
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type {
  CredentialKind,
  Draft,
  InspectedCredential,
  Issued,
  IssueRequest,
  KindCapabilities,
  ProposeRequest,
  RevokeOptions,
  UsageReport,
  Verification,
} from "../../contracts/kind";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { Client } from "../../net/vault/client";
import { vaultAddress } from "../../net/vault/options";
import { adopt } from "./adopt";
import { issue } from "./issue";
import { refOf, type RolePlace } from "./mark";
import type { VaultAppRoleSecretIdOptions } from "./options";
import { propose } from "./propose";
import { revoke } from "./revoke";
import { longestLife, nameOf, readRole } from "./role";
import { SecretIds } from "./secretIds";
import { IssuedTokens, useOfToken } from "./tokens";
import { useOf } from "./use";
import { verify } from "./verify";

/** @throws ConfigurationError when there is no address. Nothing is connected to before it is needed. */
export function createVaultAppRoleSecretIdKind(
  options: VaultAppRoleSecretIdOptions,
  context: AdapterContext,
): CredentialKind {
  return new VaultAppRoleSecretIdKind(options, context);
}

class VaultAppRoleSecretIdKind implements CredentialKind {
  readonly type = "vaultAppRoleSecretId";
  readonly capabilities: KindCapabilities = {
    overlap: "versioned",
    value: "chosen",
    canDisable: false,
    // Live tokens are seen; when the last log-in was, Vault does not keep.
    hasLastUsed: false,
    seesRefusals: false,
  };
  private readonly client: Client;

  constructor(
    private readonly options: VaultAppRoleSecretIdOptions,
    private readonly context: AdapterContext,
  ) {
    const address = vaultAddress("The kind vaultAppRoleSecretId", options);
    this.client = new Client(options, address, useOf(options), context);
  }

  async propose(request: ProposeRequest): Promise<Draft> {
    return propose(this.options, request);
  }

  async issue(request: IssueRequest): Promise<Issued> {
    return issue(this.client, this.options, request);
  }

  async verify(value: SecretValue, ref: IssuedRef): Promise<Verification> {
    return verify(this.client, this.placeOf(ref), this.context, value);
  }

  async inspect(identity: string): Promise<readonly InspectedCredential[]> {
    const found = await new SecretIds(this.client, this.options).all();
    return found.flatMap(({ accessor, mark, expired }) =>
      mark?.identity === identity
        ? [{ ref: refOf(this.options, mark, accessor), rotationId: mark.rotation, enabled: !expired }]
        : [],
    );
  }

  async usage(ref: IssuedRef): Promise<UsageReport> {
    const rotation = ref["rotation"];
    const unknown = (detail: string): UsageReport => ({ verdict: "unknown", uses: [], detail });
    if (this.options.tokens === "expire") {
      const facts = await readRole(this.client, this.placeOf(ref));
      return unknown(
        `tokens that were got with it are not looked for (tokens: "expire"), and live ${longestLife(facts)}`,
      );
    }
    if (!rotation) return unknown("an adopted secret id has no mark by which its tokens could be told from others");
    try {
      const place = this.placeOf(ref);
      const live = await new IssuedTokens(this.client, place).of(rotation);
      const principal = `${place.role}/${ref["accessor"] ?? rotation}`;
      return {
        verdict: live.length > 0 ? "used" : "not-seen",
        uses: live.map((token) => useOfToken(principal, token)),
      };
    } catch (error) {
      if (error instanceof ConfigurationError || error instanceof StateError)
        return unknown(error.message.replace(/\.$/, ""));
      throw error;
    }
  }

  async disable(ref: IssuedRef): Promise<void> {
    this.cannotDisable(ref);
  }

  async enable(ref: IssuedRef): Promise<void> {
    this.cannotDisable(ref);
  }

  async revoke(ref: IssuedRef, options: RevokeOptions): Promise<void> {
    await revoke(this.client, this.options, this.placeOf(ref), this.context, ref, options);
  }

  async adopt(value: Readonly<Record<string, string>>): Promise<Issued> {
    return adopt(this.client, this.options, this.context, value);
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  /** Where the version is, as it was issued. */
  private placeOf(ref: IssuedRef): RolePlace {
    return { mount: ref["mount"] || this.options.mount, role: ref["role"] || this.options.role };
  }

  private cannotDisable(ref: IssuedRef): never {
    throw new StateError(`A secret id of ${nameOf(this.placeOf(ref))} cannot be switched off and on, only destroyed.`);
  }
}
