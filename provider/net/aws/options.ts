/** What a user writes so that a service of AWS is found, and called as somebody: the same for every adapter. */
import { z } from "zod";
import { describeValue, duration, strictOptions, text, wholeNumber } from "../options";

export const DEFAULT_TIMEOUT = "10s";
export const DEFAULT_MAX_ATTEMPTS = 5;
export const DEFAULT_SESSION_NAME = "rotation";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

export const awsRegion = matching("region", /^[a-z]{2,}(-[a-z]+)+-\d+$/, 'an AWS region such as "eu-west-1"');

/** A role that is assumed with the credentials found otherwise. */
export const awsAssumeRole = strictOptions("assumeRole", {
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
});

/** Where the service is. */
export const awsPlaceOptions = {
  /** The region of what is used. @default what the SDK finds: AWS_REGION, then the profile's region */
  region: awsRegion.optional(),
  /** Another address of the service, such as a VPC endpoint's. @default the region's own */
  endpoint: awsEndpoint("endpoint").optional(),
  /** A profile of the shared AWS configuration files. @default AWS_PROFILE, then the SDK's chain of credentials */
  profile: text("profile", 256).optional(),
  /** A role that is assumed with the credentials found otherwise. Absent: they are used themselves. */
  assumeRole: awsAssumeRole.optional(),
};

/** How long and how often it is asked. */
export const awsCallOptions = {
  /** The longest time that one call may take, the SDK's repetitions included. @default "10s" */
  timeout: duration("timeout", 100, 600_000).optional(),
  /** How often the SDK makes a call at most that was throttled or met an error of the server. @default 5 */
  maxAttempts: wholeNumber("maxAttempts", 1, 20).optional(),
};

export interface AwsConnection {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
  readonly assumeRole?: z.infer<typeof awsAssumeRole> | undefined;
  readonly timeout?: string | undefined;
  readonly maxAttempts?: number | undefined;
}

/** Whether the address is one of AWS itself, so that it makes no other place of it. */
export function isOfAws(endpoint: string): boolean {
  return /\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws)$/.test(new URL(endpoint).hostname);
}

/** A text of one form. */
export function matching(what: string, pattern: RegExp, wanted: string) {
  const error = (issue: { input?: unknown }) => `${what} must be ${wanted}; it is ${describeValue(issue.input)}`;
  return z.string({ error }).regex(pattern, { error });
}

/** The address of one service. */
export function awsEndpoint(what: string) {
  const error = (issue: { input?: unknown }) =>
    `${what} must be a URL that begins with https://, or with http:// for a server on this machine, and holds no ` +
    `user name, path or query; it is ${describeValue(issue.input)}`;
  return z.string({ error }).refine(isEndpoint, { error });
}

function isEndpoint(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  const safe = url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname));
  return safe && url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" && !url.hash;
}
