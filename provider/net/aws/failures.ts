/**
 * Turns what the SDK throws into errors that tell what happened and what to do. Its messages may quote what was sent, so
 * that only names of errors, actions and secrets get into ours.
 */
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../../lifecycle/errors";
import { describeDuration } from "../../lifecycle/duration";
import { describeNetworkError, errorCode } from "../networkErrors";
import type { AwsConnection } from "./options";

/** One call. */
export interface AwsAttempt {
  /** The method of the SDK: `getSecretValue`. */
  readonly operation: string;
  /** What it is about: a name, or an ARN. */
  readonly subject: string;
}

/** What is known of an error without its message, which may quote what was sent. */
export interface AwsFacts {
  readonly name: string;
  readonly status: number | undefined;
  readonly mentionsKms: boolean;
  /** The action that was refused, where the message names it; it may be another one than that of the call. */
  readonly deniedAction: string | undefined;
}

/** The words of one adapter for its service. */
export interface AwsUse {
  /** As messages call it: `AWS Secrets Manager`. */
  readonly service: string;
  /** Who uses it, without article: `store aws:eu-west-1/orders`. */
  readonly user: string;
  /** What a message that has already named the user shows beside the endpoint: `aws:eu-west-1/orders`. */
  readonly place: string;
  /** What is used, in one word: `secret`. */
  readonly resource: string;
  /** What is so after a call that AWS did not carry out: `What was stored before is unchanged.` */
  readonly asBefore: string;
  /** The action of IAM: `secretsmanager:GetSecretValue`. */
  action(attempt: AwsAttempt): string;
  /** What a call is about: `the secret orders of the store aws:eu-west-1/orders`. */
  subject(attempt: AwsAttempt): string;
  /** What IAM has to allow for it: `secretsmanager:GetSecretValue on arn:...`. */
  permission(attempt: AwsAttempt, facts: AwsFacts): string;
  /** What this service's own errors mean; `undefined` for those that mean the same everywhere. */
  refusal(attempt: AwsAttempt, facts: AwsFacts, doing: string): RotationError | undefined;
}

/** Wraps what a provider of credentials threw. */
export class CredentialFailure extends Error {
  constructor(readonly inner: unknown) {
    super("no credentials");
  }
}

/** AWS turned a call away because there are too many. It was not carried out. */
export class AwsThrottled extends UnreachableError {}

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

export function translate(error: unknown, attempt: AwsAttempt, use: AwsUse, connection: AwsConnection): unknown {
  if (error instanceof RotationError) return error;
  if (error instanceof CredentialFailure) return credentialsMissing(error.inner, use, connection);
  const facts = factsOf(error);
  const { name, status } = facts;
  const doing = `${use.action(attempt)} on ${use.subject(attempt)}`;
  const own = use.refusal(attempt, facts, doing);
  if (own !== undefined) return own;
  if (/^AccessDenied/.test(name)) return denied(doing, use.permission(attempt, facts), use);
  if (name === "CredentialsProviderError" || name === "TokenProviderError")
    return credentialsMissing(error, use, connection);
  if (/region is missing/i.test(messageOf(error))) return regionMissing(use);
  if (EXPIRED.has(name))
    return new ConfigurationError(
      `AWS does not accept ${doing}: the credentials have expired (${name}). ${use.asBefore} Log in again, for example ` +
        "with `aws sso login`, then run again.",
    );
  if (NOT_ACCEPTED.has(name))
    return new ConfigurationError(
      `AWS does not accept ${doing}: it does not know the credentials, or their signature is wrong (${name}). ` +
        `${use.asBefore} Look at \`aws sts get-caller-identity\` and at the clock of this machine, then run again.`,
    );
  if (THROTTLED.has(name) || status === 429)
    return new AwsThrottled(
      `AWS turned ${doing} away again and again: too many calls are made in this account and region (${name}). ` +
        `${use.asBefore} Run again later, or raise \`maxAttempts\` and \`timeout\`.`,
    );
  if (name === "SyntaxError") return notFromAws(status, doing, use);
  if (status !== undefined && status >= 500)
    return new UnreachableError(
      `AWS could not do ${doing}: it answered with status ${status} (${name}). Whether it was done is not known. Run again.`,
    );
  if (status === undefined)
    return new UnreachableError(
      `${use.service} could not be reached for ${doing}: ${describeNetworkError(networkCause(error))}. Whether it ` +
        "was done is not known. Look at the network, the region and the endpoint, then run again.",
    );
  return new StateError(
    `AWS refused ${doing} with status ${status} (${name}). ${use.asBefore} Look up this error in the documentation of ` +
      `${use.service}, remove its cause, and run again.`,
  );
}

export function timedOut(doing: string, use: AwsUse, timeoutMs: number): UnreachableError {
  return new UnreachableError(
    `${use.service} did not answer within ${describeDuration(timeoutMs)}, repetitions included (${use.user}, ` +
      `${doing}). Whether it was done is not known. Look at the network and the endpoint, or raise \`timeout\`, then run again.`,
  );
}

export function regionMissing({ user }: AwsUse): ConfigurationError {
  return new ConfigurationError(
    `The ${user} has no region: neither its option \`region\`, nor AWS_REGION, nor the profile names one. ` +
      "Nothing was changed. Set `region`.",
  );
}

/** The action of IAM, where it is called as the method is. */
export function actionNamed(service: string, operation: string): string {
  return `${service}:${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
}

function denied(doing: string, missing: string, use: AwsUse): ConfigurationError {
  return new ConfigurationError(
    `AWS does not allow ${doing}. ${use.asBefore} Allow ${missing}, in the policy of who runs this; a policy of the ` +
      `organization, of the endpoint or of the ${use.resource} itself may forbid it too. Then run again.`,
  );
}

function credentialsMissing(error: unknown, { user }: AwsUse, { profile, assumeRole }: AwsConnection): RotationError {
  const { name, status } = factsOf(error);
  const unreachable =
    status === undefined ? errorCode(networkCause(error)) !== "" || name === "TimeoutError" : status >= 500;
  if (unreachable)
    return new UnreachableError(
      `The credentials for the ${user} could not be got: ` +
        `${status === undefined ? describeNetworkError(networkCause(error)) : `status ${status}`}. Nothing was ` +
        "changed. Look at the network, then run again.",
    );
  if (assumeRole !== undefined && status !== undefined)
    return new ConfigurationError(
      `The role ${assumeRole.roleArn} of the ${user} could not be assumed (${name}). Nothing was changed. ` +
        "Allow sts:AssumeRole on it, and see that its trust policy names who runs this" +
        `${assumeRole.externalId === undefined ? "; if it asks for an external id, set `externalId`" : " and this `externalId`"}. ` +
        "Then run again.",
    );
  return new ConfigurationError(
    `There are no AWS credentials for the ${user} (${name})` +
      `${profile === undefined ? "" : `; profile ${JSON.stringify(profile)}`}. Nothing was changed. Set ` +
      "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with `aws sso login`, or run where a role is attached. Then " +
      "run again.",
  );
}

/** The SDK throws a SyntaxError where the answer is not JSON: a proxy, a firewall or another service answered. */
function notFromAws(status: number | undefined, doing: string, use: AwsUse): RotationError {
  const seen = `${doing} got an answer that is not JSON${status === undefined ? "" : `, with status ${status}`}`;
  if (status === 401 || status === 403)
    return new ConfigurationError(
      `${use.service} did not allow ${doing}: the answer has status ${status} and is not JSON. ${use.asBefore} Look ` +
        `at the credentials and permissions, and at \`endpoint\` and proxies on the way (${use.place}). Then run again.`,
    );
  return new UnreachableError(
    `${seen}. Whether it was done is not known. Look at \`endpoint\` and at proxies on the way, then run again.`,
  );
}

function factsOf(error: unknown): AwsFacts {
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
    deniedAction: /not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z]{1,80})/.exec(messageOf(error))?.[1],
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
