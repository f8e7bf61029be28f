/** Loads AWS's SDK when it is first needed: only programs that keep secrets there have to install it. */
import type * as Credentials from "@aws-sdk/credential-providers";
import type * as SecretsManager from "@aws-sdk/client-secrets-manager";
import { ConfigurationError } from "../../lifecycle/errors";

export type SecretsManagerSdk = typeof SecretsManager;
export type CredentialsSdk = typeof Credentials;

export function loadSecretsManager(
  load: () => Promise<unknown> = () => import("@aws-sdk/client-secrets-manager"),
): Promise<SecretsManagerSdk> {
  return loaded("@aws-sdk/client-secrets-manager", "The store awsSecretsManager", load);
}

export function loadCredentials(
  load: () => Promise<unknown> = () => import("@aws-sdk/credential-providers"),
): Promise<CredentialsSdk> {
  return loaded("@aws-sdk/credential-providers", "`profile` and `assumeRole` of the store awsSecretsManager", load);
}

async function loaded<T>(name: string, user: string, load: () => Promise<unknown>): Promise<T> {
  try {
    const module = (await load()) as T & { readonly default?: T };
    return module.default ?? module;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new ConfigurationError(
      `${user} needs the package "${name}", which is not installed. Run: npm install ${name}`,
    );
  }
}
