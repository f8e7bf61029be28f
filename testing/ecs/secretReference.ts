/**
 * What a container's `valueFrom` names:
 * `arn:aws:secretsmanager:region:account:secret:name:json-key:version-stage:version-id`, of which the last three may be
 * empty or absent.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
 */
import { EcsError } from "./errors";

export interface SecretReference {
  readonly arn: string;
  readonly jsonKey: string | undefined;
  readonly versionStage: string | undefined;
  readonly versionId: string | undefined;
}

/** What a secrets source answers. */
export interface ResolvedSecret {
  readonly versionId: string;
  readonly text: string;
}

/** Stands for Secrets Manager. Throws with its words where there is no such secret or version. */
export type SecretsSource = (reference: SecretReference) => ResolvedSecret | Promise<ResolvedSecret>;

const REFERENCE = /^(arn:aws[\w-]*:secretsmanager:[^:]+:\d{12}:secret:[^:]+)(?::([^:]*):([^:]*):([^:]*))?$/;

/** @throws EcsError as RegisterTaskDefinition does. */
export function parseReference(valueFrom: string): SecretReference {
  const match = REFERENCE.exec(valueFrom);
  if (!match?.[1]) throw new EcsError("ClientException", `Invalid 'valueFrom' in secrets: ${valueFrom}`);
  const [, arn, jsonKey, versionStage, versionId] = match;
  return {
    arn,
    jsonKey: jsonKey || undefined,
    versionStage: versionStage || undefined,
    versionId: versionId || undefined,
  };
}

/** The text that the variable gets: one key of the JSON, or all. */
export function select(text: string, jsonKey: string | undefined): string {
  if (jsonKey === undefined) return text;
  const fields = JSON.parse(text) as Record<string, unknown>;
  const field = fields[jsonKey];
  if (field === undefined) throw new Error(`retrieved secret from Secrets Manager did not contain json key ${jsonKey}`);
  return typeof field === "string" ? field : JSON.stringify(field);
}
