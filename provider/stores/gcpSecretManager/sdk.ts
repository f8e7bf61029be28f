/** Loads Google's client when it is first needed: only programs that keep a secret there have to install it. */
import type * as Sdk from "@google-cloud/secret-manager";
import { clientSettings } from "../../net/gcp/client";
import { loadOptional } from "../../net/optionalPackage";
import { addressOf, type GcpSecretManagerOptions } from "./options";

export const PACKAGE = "@google-cloud/secret-manager";

export type SdkClient = Sdk.SecretManagerServiceClient;

export function loadSdk(
  load: () => Promise<unknown> = () => import("@google-cloud/secret-manager"),
): Promise<typeof Sdk> {
  return loadOptional(
    load,
    `Secrets in Google Cloud Secret Manager need the package "${PACKAGE}", which is not installed. ` +
      `Run: npm install ${PACKAGE}`,
  );
}

export async function makeClient(options: GcpSecretManagerOptions): Promise<SdkClient> {
  const { SecretManagerServiceClient } = await loadSdk();
  const settings = clientSettings(PACKAGE, addressOf(options), options.insecure === true);
  return new SecretManagerServiceClient(settings);
}
