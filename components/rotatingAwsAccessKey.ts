import * as pulumi from "@pulumi/pulumi";
import { withoutAbsent } from "./absent";
import type { DurationText, RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";
import type { AwsConnection } from "./stores";

/** How the provider process reaches IAM and STS. */
export interface AwsIamConnection extends AwsConnection {
  /** Another address of STS, with which keys are verified. @default the region's; `endpoint`, where that is not AWS's own */
  readonly stsEndpoint?: string;
}

export interface RotatingAwsAccessKeyArgs extends RotationArgs {
  /**
   * The name of the IAM user, which exists, and whose two keys belong to this secret alone. A user that the program makes
   * must leave the tags `rotation:*` alone: `ignoreChanges: ["tags", "tagsAll"]`.
   */
  readonly user: pulumi.Input<string>;
  /** @default as the SDK finds region and credentials */
  readonly connection?: pulumi.Input<AwsIamConnection>;
  /**
   * How recent the last use of a key has to be to count as in use: longer than the interval of the rarest job that uses it,
   * from 1 h to 90 d. @default "36h"
   */
  readonly usedWithin?: pulumi.Input<DurationText>;
  /** How long AWS may take until a change of a key is so everywhere, from 1 s to 10 min. @default "1m" */
  readonly settleWithin?: pulumi.Input<DurationText>;
}

/** An access key of an IAM user: each rotation makes a new one, beside the one before until that is retired. */
export class RotatingAwsAccessKey extends RotatingSecret {
  /** The id of the key that is current. */
  readonly accessKeyId: pulumi.Output<string>;

  constructor(name: string, args: RotatingAwsAccessKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    const { user, connection, usedWithin, settleWithin, ...rotation } = args;
    const kind = pulumi
      .output({ user, connection, usedWithin, settleWithin })
      .apply(({ connection: where, ...options }) => ({
        type: "awsAccessKey",
        ...withoutAbsent({ ...where, ...options }),
      }));
    super(name, { kind, ...rotation }, opts, "RotatingAwsAccessKey");
    this.accessKeyId = this.issued.apply((issued) => issued["accessKeyId"] ?? "");
  }
}
