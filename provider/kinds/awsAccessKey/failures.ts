/** What errors of IAM and STS mean, and the words for it. */
import { type RotationError, StateError } from "../../lifecycle/errors";
import { actionNamed, type AwsAttempt, type AwsFacts, type AwsUse } from "../../net/aws/failures";

const REFUSALS = {
  NoSuchEntity: "absent",
  NoSuchEntityException: "absent",
  LimitExceeded: "limit",
  LimitExceededException: "limit",
  ConcurrentModification: "busy",
  ConcurrentModificationException: "busy",
  EntityTemporarilyUnmodifiable: "busy",
  EntityTemporarilyUnmodifiableException: "busy",
} as const;

/** What IAM would not do in the state in which the user is. What it means is for the caller to find out. */
export class Refused extends StateError {
  constructor(
    readonly why: (typeof REFUSALS)[keyof typeof REFUSALS],
    code: string,
    doing: string,
  ) {
    super(
      `AWS refused ${doing} (${code}). ` +
        (why === "busy"
          ? "Somebody else changes the user at this moment. Run again."
          : why === "limit"
            ? "The user has as many keys (2) or tags (50) as AWS allows. Look at it, remove what is not needed, and run again."
            : "The user or the key does not exist, or not any more. Look at it, and run again."),
    );
  }
}

export function iamUse(user: string): AwsUse {
  return {
    service: "AWS IAM",
    user: `kind awsAccessKey for the user ${user}`,
    place: `user ${user}`,
    resource: "user",
    asBefore: "Its keys are as they were.",
    action: ({ operation }) => actionNamed("iam", operation),
    subject: ({ subject }) => `the user ${subject}`,
    permission: ({ operation, subject }) => `${actionNamed("iam", operation)} on arn:aws:iam::ACCOUNT:user/${subject}`,
    refusal: (_attempt, { name }, doing) =>
      name in REFUSALS ? new Refused(REFUSALS[name as keyof typeof REFUSALS], name, doing) : undefined,
  };
}

/** A log-in that was answered with "no". */
export class LoginRefused extends StateError {
  constructor(readonly code: string) {
    super(`AWS refused a log-in (${code}).`);
  }
}

/** Unknown, deleted, inactive, or not everywhere yet. */
const UNKNOWN_KEY = "InvalidClientTokenId";
/** The secret does not belong to the key: no waiting changes that. */
const WRONG_SECRET = "SignatureDoesNotMatch";
const LOGIN_REFUSALS: ReadonlySet<string> = new Set([UNKNOWN_KEY, WRONG_SECRET, "AccessDenied"]);

export function isWrongSecret({ code }: LoginRefused): boolean {
  return code === WRONG_SECRET;
}

export function stsUse(user: string): AwsUse {
  return {
    ...iamUse(user),
    service: "AWS STS",
    action: ({ operation }: AwsAttempt) => actionNamed("sts", operation),
    permission: ({ operation }: AwsAttempt) => actionNamed("sts", operation),
    refusal: (_attempt: AwsAttempt, { name }: AwsFacts): RotationError | undefined =>
      LOGIN_REFUSALS.has(name) ? new LoginRefused(name) : undefined,
  };
}
