/** What errors of Lambda mean, and the words for it. */
import { ConfigurationError, ConsumerError, UnreachableError, type RotationError } from "../../lifecycle/errors";
import { actionNamed, type AwsAttempt, type AwsFacts, type AwsUse } from "../../net/aws/failures";
import type { LambdaConsumerOptions } from "./options";

/**
 * What Lambda would not do in the state in which the function is. What it means is for the caller to find out.
 * https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html#API_UpdateFunctionConfiguration_Errors
 */
const REFUSALS = {
  /** The RevisionId is not the latest one: somebody else was faster. */
  PreconditionFailedException: "changed",
  /** Another operation is in progress. */
  ResourceConflictException: "busy",
  /** https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html */
  ProvisionedConcurrencyConfigNotFoundException: "absent",
} as const;

export class Refused extends ConsumerError {
  constructor(
    readonly why: (typeof REFUSALS)[keyof typeof REFUSALS],
    code: string,
    doing: string,
  ) {
    super(
      `AWS refused ${doing} (${code}): somebody else changes the function at this moment. The alias was not changed by ` +
        "this call. Run again when that is over.",
    );
  }
}

/**
 * Errors of Invoke by which an environment of the version cannot be started, whatever the credentials of the caller.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
 */
const DOES_NOT_START =
  /^(KMS\w+|EFS\w+|ENILimitReached|EC2AccessDenied|EC2Unexpected|InvalidRuntime|InvalidSecurityGroupID|InvalidSubnetID|InvalidZipFile|SubnetIPAddressLimitReached|SnapStart)Exception$/;
/** It comes up a little later. */
const NOT_READY_YET = new Set(["ENINotReadyException", "ResourceNotReadyException", "SnapStartNotReadyException"]);

export function useOf({ name, functionName }: Pick<LambdaConsumerOptions, "name" | "functionName">): AwsUse {
  return {
    service: "AWS Lambda",
    user: `consumer "${name}"`,
    place: `consumer "${name}"`,
    resource: "function",
    asBefore: "What the alias names is unchanged by this call.",
    action: actionOf,
    subject: () => `the function ${functionName} of consumer "${name}"`,
    permission,
    refusal,
  };
}

function actionOf({ operation }: AwsAttempt): string {
  return actionNamed("lambda", operation === "invoke" ? "invokeFunction" : operation);
}

function permission(attempt: AwsAttempt, { mentionsKms, deniedAction }: AwsFacts): string {
  if (mentionsKms || deniedAction?.startsWith("kms:"))
    return `${deniedAction ?? "kms:Decrypt, kms:Encrypt and kms:CreateGrant"} on the KMS key of the function's variables`;
  const { operation, subject } = attempt;
  const arn = subject.startsWith("arn:") ? subject : `arn:aws:lambda:REGION:ACCOUNT:function:${subject}`;
  const qualified = operation === "invoke" || operation === "deleteFunction";
  return `${actionOf(attempt)} on ${arn}${qualified ? ":*" : ` and ${arn}:*`}`;
}

function refusal(attempt: AwsAttempt, { name }: AwsFacts, doing: string): RotationError | undefined {
  if (name in REFUSALS) return new Refused(REFUSALS[name as keyof typeof REFUSALS], name, doing);
  if (name === "ResourceNotFoundException")
    return new ConfigurationError(
      `AWS Lambda does not have what ${doing} is about (${name}): the function, its alias or the version. Nothing was ` +
        "changed by this call. Look at `functionName`, `alias`, the region and the account, then run again.",
    );
  if (name === "InvalidParameterValueException" || name === "InvalidRequestContentException")
    return new ConsumerError(`AWS refused ${doing} (${name}). ${hintFor(attempt)} Then run again.`);
  if (name === "CodeStorageExceededException")
    return new ConsumerError(
      `AWS refused ${doing} (${name}): the account has as much code stored in this region as it may. The alias is ` +
        "unchanged. Delete published versions that nobody needs, or set `keepVersions`, then run again.",
    );
  if (attempt.operation !== "invoke") return undefined;
  if (NOT_READY_YET.has(name)) return new Refused("busy", name, doing);
  if (name === "EC2ThrottledException")
    return new UnreachableError(`AWS could not do ${doing} just now (${name}). Nothing was changed. Run again.`);
  if (DOES_NOT_START.test(name))
    return new ConsumerError(
      `AWS could not start an environment for ${doing} (${name}). Look up this error at ` +
        "https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, remove its cause, then run again.",
    );
  return undefined;
}

/** Not AWS's own words: they quote the variables. */
function hintFor({ operation }: AwsAttempt): string {
  if (operation === "updateFunctionConfiguration")
    return (
      "The function is unchanged. All its variables may have 4 KB together, and Lambda keeps some names to itself: look " +
      "at `environment`."
    );
  if (operation === "updateAlias")
    return (
      "The alias is unchanged. With `weights`, both versions need the same role and dead-letter queue, and an alias with " +
      "provisioned concurrency may take no weights: see " +
      "https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html."
    );
  return "Look at `functionName`, `alias` and `probe`.";
}
