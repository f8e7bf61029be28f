/**
 * Turns what the SDK throws into errors that tell what happened and what to do. Its messages may quote what was sent, so
 * that only names of errors, actions and secrets get into ours.
 */
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../../lifecycle/errors";
import { describeDuration } from "../../lifecycle/duration";
import { describeNetworkError, errorCode } from "../../net/networkErrors";
import type { Operation } from "./api";
import type { AwsSecretsManagerOptions } from "./options";

export interface Attempted extends Pick<AwsSecretsManagerOptions, "profile" | "assumeRole"> {
  readonly operation: Operation;
  /** Its name. */
  readonly secret: string;
  readonly location: string;
}

const REFUSALS = {
  ResourceNotFoundException: "not-found",
  ResourceExistsException: "exists",
  InvalidParameterException: "invalid",
  InvalidRequestException: "invalid",
} as const;

/** What AWS would not do in the state in which the secret is. What it means is for the caller to find out. */
export class Refused extends StateError {
  constructor(
    readonly why: (typeof REFUSALS)[keyof typeof REFUSALS],
    code: string,
    { operation, secret, location }: Attempted,
  ) {
    super(
      `AWS refused ${actionOf(operation)} on the secret ${secret} of the store ${location} (${code}). Either somebody ` +
        "changed, deleted or scheduled it for deletion at this moment, or another service manages it. Look at it with " +
        `\`aws secretsmanager describe-secret --secret-id ${secret}\`, then run again.`,
    );
  }
}

/** Wraps what a provider of credentials threw. */
export class CredentialFailure extends Error {
  constructor(readonly inner: unknown) {
    super("no credentials");
  }
}

const AS_BEFORE = "What was stored before is unchanged.";
const NOT_ACCEPTED = new Set([
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "IncompleteSignature",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "OptInRequired",
]);
const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"]);
const THROTTLED = new Set([
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "RequestThrottled",
  "RequestThrottledException",
  "RequestLimitExceeded",
  "TooManyRequestsException",
  "SlowDown",
]);

export function translate(error: unknown, at: Attempted): unknown {
  if (error instanceof RotationError) return error;
  if (error instanceof CredentialFailure) return credentialsMissing(error.inner, at);
  const { name, status, mentionsKms } = factsOf(error);
  const doing = `${actionOf(at.operation)} on the secret ${at.secret} of the store ${at.location}`;
  if (name in REFUSALS) return new Refused(REFUSALS[name as keyof typeof REFUSALS], name, at);
  if (/^AccessDenied/.test(name)) return denied(mentionsKms, doing, at);
  if (name === "LimitExceededException") return quotaReached(doing, at);
  if (name === "DecryptionFailure" || name === "EncryptionFailure") return keyUnusable(name, doing);
  if (name === "CredentialsProviderError" || name === "TokenProviderError") return credentialsMissing(error, at);
  if (/region is missing/i.test(messageOf(error))) return regionMissing(at.location);
  if (EXPIRED.has(name))
    return new ConfigurationError(
      `AWS does not accept ${doing}: the credentials have expired (${name}). ${AS_BEFORE} Log in again, for example ` +
        "with `aws sso login`, then run again.",
    );
  if (NOT_ACCEPTED.has(name))
    return new ConfigurationError(
      `AWS does not accept ${doing}: it does not know the credentials, or their signature is wrong (${name}). ` +
        `${AS_BEFORE} Look at \`aws sts get-caller-identity\` and at the clock of this machine, then run again.`,
    );
  if (THROTTLED.has(name) || status === 429)
    return new UnreachableError(
      `AWS turned ${doing} away again and again: too many calls are made in this account and region (${name}). ` +
        `${AS_BEFORE} Run again later, or raise \`maxAttempts\` and \`timeout\`.`,
    );
  if (name === "SyntaxError") return notFromAws(status, doing, at.location);
  if (status !== undefined && status >= 500)
    return new UnreachableError(
      `AWS could not do ${doing}: it answered with status ${status} (${name}). Whether it was done is not known. Run again.`,
    );
  if (status === undefined)
    return new UnreachableError(
      `AWS Secrets Manager could not be reached for ${doing}: ${describeNetworkError(networkCause(error))}. Whether it ` +
        "was done is not known. Look at the network, the region and the endpoint, then run again.",
    );
  return new StateError(
    `AWS refused ${doing} with status ${status} (${name}). ${AS_BEFORE} Look up this error in the documentation of ` +
      "AWS Secrets Manager, remove its cause, and run again.",
  );
}

export function timedOut(doing: string, location: string, timeoutMs: number): UnreachableError {
  return new UnreachableError(
    `AWS Secrets Manager did not answer within ${describeDuration(timeoutMs)}, repetitions included (store ${location}, ` +
      `${doing}). Whether it was done is not known. Look at the network and the endpoint, or raise \`timeout\`, then run again.`,
  );
}

export function regionMissing(location: string): ConfigurationError {
  return new ConfigurationError(
    `The store ${location} has no region: neither its option \`region\`, nor AWS_REGION, nor the profile names one. ` +
      "Nothing was changed. Set `region`.",
  );
}

export function actionOf(operation: Operation): string {
  return `secretsmanager:${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
}

function denied(mentionsKms: boolean, doing: string, { operation, secret }: Attempted): ConfigurationError {
  const writes = operation === "putSecretValue" || operation === "createSecret";
  const missing = mentionsKms
    ? `${writes ? "kms:GenerateDataKey and kms:Decrypt" : "kms:Decrypt"} on the KMS key of the secret`
    : `${actionOf(operation)} on arn:aws:secretsmanager:REGION:ACCOUNT:secret:${secret}-??????`;
  return new ConfigurationError(
    `AWS does not allow ${doing}. ${AS_BEFORE} Allow ${missing}, in the policy of who runs this; a policy of the ` +
      "organization, of the endpoint or of the secret itself may forbid it too. Then run again.",
  );
}

function quotaReached(doing: string, { operation, secret }: Attempted): StateError {
  const which =
    operation === "putSecretValue"
      ? `The secret ${secret} has as many versions, or labels on them, as AWS allows: 100 versions, of which none that ` +
        "is younger than 24 hours is removed, and 20 labels. Every step of a rotation writes a version: wait until " +
        "those of the last day are older, and rotate less often"
      : operation === "updateSecretVersionStage"
        ? `The secret ${secret} has 20 labels on its versions, as many as AWS allows: take labels off that nobody needs`
        : "The account has as many secrets as AWS allows: remove some, or have the quota raised";
  return new StateError(`AWS refused ${doing} because of a quota. ${AS_BEFORE} ${which}. Then run again.`);
}

function keyUnusable(name: string, doing: string): ConfigurationError {
  return new ConfigurationError(
    `AWS could not use the KMS key for ${doing} (${name}). ${AS_BEFORE} See that the key is enabled and not scheduled ` +
      "for deletion, and that kms:Decrypt and kms:GenerateDataKey are allowed on it. Then run again.",
  );
}

function credentialsMissing(error: unknown, { location, profile, assumeRole }: Attempted): RotationError {
  const { name, status } = factsOf(error);
  const unreachable =
    status === undefined ? errorCode(networkCause(error)) !== "" || name === "TimeoutError" : status >= 500;
  if (unreachable)
    return new UnreachableError(
      `The credentials for the store ${location} could not be got: ` +
        `${status === undefined ? describeNetworkError(networkCause(error)) : `status ${status}`}. Nothing was ` +
        "changed. Look at the network, then run again.",
    );
  if (assumeRole !== undefined && status !== undefined)
    return new ConfigurationError(
      `The role ${assumeRole.roleArn} of the store ${location} could not be assumed (${name}). Nothing was changed. ` +
        "Allow sts:AssumeRole on it, and see that its trust policy names who runs this" +
        `${assumeRole.externalId === undefined ? "; if it asks for an external id, set `externalId`" : " and this `externalId`"}. ` +
        "Then run again.",
    );
  return new ConfigurationError(
    `There are no AWS credentials for the store ${location} (${name})` +
      `${profile === undefined ? "" : `; profile ${JSON.stringify(profile)}`}. Nothing was changed. Set ` +
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with `aws sso login`, or run where a role is attached. Then " +
      "run again.",
  );
}

/** The SDK throws a SyntaxError where the answer is not JSON: a proxy, a firewall or another service answered. */
function notFromAws(status: number | undefined, doing: string, location: string): RotationError {
  const seen = `${doing} got an answer that is not JSON${status === undefined ? "" : `, with status ${status}`}`;
  if (status === 401 || status === 403)
    return new ConfigurationError(
      `AWS Secrets Manager did not allow ${doing}: the answer has status ${status} and is not JSON. ${AS_BEFORE} Look ` +
        `at the credentials and permissions, and at \`endpoint\` and proxies on the way (${location}). Then run again.`,
    );
  return new UnreachableError(
    `${seen}. Whether it was done is not known. Look at \`endpoint\` and at proxies on the way, then run again.`,
  );
}

function factsOf(error: unknown): { name: string; status: number | undefined; mentionsKms: boolean } {
  const { name, $metadata, $response } = (error ?? {}) as {
    name?: unknown;
    $metadata?: { httpStatusCode?: unknown };
    $response?: { statusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return {
    name: typeof name === "string" && /^[A-Za-z]{1,80}$/.test(name) ? name : "an unnamed error",
    status: typeof status === "number" ? status : undefined,
    mentionsKms: /kms/i.test(messageOf(error)),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** The SDK wraps what the socket threw, in some versions. */
function networkCause(error: unknown): unknown {
  if (errorCode(error) !== "") return error;
  const cause = (error as { cause?: unknown } | null)?.cause;
  return cause === undefined ? error : networkCause(cause);
}
