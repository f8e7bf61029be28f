/** Which variables of a function name a version: what the user wrote, or the default, filled in. Pure. */
import type { RollTarget } from "../../contracts/consumer";
import type { StoredVersion } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { versionIdOf } from "../../net/aws/versionId";

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

export function isTemplate(template: string): boolean {
  return [...template.matchAll(PLACEHOLDER)].every(([, name = ""]) => Object.hasOwn(FILLED, name));
}

/** Whether the variables differ from version to version. */
export function tellsVersions(templates: Templates): boolean {
  return Object.values(templates).some((template) =>
    [...template.matchAll(PLACEHOLDER)].some(([, name = ""]) => !IN_EVERY_VERSION.has(name)),
  );
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
