/** The store's words for what Vault's answers mean. */
import type { VaultUse } from "../../net/vault/failures";

export function useOf(location: string): VaultUse {
  return {
    user: `The store ${location}`,
    policies: "docs/stores/vault.md",
    absent: "Check mount and namespace: vault secrets list shows the mounts.",
    needs: "It takes a KV engine of version 2 in a Vault that can patch metadata (1.10 or newer).",
  };
}
