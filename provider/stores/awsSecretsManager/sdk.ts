/** Loads AWS's SDK when it is first needed: only programs that keep secrets there have to install it. */
import type * as Credentials from "@aws-sdk/credential-providers";
import type * as SecretsManager from "@aws-sdk/client-secrets-manager";
import { loadOptional } from "../../net/optionalPackage";

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

function loaded<T>(name: string, user: string, load: () => Promise<unknown>): Promise<T> {
  return loadOptional(load, `${user} needs the package "${name}", which is not installed. Run: npm install ${name}`);
}
