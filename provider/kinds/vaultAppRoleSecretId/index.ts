export { createVaultAppRoleSecretIdKind } from "./kind";
export { inputPolicy, vaultAppRoleSecretIdOptions, type VaultAppRoleSecretIdOptions } from "./options";
