import type { Descriptor, DurationText } from "./options";
import type { AwsConnection } from "./stores";

/** Variable to a text with the placeholders `{secret}`, `{version}`, `{versionId}`, `{token}` and `{fingerprint}`. */
export type LambdaVariables = Readonly<Record<string, string>>;

export interface LambdaConsumerOptions extends AwsConnection {
  readonly name: string;
  /** Lower waves go first. @default 0 */
  readonly wave?: number;
  /** The function's name or ARN, without a version or an alias. */
  readonly functionName: string;
  /** The alias that callers invoke. It has to name a published version. */
  readonly alias: string;
  /**
   * Variables of the function that name the version, never its value; or, by the name of the secret, such variables.
   * @default `<SECRET>_VERSION_ID: "{versionId}"` and `<SECRET>_FINGERPRINT: "{fingerprint}"`
   */
  readonly environment?: LambdaVariables | Readonly<Record<string, LambdaVariables>>;
  /** The percentages of the requests that meet the new version first, ascending: `[10, 50]`. @default none: all at once */
  readonly weights?: readonly number[];
  /** How long each step of `weights` lasts. @default "1m" */
  readonly stepInterval?: DurationText;
  /** Invokes the new version by its number before the alias names it, and through the alias after. @default not */
  readonly probe?: {
    /** What the function is given, as JSON. It is for the function to tell it from real work. */
    readonly payload: unknown;
    /** Whether its answer says which version it logged in with, as it is or under `adoption`. @default false */
    readonly adoption?: boolean;
    /** How often it is invoked at most, where it does not answer well. @default 3 */
    readonly attempts?: number;
    /** The longest that one invocation may take, the cold start included. @default "30s" */
    readonly timeout?: DurationText;
  };
  /**
   * How long the function may go on with a credential that it has read before, such as in the cache of an extension; no
   * longer than the secret's grace. @default "5m"
   */
  readonly readersCache?: DurationText;
  /** How long Lambda may take for an update, a version, or provisioned concurrency. @default "10m" */
  readonly readyTimeout?: DurationText;
  /** How long it may take until the probe through the alias answers well. @default "60s" */
  readonly adoptionTimeout?: DurationText;
  /** The time between two questions of a wait. @default "1s" */
  readonly interval?: DurationText;
  /** How long is waited after the alias was moved, until requests meet what it names now. @default "10s" */
  readonly propagation?: DurationText;
  /** Whether what differs in $LATEST from what the alias names is released along. @default "refuse" */
  readonly unreleased?: "refuse" | "publish";
  /** How many published versions of its own it keeps, beside those that an alias names. @default all */
  readonly keepVersions?: number;
}

/** A function of AWS Lambda behind an alias: a version of it for each version of the secret. */
export function lambda(options: LambdaConsumerOptions): Descriptor {
  return { type: "lambda", ...options };
}
