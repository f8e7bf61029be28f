/** Loads packages of AWS's SDK when they are first needed: only programs that use AWS have to install them. */
import type * as Credentials from "@aws-sdk/credential-providers";
import { loadOptional } from "../optionalPackage";

export type CredentialsSdk = typeof Credentials;

/** @param user what needs it, as the message begins: `The store awsSecretsManager`. */
export function loadAwsPackage<T>(name: string, user: string, load: () => Promise<unknown>): Promise<T> {
  return loadOptional(load, `${user} needs the package "${name}", which is not installed. Run: npm install ${name}`);
}

/** @param user whose options ask for it: `store awsSecretsManager`. */
export function loadCredentials(
  user: string,
  load: () => Promise<unknown> = () => import("@aws-sdk/credential-providers"),
): Promise<CredentialsSdk> {
  return loadAwsPackage("@aws-sdk/credential-providers", `\`profile\` and \`assumeRole\` of the ${user}`, load);
}
