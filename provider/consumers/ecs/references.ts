/**
 * How a task definition names secrets and their versions. Pure.
 *
 * `valueFrom` is `arn:aws:secretsmanager:region:account:secret:name:json-key:version-stage:version-id`, of which the last
 * three may be empty or absent; nothing means AWSCURRENT.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
 */
import type * as Sdk from "@aws-sdk/client-ecs";
import type { RollTarget } from "../../contracts/consumer";
import { ConfigurationError } from "../../lifecycle/errors";
import { versionIdOf } from "../../net/aws/versionId";
import type { EcsConsumerOptions } from "./options";

export type Definition = Sdk.TaskDefinition;
type Container = Sdk.ContainerDefinition;

/** A secret of the target, and how the task definition names it. */
export interface Wanted {
  /** Its name in the rollout. */
  readonly secret: string;
  readonly versionId: string;
  readonly arn: string | undefined;
  readonly variable: string | undefined;
}

const REFERENCE = /^(arn:aws[\w-]*:secretsmanager:[^:]+:[^:]+:secret:[^:]+)(?::([^:]*):([^:]*):([^:]*))?$/;
/** What AWS adds to a secret's name to make its ARN. */
const RANDOM_END = /-[A-Za-z0-9]{6}$/;
const CURRENT = "AWSCURRENT";

/** Those secrets of the target that the options say something of. */
export function wantedOf({ secrets = {} }: EcsConsumerOptions, target: RollTarget): Wanted[] {
  return target.secrets.flatMap(({ secret, ref }) => {
    const named = Object.hasOwn(secrets, secret) ? secrets[secret] : undefined;
    if (named === undefined) return [];
    const { arn, variable } = typeof named === "string" ? { arn: named, variable: undefined } : named;
    return [{ secret, versionId: versionIdOf(ref), arn, variable }];
  });
}

/** Whether it names a version of one of them, so that its tasks do not read what is current. */
export function namesVersion(definition: Definition, wanted: readonly Wanted[]): boolean {
  return wanted.some((one) => referencesTo(definition, one).some(({ version }) => version !== undefined));
}

/** Those that no container names. */
export function unnamed(definition: Definition, wanted: readonly Wanted[], container?: string): Wanted[] {
  return wanted.filter((one) => {
    const found = referencesTo(definition, one);
    return !found.some((reference) => container === undefined || reference.container === container);
  });
}

interface Found {
  readonly container: string;
  /** `undefined`: what is current. */
  readonly version: string | undefined;
}

function referencesTo({ containerDefinitions = [] }: Definition, wanted: Wanted): Found[] {
  return containerDefinitions.flatMap((one) => {
    const container = one.name ?? "";
    const values = [...(one.secrets ?? []), ...(one.logConfiguration?.secretOptions ?? [])];
    const byArn = values.flatMap(({ valueFrom = "" }) => {
      const parts = partsOf(valueFrom, wanted);
      return parts ? [{ container, version: parts.versionId ?? parts.stage }] : [];
    });
    const byVariable = (one.environment ?? [])
      .filter(({ name }) => name !== undefined && name === wanted.variable)
      .map(({ value }) => ({ container, version: value ?? "" }));
    return [...byArn, ...byVariable];
  });
}

/** The same task definition, with the versions of the target in place of what it names. */
export function withVersions(definition: Definition, wanted: readonly Wanted[], container?: string): Definition {
  const containerDefinitions = (definition.containerDefinitions ?? []).map((one) =>
    wanted.reduce((changed, secret) => containerWith(changed, secret, container), one),
  );
  return { ...definition, containerDefinitions };
}

function containerWith(definition: Container, wanted: Wanted, chosen: string | undefined): Container {
  const replace = <T extends { valueFrom: string | undefined }>(value: T): T => {
    const parts = partsOf(value.valueFrom ?? "", wanted);
    return parts ? { ...value, valueFrom: `${parts.arn}:${parts.key}::${wanted.versionId}` } : value;
  };
  const { secrets, environment, logConfiguration } = definition;
  return {
    ...definition,
    ...(secrets ? { secrets: secrets.map(replace) } : {}),
    ...(logConfiguration?.secretOptions
      ? { logConfiguration: { ...logConfiguration, secretOptions: logConfiguration.secretOptions.map(replace) } }
      : {}),
    ...environmentWith(definition.name, environment, wanted, chosen),
  };
}

/** The variable is set where it is, and in the container that the options name. */
function environmentWith(
  name: string | undefined,
  environment: Container["environment"],
  { variable, versionId }: Wanted,
  chosen: string | undefined,
): Pick<Container, "environment"> {
  if (variable === undefined) return {};
  const isThere = environment?.some((one) => one.name === variable) ?? false;
  if (!isThere && (chosen === undefined || name !== chosen)) return {};
  const set = { name: variable, value: versionId };
  return {
    environment: isThere
      ? (environment ?? []).map((one) => (one.name === variable ? set : one))
      : [...(environment ?? []), set],
  };
}

function partsOf(valueFrom: string, { arn }: Wanted) {
  const match = REFERENCE.exec(valueFrom);
  const named = match?.[1];
  if (arn === undefined || named === undefined || !isSameSecret(arn, named)) return undefined;
  const [, , key = "", stage = "", versionId = ""] = match ?? [];
  return {
    arn: named,
    key,
    stage: stage === "" || stage === CURRENT ? undefined : stage,
    versionId: versionId || undefined,
  };
}

/** Also where one of the two is without the random end that AWS gives an ARN. */
function isSameSecret(a: string, b: string): boolean {
  return a === b || a.replace(RANDOM_END, "") === b || a === b.replace(RANDOM_END, "");
}

/** @throws ConfigurationError when the options and the task definition do not fit. */
export function assertNamed(
  { name, container, secrets = {} }: EcsConsumerOptions,
  definition: Definition,
  target: RollTarget,
  wanted: readonly Wanted[],
  revises: boolean,
): void {
  const { taskDefinitionArn = "", containerDefinitions = [] } = definition;
  const refuse = (what: string) => {
    throw new ConfigurationError(`Consumer "${name}": ${what} Nothing was changed.`);
  };
  if (container !== undefined && !containerDefinitions.some((one) => one.name === container)) {
    const names = containerDefinitions.map((one) => `"${one.name}"`).join(", ");
    refuse(`the task definition ${taskDefinitionArn} has no container "${container}"; its containers are ${names}.`);
  }
  const [missing] = target.secrets.filter(({ secret }) => !Object.hasOwn(secrets, secret));
  if (revises && missing)
    refuse(
      `it is to name the version in the task definition, and \`secrets\` does not say how that names ` +
        `"${missing.secret}". Add it: its ARN, or the variable with its version id.`,
    );
  // Where the variable is still to be set, it need not be there.
  const toFind = wanted.filter(
    ({ arn, variable }) => !(revises && variable !== undefined && arn === undefined && container),
  );
  const [absent] = unnamed(definition, toFind, container);
  if (absent)
    refuse(
      `${container === undefined ? "no container" : `the container "${container}"`} of the task definition ` +
        `${taskDefinitionArn} names "${absent.secret}" (${absent.arn ?? `the variable ${absent.variable}`}) in its ` +
        `\`secrets\`, its log's \`secretOptions\` or its \`environment\`. Correct \`secrets\` of the consumer, or the ` +
        `task definition${absent.variable === undefined ? "" : ", or say with `container` where the variable is to be set"}.`,
    );
}
