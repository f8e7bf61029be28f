/** What a version of a function is, as Lambda describes it, and which of them carries which reference. Pure. */
import { isDeepStrictEqual } from "node:util";
import type * as Sdk from "@aws-sdk/client-lambda";
import { ConfigurationError } from "../../lifecycle/errors";
import type { Reference } from "./templates";

export type Configuration = Sdk.FunctionConfiguration;

/**
 * What makes one version another, beside its variables. Not what AWS itself changes, such as the patch level of a
 * runtime, nor states, times, sizes and descriptions.
 */
const SETTINGS: Readonly<Record<string, (configuration: Configuration) => unknown>> = {
  code: ({ CodeSha256 }) => CodeSha256,
  runtime: ({ Runtime }) => Runtime,
  handler: ({ Handler }) => Handler,
  role: ({ Role }) => Role,
  timeout: ({ Timeout }) => Timeout,
  memory: ({ MemorySize }) => MemorySize,
  layers: ({ Layers }) => Layers?.map(({ Arn }) => Arn) ?? [],
  network: ({ VpcConfig }) => [sorted(VpcConfig?.SubnetIds), sorted(VpcConfig?.SecurityGroupIds)],
  "KMS key": ({ KMSKeyArn }) => KMSKeyArn ?? "",
  architecture: ({ Architectures }) => Architectures ?? [],
  "ephemeral storage": ({ EphemeralStorage }) => EphemeralStorage?.Size,
  "file systems": ({ FileSystemConfigs }) =>
    FileSystemConfigs?.map(({ Arn, LocalMountPath }) => [Arn, LocalMountPath]) ?? [],
  "dead-letter queue": ({ DeadLetterConfig }) => DeadLetterConfig?.TargetArn ?? "",
  "image configuration": ({ ImageConfigResponse }) => ImageConfigResponse?.ImageConfig ?? {},
};

const sorted = (texts: readonly string[] | undefined) => [...(texts ?? [])].sort();

/** @throws ConfigurationError where whoever runs this may not see them. */
export function variablesOf({ Environment, FunctionName, Version }: Configuration): Readonly<Record<string, string>> {
  if (Environment?.Error !== undefined)
    throw new ConfigurationError(
      `AWS Lambda does not show the variables of ${FunctionName ?? "the function"}:${Version ?? "$LATEST"}: they are ` +
        "encrypted by a KMS key that whoever runs this may not use. Nothing was changed. Allow kms:Decrypt on the KMS " +
        "key of the function's variables, then run again.",
    );
  return Environment?.Variables ?? {};
}

/** Whether its variables are those of the reference. */
export function carries(configuration: Configuration, reference: Reference): boolean {
  const variables = variablesOf(configuration);
  return Object.entries(reference).every(([variable, value]) => variables[variable] === value);
}

/** In what they differ, but for the variables that name versions; the names alone: values may be secret. */
export function differences(a: Configuration, b: Configuration, reference: Reference): string[] {
  const settings = Object.entries(SETTINGS)
    .filter(([, of]) => !isDeepStrictEqual(of(a), of(b)))
    .map(([name]) => name);
  const [mine, theirs] = [variablesOf(a), variablesOf(b)];
  const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])].sort();
  const variables = names.filter((name) => !Object.hasOwn(reference, name) && mine[name] !== theirs[name]);
  return [...settings, ...variables.map((name) => `the variable ${name}`)];
}

/**
 * The published version that is what the alias names now, with the reference: the one that the alias names rather than
 * another, and else the newest.
 */
export function findVersion(
  versions: readonly Configuration[],
  like: Configuration,
  reference: Reference,
): string | undefined {
  if (carries(like, reference)) return like.Version;
  return versions
    .filter((one) => isPublished(one) && one.State !== "Failed")
    .filter((one) => carries(one, reference) && differences(one, like, reference).length === 0)
    .map(numberOf)
    .sort((a, b) => b - a)
    .map(String)[0];
}

export function isPublished({ Version }: Pick<Configuration, "Version">): boolean {
  return Version !== undefined && Version !== "$LATEST";
}

export function numberOf({ Version }: Pick<Configuration, "Version">): number {
  return Number(Version);
}
