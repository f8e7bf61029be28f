/** The kind's words for what Vault's answers mean. */
import type { VaultUse } from "../../net/vault/failures";
import type { RolePlace } from "./mark";
import { nameOf } from "./role";

export const PAGE = "docs/kinds/vaultAppRoleSecretId.md";

export function useOf(place: RolePlace): VaultUse {
  return {
    user: `Vault, for ${nameOf(place)}`,
    policies: PAGE,
    absent: "Check mount, role and namespace: vault auth list shows the mounts.",
    needs: "It takes the AppRole method of Vault.",
  };
}
