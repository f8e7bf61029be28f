import * as pulumi from "@pulumi/pulumi";
import { withoutAbsent } from "./absent";
import type { DurationText, RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";
import type { VaultConnection } from "./stores";

export interface RotatingVaultAppRoleSecretIdArgs extends RotationArgs {
  /** @default VAULT_ADDR, and the token in VAULT_TOKEN */
  readonly connection?: pulumi.Input<VaultConnection>;
  /** Where the AppRole method is mounted, without `auth/`. @default "approle" */
  readonly mount?: pulumi.Input<string>;
  /** The name of the role. It exists, and its secret ids may be used without limit. */
  readonly role: pulumi.Input<string>;
  /** The role's role id, which consumers get beside the secret id. */
  readonly roleId: pulumi.Input<string>;
  /**
   * A dead man's switch: Vault refuses the secret id after that time, which is longer than between two rotations.
   * @default the role's `secret_id_ttl`
   */
  readonly validFor?: pulumi.Input<DurationText>;
  /**
   * What becomes of the tokens that were got with a secret id. `revoke`: they are found, count as its use, and can be ended
   * with it; needs wide rights, see docs/kinds/vaultAppRoleSecretId.md. `expire`: they are left to expire, and there is no
   * evidence of use. @default "revoke"
   */
  readonly tokens?: pulumi.Input<"revoke" | "expire">;
}

/** The secret id of a role of Vault's AppRole method: each rotation makes a new one, beside the one before. */
export class RotatingVaultAppRoleSecretId extends RotatingSecret {
  /** The accessor of the secret id that is current. It gets nobody in. */
  readonly accessor: pulumi.Output<string>;

  constructor(name: string, args: RotatingVaultAppRoleSecretIdArgs, opts?: pulumi.ComponentResourceOptions) {
    const { connection, mount, role, roleId, validFor, tokens, ...rotation } = args;
    const kind = pulumi
      .output({ connection, mount, role, roleId, validFor, tokens })
      .apply(({ connection: where, ...options }) => ({
        type: "vaultAppRoleSecretId",
        ...withoutAbsent({ ...where, ...options }),
      }));
    super(name, { kind, ...rotation }, opts, "RotatingVaultAppRoleSecretId");
    this.accessor = this.issued.apply((issued) => issued["accessor"] ?? "");
  }
}
