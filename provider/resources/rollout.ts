import * as pulumi from "@pulumi/pulumi";
import { refuseImport } from "./importOption";
import { DYNAMIC_MODULE, providerText } from "./text";

/** What a check saw, as it stays in the state. */
export interface CheckResult {
  readonly name: string;
  readonly healthy: boolean;
  readonly samples: number;
  readonly unhealthySamples: number;
  readonly lastDetail: string;
  /** Present where it is unhealthy, was so before the rotation and is not worse, which does not fail the rollout. */
  readonly unhealthyBefore?: true;
  /** What it measured last, and before the rotation where it is compared with that. */
  readonly value?: number;
  readonly valueBefore?: number;
  /** ISO 8601. Absent where it never was healthy, or was not asked. */
  readonly firstHealthyAt?: string;
  readonly lastAt?: string;
}

export interface RolloutResourceArgs {
  name: string;
  stack: string;
  [input: string]: unknown;
}

/** The confirmation of the versions of some secrets by the consumers of one stack. */
export class RolloutResource extends pulumi.CustomResource {
  /** The confirmed version of each secret, by name. */
  declare readonly confirmed: pulumi.Output<Record<string, number>>;
  /** What each check saw. */
  declare readonly health: pulumi.Output<CheckResult[]>;

  constructor(name: string, args: RolloutResourceArgs, opts?: pulumi.CustomResourceOptions) {
    refuseImport(name, opts);
    super(
      `${DYNAMIC_MODULE}:Rollout`,
      name,
      { ...args, __provider: providerText("rollout"), confirmed: undefined, health: undefined },
      opts,
    );
  }
}
