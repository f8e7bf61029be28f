import * as pulumi from "@pulumi/pulumi";
import { RolloutResource, type CheckResult } from "../provider/resources/rollout";
import type { Descriptor } from "./options";
import { RotatingSecret, type SecretLink } from "./rotatingSecret";
import { stackName } from "./stackName";

export type { CheckResult };

export interface RolloutArgs {
  /** The secrets that this rollout confirms: of this stack, or the `link` of one of another stack. */
  readonly secrets: (RotatingSecret | pulumi.Input<SecretLink>)[];
  /** Resources of this program that follow the secrets by taking an output. The engine moves them before this rollout. */
  readonly dependents?: pulumi.Resource[];
  /** Workloads that the library itself moves, in waves. */
  readonly consumers?: pulumi.Input<Descriptor>[];
  /** What says that all is well. */
  readonly checks?: pulumi.Input<Descriptor>[];
  /**
   * What a confirmation rests on beside health. `adoption`: consumers or adoption checks name the version they use.
   * `issuer`: the issuer sees the new version in use and no other. `engine`: what was applied is trusted to be used;
   * audited. @default "adoption"
   */
  readonly evidence?: pulumi.Input<"adoption" | "issuer" | "engine">;
}

/**
 * Rolls consumers over to the current versions, watches their health, and confirms. Only then is a superseded version
 * retired. When something is wrong, everything returns to the superseded version in the same run.
 */
export class Rollout extends RolloutResource {
  constructor(name: string, args: RolloutArgs, opts?: pulumi.CustomResourceOptions) {
    const dependents = args.dependents ?? [];
    super(
      name,
      {
        name,
        stack: stackName(),
        secrets: args.secrets.map((secret) => (secret instanceof RotatingSecret ? secret.link : secret)),
        ...(args.consumers ? { consumers: args.consumers } : {}),
        ...(args.checks ? { checks: args.checks } : {}),
        ...(dependents.length > 0 ? { dependents: dependents.length } : {}),
        ...(args.evidence ? { evidence: args.evidence } : {}),
      },
      pulumi.mergeOptions(opts, { dependsOn: dependents }),
    );
  }
}
