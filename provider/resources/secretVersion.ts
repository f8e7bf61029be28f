import * as pulumi from "@pulumi/pulumi";
import type { SecretLink } from "../inputs/rollout";
import { refuseImport } from "./importOption";
import { DYNAMIC_MODULE, providerText } from "./text";

/** Inputs as the engine takes them; the component makes them from what the user writes. */
export interface SecretVersionArgs {
  name: string;
  stack: string;
  kind: pulumi.Input<Record<string, unknown>>;
  store: pulumi.Input<Record<string, unknown>>;
  [input: string]: unknown;
}

/** One version of a secret. Replaced by each rotation: created before its predecessor is retired. */
export class SecretVersion extends pulumi.CustomResource {
  declare readonly version: pulumi.Output<number>;
  declare readonly incarnation: pulumi.Output<number>;
  declare readonly epoch: pulumi.Output<number>;
  declare readonly ref: pulumi.Output<string>;
  declare readonly fingerprint: pulumi.Output<string>;
  declare readonly issued: pulumi.Output<Record<string, string>>;
  declare readonly rotation: pulumi.Output<string>;
  declare readonly nextRotationAt: pulumi.Output<string | undefined>;
  declare readonly nextRotationWhy: pulumi.Output<string | undefined>;
  declare readonly identity: pulumi.Output<string>;

  constructor(name: string, args: SecretVersionArgs, opts?: pulumi.CustomResourceOptions) {
    refuseImport(name, opts);
    super(
      `${DYNAMIC_MODULE}:SecretVersion`,
      name,
      {
        ...args,
        __provider: providerText("secretVersion"),
        // Outputs have to be named among the inputs to become properties of the object.
        version: undefined,
        incarnation: undefined,
        epoch: undefined,
        ref: undefined,
        fingerprint: undefined,
        issued: undefined,
        rotation: undefined,
        nextRotationAt: undefined,
        nextRotationWhy: undefined,
        identity: undefined,
        owner: undefined,
      },
      opts,
    );
  }
}

export type { SecretLink };
