/** What errors of Secrets Manager mean, and the words for it. */
import { ConfigurationError, type RotationError, StateError } from "../../lifecycle/errors";
import { actionNamed, type AwsAttempt, type AwsFacts, type AwsUse } from "../../net/aws/failures";

const REFUSALS = {
  ResourceNotFoundException: "not-found",
  ResourceExistsException: "exists",
  InvalidParameterException: "invalid",
  InvalidRequestException: "invalid",
} as const;

const AS_BEFORE = "What was stored before is unchanged.";

/** What AWS would not do in the state in which the secret is. What it means is for the caller to find out. */
export class Refused extends StateError {
  constructor(
    readonly why: (typeof REFUSALS)[keyof typeof REFUSALS],
    code: string,
    secret: string,
    doing: string,
  ) {
    super(
      `AWS refused ${doing} (${code}). Either somebody ` +
        "changed, deleted or scheduled it for deletion at this moment, or another service manages it. Look at it with " +
        `\`aws secretsmanager describe-secret --secret-id ${secret}\`, then run again.`,
    );
  }
}

export function useOf(location: string): AwsUse {
  return {
    service: "AWS Secrets Manager",
    user: `store ${location}`,
    place: location,
    resource: "secret",
    asBefore: AS_BEFORE,
    action: actionOf,
    subject: ({ subject }) => `the secret ${subject} of the store ${location}`,
    permission,
    refusal,
  };
}

function actionOf({ operation }: AwsAttempt): string {
  return actionNamed("secretsmanager", operation);
}

function permission(attempt: AwsAttempt, { mentionsKms }: AwsFacts): string {
  const { operation, subject } = attempt;
  const writes = operation === "putSecretValue" || operation === "createSecret";
  return mentionsKms
    ? `${writes ? "kms:GenerateDataKey and kms:Decrypt" : "kms:Decrypt"} on the KMS key of the secret`
    : `${actionOf(attempt)} on arn:aws:secretsmanager:REGION:ACCOUNT:secret:${subject}-??????`;
}

function refusal(attempt: AwsAttempt, { name }: AwsFacts, doing: string): RotationError | undefined {
  if (name in REFUSALS) return new Refused(REFUSALS[name as keyof typeof REFUSALS], name, attempt.subject, doing);
  if (name === "LimitExceededException") return quotaReached(doing, attempt);
  if (name === "DecryptionFailure" || name === "EncryptionFailure") return keyUnusable(name, doing);
  return undefined;
}

function quotaReached(doing: string, { operation, subject }: AwsAttempt): StateError {
  const which =
    operation === "putSecretValue"
      ? `The secret ${subject} has as many versions, or labels on them, as AWS allows: 100 versions, of which none that ` +
        "is younger than 24 hours is removed, and 20 labels. Every step of a rotation writes a version: wait until " +
        "those of the last day are older, and rotate less often"
      : operation === "updateSecretVersionStage"
        ? `The secret ${subject} has 20 labels on its versions, as many as AWS allows: take labels off that nobody needs`
        : "The account has as many secrets as AWS allows: remove some, or have the quota raised";
  return new StateError(`AWS refused ${doing} because of a quota. ${AS_BEFORE} ${which}. Then run again.`);
}

function keyUnusable(name: string, doing: string): ConfigurationError {
  return new ConfigurationError(
    `AWS could not use the KMS key for ${doing} (${name}). ${AS_BEFORE} See that the key is enabled and not scheduled ` +
      "for deletion, and that kms:Decrypt and kms:GenerateDataKey are allowed on it. Then run again.",
  );
}
