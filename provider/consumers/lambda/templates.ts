/** Which variables of a function name a version: what the user wrote, or the default, filled in. Pure. */
import type { RollTarget } from "../../contracts/consumer";
import type { StoredVersion } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { versionIdOf } from "../../net/aws/versionId";
import { describeValue } from "../../net/options";

/** Variables and their values. Never a secret value: all is taken from the references. */
export type Reference = Readonly<Record<string, string>>;
type Templates = Readonly<Record<string, string>>;
export type EnvironmentOption = Templates | Readonly<Record<string, Templates>> | undefined;

export const PLACEHOLDERS = ["secret", "version", "versionId", "token", "fingerprint"] as const;

const FILLED: Readonly<Record<(typeof PLACEHOLDERS)[number], (version: StoredVersion) => string>> = {
  secret: ({ secret }) => secret,
  version: ({ ref }) => String(ref.version),
  /** By which AWS Secrets Manager knows it, in the store awsSecretsManager. */
  versionId: ({ ref }) => versionIdOf(ref),
  token: ({ ref }) => ref.token,
  fingerprint: ({ fingerprint }) => fingerprint,
};

const PLACEHOLDER = /\{([^{}]*)\}/g;
const IN_EVERY_VERSION = new Set(["secret"]);
const LONGEST = 500;
/** https://docs.aws.amazon.com/lambda/latest/api/API_Environment.html */
const VARIABLE = /^[A-Za-z][A-Za-z0-9_]+$/;
/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
const RESERVED =
  /^(AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|LAMBDA_\w+|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN)|LAMBDA_(TASK_ROOT|RUNTIME_DIR))$/;

/** What is wrong with the option as it was written; `undefined`: nothing. */
export function complaintAbout(environment: unknown): string | undefined {
  const groups = groupsOf(environment);
  if (groups === undefined)
    return (
      'environment must name variables and their templates, such as { DB_VERSION_ID: "{versionId}" }, or, by the names ' +
      `of secrets, such objects; it is ${describeValue(environment)}`
    );
  return groups.map(complaintAboutGroup).find((complaint) => complaint !== undefined);
}

/** The variables of each secret; `undefined` where it has neither form. */
function groupsOf(environment: unknown): readonly Readonly<Record<string, unknown>>[] | undefined {
  if (!isRecord(environment)) return undefined;
  const values = Object.values(environment);
  if (values.length > 0 && values.every(isRecord)) return values;
  return values.length > 0 && !values.some(isRecord) ? [environment] : undefined;
}

function complaintAboutGroup(group: Readonly<Record<string, unknown>>): string | undefined {
  for (const [variable, template] of Object.entries(group)) {
    if (!VARIABLE.test(variable) || RESERVED.test(variable))
      return (
        "a variable of environment must be named by a letter and then letters, digits and _, two characters at least, " +
        `and not as one that Lambda sets itself; it is ${describeValue(variable)}`
      );
    if (typeof template !== "string" || template.length > LONGEST || !placeholdersOf(template).every(isPlaceholder))
      return (
        `a template of environment must be a text of up to ${LONGEST} characters with the placeholders ` +
        `${PLACEHOLDERS.map((name) => `{${name}}`).join(", ")}; it is ${describeValue(template)}`
      );
  }
  if (Object.values(group).some((template) => placeholdersOf(String(template)).some(tellsVersions))) return undefined;
  return (
    "environment must have, of each secret, at least one template with {version}, {versionId}, {token} or " +
    "{fingerprint}: otherwise no version of the function could be told from another"
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isPlaceholder = (name: string) => Object.hasOwn(FILLED, name);
const tellsVersions = (name: string) => !IN_EVERY_VERSION.has(name);

function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = ""]) => name);
}

/** @throws ConfigurationError where the option does not fit the secrets of the rollout. */
export function referenceTo(target: RollTarget, environment: EnvironmentOption, consumer: string): Reference {
  const found: Record<string, string> = {};
  const wrong = (what: string) =>
    new ConfigurationError(
      `Consumer "${consumer}": ${what} Nothing was changed. Correct \`environment\`, then run again.`,
    );
  const bySecret = templatesBySecret(target, environment, wrong);
  for (const version of target.secrets) {
    for (const [variable, template] of Object.entries(bySecret[version.secret] ?? {})) {
      const value = fill(template, version);
      if (found[variable] !== undefined && found[variable] !== value)
        throw wrong(`the variable ${variable} is to name two secrets, of which one is "${version.secret}".`);
      found[variable] = value;
    }
  }
  if (Object.keys(found).length === 0) throw wrong("its rollout names no secret.");
  return found;
}

function templatesBySecret(
  target: RollTarget,
  environment: EnvironmentOption,
  wrong: (what: string) => Error,
): Readonly<Record<string, Templates>> {
  const names = target.secrets.map(({ secret }) => secret);
  if (environment === undefined) return Object.fromEntries(names.map((name) => [name, byDefault(name)]));
  if (isFlat(environment)) {
    if (names.length > 1)
      throw wrong(
        `\`environment\` names variables, and the rollout has ${names.length} secrets. Give the variables of each under ` +
          `its name: ${names.map((name) => JSON.stringify(name)).join(", ")}.`,
      );
    return Object.fromEntries(names.map((name) => [name, environment]));
  }
  const missing = names.filter((name) => !Object.hasOwn(environment, name));
  if (missing.length > 0)
    throw wrong(`\`environment\` has no variables for ${missing.map((name) => JSON.stringify(name)).join(", ")}.`);
  const unknown = Object.keys(environment).filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw wrong(
      `\`environment\` has variables for ${unknown.map((name) => JSON.stringify(name)).join(", ")}, which the rollout ` +
        `does not have; it has ${names.map((name) => JSON.stringify(name)).join(", ")}.`,
    );
  return environment;
}

function isFlat(environment: NonNullable<EnvironmentOption>): environment is Templates {
  return Object.values(environment).every((value) => typeof value === "string");
}

/** `orders-db` is `ORDERS_DB_VERSION_ID` and `ORDERS_DB_FINGERPRINT`. */
function byDefault(secret: string): Templates {
  const plain = secret
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  const prefix = /^[A-Z]/.test(plain) ? plain : `SECRET_${plain}`;
  return { [`${prefix}_VERSION_ID`]: "{versionId}", [`${prefix}_FINGERPRINT`]: "{fingerprint}" };
}

function fill(template: string, version: StoredVersion): string {
  return template.replace(PLACEHOLDER, (_, name: keyof typeof FILLED) => FILLED[name](version));
}
