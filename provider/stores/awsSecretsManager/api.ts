/** The calls of Secrets Manager that the store makes. */
import type * as Sdk from "@aws-sdk/client-secrets-manager";
import type { AdapterContext } from "../../contracts/context";
import { AwsCaller } from "../../net/aws/caller";
import { useOf } from "./failures";
import type { AwsSecretsManagerOptions } from "./options";
import { loadSecretsManager } from "./sdk";

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

export class Api {
  private readonly caller: AwsCaller<Sdk.SecretsManager, Calls>;

  constructor(options: AwsSecretsManagerOptions, context: AdapterContext, location: string) {
    this.caller = new AwsCaller({
      adapter: "store awsSecretsManager",
      connection: options,
      use: useOf(location),
      context,
      connect: async (config) => {
        const { SecretsManager } = await loadSecretsManager();
        return new SecretsManager(config);
      },
    });
  }

  /** @throws Refused where the caller has to decide what it means. */
  async call<O extends Operation>(operation: O, input: Calls[O][0]): Promise<Calls[O][1]> {
    const secret = ("SecretId" in input ? input.SecretId : "Name" in input ? input.Name : undefined) ?? "";
    return this.caller.call(operation, secret, input);
  }

  /** The region in which the calls are made. */
  region(): Promise<string> {
    return this.caller.region();
  }

  close(): Promise<void> {
    return this.caller.close();
  }
}
