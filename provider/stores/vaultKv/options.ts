/** What the user writes to keep a secret in HashiCorp Vault's KV secrets engine, version 2. */
import { z } from "zod";
import { fieldsFormat } from "../../lifecycle/payload";
import { strictOptions } from "../../net/options";
import {
  vaultAddress,
  vaultAuthOptions,
  vaultCallOptions,
  vaultPath,
  vaultPlaceOptions,
} from "../../net/vault/options";

export const vaultKvStoreOptions = strictOptions("the store vaultKv", {
  type: z.literal("vaultKv"),
  ...vaultPlaceOptions,
  /** Where the KV engine is mounted. Default: `secret`. */
  mount: vaultPath("mount", "secret").default("secret"),
  /** The entry that readers read. What this library itself needs is kept below `<path>-rotation`. */
  path: vaultPath("path", "orders/db"),
  ...vaultAuthOptions,
  /** What readers get. Default: the fields of the value as they are. */
  format: fieldsFormat.default("fields"),
  ...vaultCallOptions,
});

export type VaultKvStoreOptions = z.output<typeof vaultKvStoreOptions>;

/** The address without a `/` at its end. @throws ConfigurationError when neither the option nor VAULT_ADDR has one. */
export function addressOf(options: VaultKvStoreOptions, environment: NodeJS.ProcessEnv = process.env): string {
  return vaultAddress("The store vaultKv", options, environment);
}
