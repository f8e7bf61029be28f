/** The calls of Secrets Manager: who calls, for how long at most, and what their errors mean. */
import type * as Sdk from "@aws-sdk/client-secrets-manager";
import type { AdapterContext } from "../../contracts/context";
import { withDeadline } from "../../net/deadline";
import { durationMs } from "../../net/options";
import { CredentialFailure, regionMissing, timedOut, translate } from "./failures";
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_SESSION_NAME, DEFAULT_TIMEOUT, type AwsSecretsManagerOptions } from "./options";
import { loadCredentials, loadSecretsManager } from "./sdk";

/** The methods of the SDK that the adapter uses, with what they take and give; each needs the permission of its name. */
interface Calls {
  readonly createSecret: readonly [Sdk.CreateSecretCommandInput, Sdk.CreateSecretCommandOutput];
  readonly deleteSecret: readonly [Sdk.DeleteSecretCommandInput, Sdk.DeleteSecretCommandOutput];
  readonly describeSecret: readonly [Sdk.DescribeSecretCommandInput, Sdk.DescribeSecretCommandOutput];
  readonly getSecretValue: readonly [Sdk.GetSecretValueCommandInput, Sdk.GetSecretValueCommandOutput];
  readonly putSecretValue: readonly [Sdk.PutSecretValueCommandInput, Sdk.PutSecretValueCommandOutput];
  readonly restoreSecret: readonly [Sdk.RestoreSecretCommandInput, Sdk.RestoreSecretCommandOutput];
  readonly updateSecretVersionStage: readonly [
    Sdk.UpdateSecretVersionStageCommandInput,
    Sdk.UpdateSecretVersionStageCommandOutput,
  ];
}

export type Operation = keyof Calls;
type Method<O extends Operation> = (input: Calls[O][0], options: { abortSignal: AbortSignal }) => Promise<Calls[O][1]>;

export class Api {
  private readonly timeoutMs: number;
  private client: Promise<Sdk.SecretsManager> | undefined;

  constructor(
    private readonly options: AwsSecretsManagerOptions,
    private readonly context: AdapterContext,
    private readonly location: string,
  ) {
    this.timeoutMs = durationMs(options.timeout, DEFAULT_TIMEOUT);
  }

  /** @throws Refused where the caller has to decide what it means. */
  async call<O extends Operation>(operation: O, input: Calls[O][0]): Promise<Calls[O][1]> {
    const secret = ("SecretId" in input ? input.SecretId : "Name" in input ? input.Name : undefined) ?? "";
    const at = { operation, secret, location: this.location, ...this.options };
    return this.bounded(operation, async (signal) => {
      const client = await this.connected();
      try {
        const method = client[operation].bind(client) as unknown as Method<O>;
        return await method(input, { abortSignal: signal });
      } catch (error) {
        throw translate(error, at);
      }
    });
  }

  /** The region in which the calls are made. */
  async region(): Promise<string> {
    return this.bounded("find the region", async () => {
      const client = await this.connected();
      try {
        return await client.config.region();
      } catch {
        throw regionMissing(this.location);
      }
    });
  }

  async close(): Promise<void> {
    const client = await this.client?.catch(() => undefined);
    this.client = undefined;
    client?.destroy();
  }

  private async bounded<T>(doing: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.context;
    const end = await withDeadline(this.timeoutMs, signal, work);
    if (end.ended === "done") return end.value;
    if (end.ended === "cancelled") throw signal.reason;
    throw timedOut(doing, this.location, this.timeoutMs);
  }

  private async connected(): Promise<Sdk.SecretsManager> {
    this.client ??= this.connect();
    try {
      return await this.client;
    } catch (error) {
      this.client = undefined;
      throw error;
    }
  }

  private async connect(): Promise<Sdk.SecretsManager> {
    const { region, endpoint, profile, maxAttempts = DEFAULT_MAX_ATTEMPTS } = this.options;
    const { SecretsManager: Client } = await loadSecretsManager();
    const credentials = await this.credentials();
    return new Client({
      maxAttempts,
      // The other mode, "adaptive", also holds back calls that nobody turned away yet.
      retryMode: "standard",
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  /** @returns `undefined` for the SDK's own chain: environment, files, web identity, container, instance. */
  private async credentials() {
    const { profile, assumeRole, region } = this.options;
    if (profile === undefined && assumeRole === undefined) return undefined;
    const sdk = await loadCredentials();
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
        requestHandler: { requestTimeout: this.timeoutMs, throwOnRequestTimeout: true },
      },
    });
    return explained(ofRole);
  }
}

/** So that an error of getting credentials is not taken for one of Secrets Manager. */
function explained<A extends unknown[], T>(provider: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  return async (...args) => {
    try {
      return await provider(...args);
    } catch (error) {
      throw new CredentialFailure(error);
    }
  };
}
