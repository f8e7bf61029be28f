/** What the user writes to keep a secret in AWS Secrets Manager. */
import { z } from "zod";
import { payloadFormat } from "../../lifecycle/payload";
import { awsCallOptions, awsPlaceOptions, isOfAws, matching } from "../../net/aws/options";
import { strictOptions, text, wholeNumber } from "../../net/options";

export const DEFAULT_RECOVERY_WINDOW_DAYS = 30;

export const COMPANION_SUFFIX = "-rotation";
/** Secrets Manager's limit: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html */
const MAX_NAME_LENGTH = 512;
const MAX_OUR_NAME_LENGTH = MAX_NAME_LENGTH - COMPANION_SUFFIX.length;

export const awsSecretsManagerOptions = strictOptions("The store awsSecretsManager", {
  type: z.literal("awsSecretsManager"),
  /**
   * The name of the secret that readers name, not its ARN. It and the companion `<name>-rotation` are made at the first
   * write where they do not exist.
   */
  name: matching(
    "name",
    new RegExp(`^[A-Za-z0-9/_+=.@-]{1,${MAX_OUR_NAME_LENGTH}}$`),
    `the secret's name, not its ARN: 1 to ${MAX_OUR_NAME_LENGTH} letters, digits and characters of /_+=.@-`,
  ),
  ...awsPlaceOptions,
  /** What readers get. A change is seen from the next version on: AWS never changes a version. @default "fields" */
  format: payloadFormat.optional(),
  /** The KMS key of secrets that this adapter makes. @default the account's `aws/secretsmanager` */
  kmsKeyId: text("kmsKeyId, the ARN, id or alias of a KMS key,", 2048).optional(),
  /**
   * For how many days a secret that this adapter made can be restored after a teardown.
   * AWS's limits: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html @default 30
   */
  recoveryWindowDays: wholeNumber("recoveryWindowDays", 7, 30).optional(),
  ...awsCallOptions,
});

export type AwsSecretsManagerOptions = z.infer<typeof awsSecretsManagerOptions>;

/**
 * Who and where the secret is, without asking anybody. Two accounts or profiles may have secrets of one name. An
 * endpoint of AWS itself makes no other secret; one of somebody else does.
 */
export function locationOf({ name, region, endpoint, profile, assumeRole }: AwsSecretsManagerOptions): string {
  const who = assumeRole?.roleArn.split(":")[4] ?? profile;
  const elsewhere = endpoint !== undefined && !isOfAws(endpoint);
  return (
    `aws:${who === undefined ? "" : `${who}@`}${region ?? "default"}/${name}` + (elsewhere ? ` at ${endpoint}` : "")
  );
}
