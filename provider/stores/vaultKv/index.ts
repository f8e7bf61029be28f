export { vaultKvStoreOptions, type VaultKvStoreOptions } from "./options";
export { createVaultKvStore } from "./store";
