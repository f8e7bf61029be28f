/** `pulumi-rotating-secrets/vault`: loads `@pulumi/vault`, which the main entry does not. */
export { VaultKvSecret, type VaultKvSecretArgs, type VaultMountArgs } from "./vaultKvSecret";
export { type VaultReferences } from "./references";
