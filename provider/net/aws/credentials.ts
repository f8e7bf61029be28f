/** As whom AWS is called. */
import { CredentialFailure } from "./failures";
import { DEFAULT_SESSION_NAME, type AwsConnection } from "./options";
import { loadCredentials, type CredentialsSdk } from "./sdk";

type Found = ReturnType<CredentialsSdk["fromNodeProviderChain"] | CredentialsSdk["fromTemporaryCredentials"]>;

/**
 * @param adapter whose options these are: `store awsSecretsManager`.
 * @returns `undefined` for the SDK's own chain: environment, files, web identity, container, instance.
 */
export async function awsCredentials(
  { profile, assumeRole, region }: AwsConnection,
  adapter: string,
  timeoutMs: number,
): Promise<Found | undefined> {
  if (profile === undefined && assumeRole === undefined) return undefined;
  const sdk = await loadCredentials(adapter);
  const ofProfile = profile === undefined ? undefined : sdk.fromNodeProviderChain({ profile });
  if (assumeRole === undefined) return ofProfile && explained(ofProfile);
  const { roleArn, externalId, sessionName = DEFAULT_SESSION_NAME } = assumeRole;
  const ofRole = sdk.fromTemporaryCredentials({
    ...(ofProfile === undefined ? {} : { masterCredentials: ofProfile }),
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
    },
    clientConfig: {
      ...(region === undefined ? {} : { region }),
      // The signal of a call does not reach the call that gets its credentials.
      requestHandler: { requestTimeout: timeoutMs, throwOnRequestTimeout: true },
    },
  });
  return explained(ofRole);
}

/** So that an error of getting credentials is not taken for one of the service. */
function explained<A extends unknown[], T>(provider: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    try {
      return await provider(...args);
    } catch (error) {
      throw new CredentialFailure(error);
    }
  };
}
