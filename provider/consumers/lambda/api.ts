/** The calls of Lambda that the consumer makes, all of one function. */
import type * as Sdk from "@aws-sdk/client-lambda";
import type { AdapterContext } from "../../contracts/context";
import { AwsCaller } from "../../net/aws/caller";
import { useOf } from "./failures";
import type { LambdaConsumerOptions } from "./options";
import { loadLambda } from "./sdk";

type Pair<Input, Output> = readonly [input: Input, output: Output];

/** The methods of the SDK that the adapter uses, with what they take and give. */
interface Calls {
  readonly deleteFunction: Pair<Sdk.DeleteFunctionCommandInput, Sdk.DeleteFunctionCommandOutput>;
  readonly getAlias: Pair<Sdk.GetAliasCommandInput, Sdk.GetAliasCommandOutput>;
  readonly getFunctionConfiguration: Pair<
    Sdk.GetFunctionConfigurationCommandInput,
    Sdk.GetFunctionConfigurationCommandOutput
  >;
  readonly getProvisionedConcurrencyConfig: Pair<
    Sdk.GetProvisionedConcurrencyConfigCommandInput,
    Sdk.GetProvisionedConcurrencyConfigCommandOutput
  >;
  readonly invoke: Pair<Sdk.InvokeCommandInput, Sdk.InvokeCommandOutput>;
  readonly listAliases: Pair<Sdk.ListAliasesCommandInput, Sdk.ListAliasesCommandOutput>;
  readonly listVersionsByFunction: Pair<
    Sdk.ListVersionsByFunctionCommandInput,
    Sdk.ListVersionsByFunctionCommandOutput
  >;
  readonly publishVersion: Pair<Sdk.PublishVersionCommandInput, Sdk.PublishVersionCommandOutput>;
  readonly updateAlias: Pair<Sdk.UpdateAliasCommandInput, Sdk.UpdateAliasCommandOutput>;
  readonly updateFunctionConfiguration: Pair<
    Sdk.UpdateFunctionConfigurationCommandInput,
    Sdk.UpdateFunctionConfigurationCommandOutput
  >;
}

export type Operation = keyof Calls;

export class Api {
  private readonly caller: AwsCaller<Sdk.Lambda, Calls>;

  constructor(
    private readonly options: LambdaConsumerOptions,
    context: AdapterContext,
  ) {
    this.caller = new AwsCaller({
      adapter: "consumer lambda",
      connection: options,
      use: useOf(options),
      context,
      connect: async (config) => {
        const { Lambda } = await loadLambda();
        return new Lambda(config);
      },
    });
  }

  /**
   * @param timeoutMs longer than the option says, for an invocation.
   * @throws Refused where the caller has to decide what it means.
   */
  call<O extends Operation>(
    operation: O,
    input: Omit<Calls[O][0], "FunctionName">,
    timeoutMs?: number,
  ): Promise<Calls[O][1]> {
    const { functionName } = this.options;
    const whole = { ...input, FunctionName: functionName } as Calls[O][0];
    return this.caller.call(operation, functionName, whole, timeoutMs);
  }
}
