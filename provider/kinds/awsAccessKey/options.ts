/** What the user writes to rotate the access key of an IAM user. */
import { z } from "zod";
import type { InputPolicy } from "../../contracts/kind";
import { awsCallOptions, awsEndpoint, awsPlaceOptions, isOfAws, matching } from "../../net/aws/options";
import { duration, strictOptions } from "../../net/options";

export const DEFAULT_SETTLE_WITHIN = "1m";
export const DEFAULT_USED_WITHIN = "36h";

const HOUR = 3_600_000;

/** Options of the kind, strict: an unknown key is an error. */
export const awsAccessKeyOptions = strictOptions("the kind awsAccessKey", {
  type: z.literal("awsAccessKey"),
  /**
   * The name of the IAM user, not its ARN. It must exist, and both of its keys must belong to this secret: AWS allows two
   * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html), and a rotation needs two.
   */
  user: matching(
    "user",
    /^[\w+=,.@-]{1,64}$/,
    "an IAM user's name, not its ARN: 1 to 64 letters, digits and characters of _+=,.@-",
  ),
  /** `endpoint` is that of IAM. */
  ...awsPlaceOptions,
  /** Another address of STS, with which keys are verified. @default that of the region; `endpoint`, where that is not AWS's own */
  stsEndpoint: awsEndpoint("stsEndpoint").optional(),
  /**
   * How recent the last use of a key has to be to count as in use. Longer than the interval of the rarest job that uses it,
   * and than IAM takes to record a use, for which AWS names no limit. From 1h to 90d. @default "36h"
   */
  usedWithin: duration("usedWithin", HOUR, 90 * 24 * HOUR).optional(),
  /**
   * How long AWS may take until a key that was made, enabled, disabled or deleted is so everywhere. Verification waits as
   * long where IAM and a log-in do not agree. From 1s to 10m. @default "1m"
   */
  settleWithin: duration("settleWithin", 1000, 600_000).optional(),
  ...awsCallOptions,
});

export type AwsAccessKeyOptions = z.output<typeof awsAccessKeyOptions>;

/** An endpoint that is not AWS's own stands for all of AWS: a key of an emulator must not be shown to AWS. */
export function stsEndpointOf({ endpoint, stsEndpoint }: AwsAccessKeyOptions): string | undefined {
  return stsEndpoint ?? (endpoint !== undefined && !isOfAws(endpoint) ? endpoint : undefined);
}

/** What a change of each option means. Another user would be another secret. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  user: "refuse",
  region: "in-place",
  endpoint: "in-place",
  stsEndpoint: "in-place",
  profile: "in-place",
  assumeRole: "in-place",
  usedWithin: "in-place",
  settleWithin: "in-place",
  timeout: "in-place",
  maxAttempts: "in-place",
};
