/** What a user writes so that an AWS Lambda function is moved to a version. */
import { z } from "zod";
import { awsCallOptions, awsPlaceOptions, matching } from "../../net/aws/options";
import { describeValue, duration, flag, strictOptions, text, wholeNumber } from "../../net/options";
import { isTemplate, PLACEHOLDERS, tellsVersions } from "./templates";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const DEFAULT_READERS_CACHE = "5m";
export const DEFAULT_READY_TIMEOUT = "10m";
export const DEFAULT_INTERVAL = "1s";
export const DEFAULT_STEP_INTERVAL = "1m";
export const DEFAULT_PROPAGATION = "10s";
export const DEFAULT_ADOPTION_TIMEOUT = "60s";
export const DEFAULT_PROBE_TIMEOUT = "30s";
export const DEFAULT_PROBE_ATTEMPTS = 3;

/** https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html */
const VARIABLE = /^[A-Za-z][A-Za-z0-9_]+$/;
/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
const RESERVED =
  /^(AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|LAMBDA_\w+|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN)|LAMBDA_(TASK_ROOT|RUNTIME_DIR))$/;

const placeholders = PLACEHOLDERS.map((name) => `{${name}}`).join(", ");

const variable = z.string().refine((name) => VARIABLE.test(name) && !RESERVED.test(name), {
  error: (issue) =>
    "a variable of environment must be named by a letter and then letters, digits and _, two characters at least, and " +
    `not as one that Lambda sets itself; it is ${describeValue(issue.input)}`,
});

const templateError = (issue: { input?: unknown }) =>
  `a template of environment must be a text of up to 500 characters, with the placeholders ${placeholders}; it is ` +
  describeValue(issue.input);
const template = z.string({ error: templateError }).max(500, { error: templateError }).refine(isTemplate, {
  error: templateError,
});

const variables = z.record(variable, template).refine(tellsVersions, {
  error:
    "environment must have, of each secret, at least one template with {version}, {versionId}, {token} or " +
    "{fingerprint}: otherwise no version of the function could be told from another",
});

const environment = z.union([variables, z.record(text("the name of a secret in environment", 200), variables)], {
  error: (issue) => {
    const inner = (issue as { errors?: { message: string }[][] }).errors?.flat().map(({ message }) => message) ?? [];
    const own = inner.find((message) => /environment/.test(message));
    return (
      own ??
      'environment must name variables and their templates, such as { DB_VERSION_ID: "{versionId}" }, or, by secret, ' +
        `such objects; it is ${describeValue(issue.input)}`
    );
  },
});

const weight = wholeNumber("a step of weights, a percentage,", 1, 99);
const ascending = (steps: readonly number[]) =>
  steps.every((step, index) => index === 0 || step > (steps[index - 1] ?? 0));

const probe = strictOptions("probe", {
  /** What the function is given, as JSON. It is for the function to tell it from real work. */
  payload: z.json({ error: "payload of probe must be JSON" }),
  /**
   * Whether its answer says which version it logged in with: as it is, or under the key `adoption`, in the form that an
   * adoption check asks for. Default: false.
   */
  adoption: flag("adoption of probe").optional(),
  /** How often it is invoked at most, where it does not answer well. Default: 3. */
  attempts: wholeNumber("attempts of probe", 1, 20).optional(),
  /** The longest that one invocation may take, the cold start included. Default: "30s". */
  timeout: duration("timeout of probe", 100, 15 * 60_000).optional(),
});

export const lambdaConsumerOptions = strictOptions("a lambda consumer", {
  type: z.literal("lambda", { error: 'the type of a lambda consumer must be "lambda"' }),
  name: text("name", 200),
  /** Consumers of a lower wave are rolled and checked first. Default: 0. */
  wave: wholeNumber("wave", 0, 1000).optional(),
  /** The function's name or ARN, without a version or an alias. */
  functionName: matching(
    "functionName",
    /^(arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:)?[A-Za-z0-9_-]{1,64}$/,
    'the name of a function such as "orders", or its ARN, without a version or an alias',
  ),
  /** The alias that callers invoke. It has to name a published version. */
  alias: matching(
    "alias",
    /^(?!\d+$)[A-Za-z0-9_-]{1,128}$/,
    'the name of an alias such as "live": letters, digits, - and _, not digits alone',
  ),
  ...awsPlaceOptions,
  ...awsCallOptions,
  /**
   * Variables of the function that name the version, or, by the name of the secret, such variables.
   * Default: `<SECRET>_VERSION_ID: "{versionId}"` and `<SECRET>_FINGERPRINT: "{fingerprint}"`.
   */
  environment: environment.optional(),
  /** The percentages of the requests that meet the new version first, ascending, before all do. Default: none. */
  weights: z
    .array(weight, { error: "weights must be a list of percentages such as [10, 50]" })
    .min(1, { error: "weights must have at least one step; leave it out for none" })
    .max(20, { error: "weights may have 20 steps" })
    .refine(ascending, { error: "weights must rise from step to step" })
    .optional(),
  /** How long each step of `weights` lasts. Default: "1m". */
  stepInterval: duration("stepInterval", 10, DAY).optional(),
  /** Invokes the new version by its number before the alias names it, and through the alias after. Default: not. */
  probe: probe.optional(),
  /** How long the function may go on with a credential that it has read before. Default: "5m". */
  readersCache: duration("readersCache", 0, 30 * DAY).optional(),
  /** How long Lambda may take for one of its states: an update, a version, provisioned concurrency. Default: "10m". */
  readyTimeout: duration("readyTimeout", 100, HOUR).optional(),
  /** How long it may take until the probe through the alias answers well. Default: "60s". */
  adoptionTimeout: duration("adoptionTimeout", 100, HOUR).optional(),
  /** The time between two questions of a wait. Default: "1s". */
  interval: duration("interval", 10, HOUR).optional(),
  /** How long is waited after the alias was moved, until requests meet what it names now. Default: "10s". */
  propagation: duration("propagation", 0, HOUR).optional(),
  /**
   * What is done where $LATEST differs from what the alias names, in more than the variables: to publish it would
   * release what nobody has released. Default: "refuse".
   */
  unreleased: z
    .enum(["refuse", "publish"], {
      error: (issue) => `unreleased must be "refuse" or "publish"; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** How many published versions of its own it keeps, beside those that an alias names. Default: all. */
  keepVersions: wholeNumber("keepVersions", 1, 1000).optional(),
}).refine(({ weights, stepInterval }) => weights !== undefined || stepInterval === undefined, {
  path: ["stepInterval"],
  error: "stepInterval has no effect without weights",
});

export type LambdaConsumerOptions = z.infer<typeof lambdaConsumerOptions>;
export type LambdaProbe = NonNullable<LambdaConsumerOptions["probe"]>;
