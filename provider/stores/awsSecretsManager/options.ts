/** What the user writes to keep a secret in AWS Secrets Manager. */
import { z } from "zod";
import { payloadFormat } from "../../lifecycle/payload";
import { describeValue, duration, strictOptions, text, wholeNumber } from "../../net/options";

export const DEFAULT_TIMEOUT = "10s";
export const DEFAULT_MAX_ATTEMPTS = 5;
export const DEFAULT_RECOVERY_WINDOW_DAYS = 30;
export const DEFAULT_SESSION_NAME = "rotation";

export const COMPANION_SUFFIX = "-rotation";
/** Secrets Manager's limit: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html */
const MAX_NAME_LENGTH = 512;
const MAX_OUR_NAME_LENGTH = MAX_NAME_LENGTH - COMPANION_SUFFIX.length;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

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
  /** The region of the secret. @default what the SDK finds: AWS_REGION, then the profile's region */
  region: matching("region", /^[a-z]{2,}(-[a-z]+)+-\d+$/, 'an AWS region such as "eu-west-1"').optional(),
  /** Another address of Secrets Manager, such as a VPC endpoint's. @default the region's own */
  endpoint: endpoint().optional(),
  /** A profile of the shared AWS configuration files. @default AWS_PROFILE, then the SDK's chain of credentials */
  profile: text("profile", 256).optional(),
  /** A role that is assumed with the credentials found otherwise. Absent: they are used themselves. */
  assumeRole: strictOptions("assumeRole", {
    roleArn: matching(
      "assumeRole.roleArn",
      /^arn:aws[a-z-]*:iam::\d{12}:role\/\S{1,512}$/,
      'the ARN of a role such as "arn:aws:iam::123456789012:role/rotation"',
    ),
    /** What the role's trust policy asks for in `sts:ExternalId`. */
    externalId: matching(
      "assumeRole.externalId",
      /^[\w+=,.@:/-]{2,1224}$/,
      "2 to 1224 letters, digits and characters of _+=,.@:/-",
    ).optional(),
    /** Shown by CloudTrail. @default "rotation" */
    sessionName: matching(
      "assumeRole.sessionName",
      /^[\w+=,.@-]{2,64}$/,
      "2 to 64 letters, digits and characters of _+=,.@-",
    ).optional(),
  }).optional(),
  /** What readers get. A change is seen from the next version on: AWS never changes a version. @default "fields" */
  format: payloadFormat.optional(),
  /** The KMS key of secrets that this adapter makes. @default the account's `aws/secretsmanager` */
  kmsKeyId: text("kmsKeyId, the ARN, id or alias of a KMS key,", 2048).optional(),
  /**
   * For how many days a secret that this adapter made can be restored after a teardown.
   * AWS's limits: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html @default 30
   */
  recoveryWindowDays: wholeNumber("recoveryWindowDays", 7, 30).optional(),
  /** The longest time that one call may take, the SDK's repetitions included. @default "10s" */
  timeout: duration("timeout", 100, 600_000).optional(),
  /** How often the SDK makes a call at most that was throttled or met an error of the server. @default 5 */
  maxAttempts: wholeNumber("maxAttempts", 1, 20).optional(),
});

export type AwsSecretsManagerOptions = z.infer<typeof awsSecretsManagerOptions>;

/**
 * Who and where the secret is, without asking anybody. Two accounts or profiles may have secrets of one name. An
 * endpoint of AWS itself makes no other secret; one of somebody else does.
 */
export function locationOf({ name, region, endpoint, profile, assumeRole }: AwsSecretsManagerOptions): string {
  const who = assumeRole?.roleArn.split(":")[4] ?? profile;
  const elsewhere = endpoint !== undefined && !isOfAws(new URL(endpoint).hostname);
  return (
    `aws:${who === undefined ? "" : `${who}@`}${region ?? "default"}/${name}` + (elsewhere ? ` at ${endpoint}` : "")
  );
}

function isOfAws(host: string): boolean {
  return /\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$/.test(host);
}

function matching(what: string, pattern: RegExp, wanted: string) {
  const error = (issue: { input?: unknown }) => `${what} must be ${wanted}; it is ${describeValue(issue.input)}`;
  return z.string({ error }).regex(pattern, { error });
}

function endpoint() {
  const error = (issue: { input?: unknown }) =>
    "endpoint must be a URL that begins with https://, or with http:// for a server on this machine, and holds no " +
    `user name, path or query; it is ${describeValue(issue.input)}`;
  return z.string({ error }).refine(isEndpoint, { error });
}

function isEndpoint(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  const safe = url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname));
  return safe && url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" && !url.hash;
}
