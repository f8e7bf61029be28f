/** Loads AWS's SDK when it is first needed: only programs that keep secrets there have to install it. */
import type * as SecretsManager from "@aws-sdk/client-secrets-manager";
import { loadAwsPackage } from "../../net/aws/sdk";

export type SecretsManagerSdk = typeof SecretsManager;

export function loadSecretsManager(
  load: () => Promise<unknown> = () => import("@aws-sdk/client-secrets-manager"),
): Promise<SecretsManagerSdk> {
  return loadAwsPackage("@aws-sdk/client-secrets-manager", "The store awsSecretsManager", load);
}
