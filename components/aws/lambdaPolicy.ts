import * as pulumi from "@pulumi/pulumi";
import { lambdaPolicyDocument } from "./policies";

export interface LambdaPolicyArgs {
  /** The function's ARN, without a version or an alias. */
  readonly functionArn: pulumi.Input<string>;
  /** The ARN of the KMS key of the function's variables. @default AWS's own, which needs no permission */
  readonly keyArn?: pulumi.Input<string>;
  /** Whether the consumer has a `probe`: it then invokes versions. @default false */
  readonly probe?: boolean;
  /** Whether the consumer has `keepVersions`: it then deletes versions, never the function. @default false */
  readonly keepVersions?: boolean;
}

/** An IAM policy document, JSON, for the role that runs `pulumi` where `consumer.lambda` moves this function. */
export function lambdaPolicy({ functionArn, keyArn, probe, keepVersions }: LambdaPolicyArgs): pulumi.Output<string> {
  return pulumi
    .all([functionArn, keyArn])
    .apply(([arn, key]) => lambdaPolicyDocument({ functionArn: arn, key, probe, keepVersions }));
}
