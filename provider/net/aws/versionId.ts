/** By which id AWS Secrets Manager knows a version that the store put there. Pure. */
import { createHash } from "node:crypto";
import type { VersionRef } from "../../contracts/store";

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html */
const TOKEN_OF_AWS = /^[A-Za-z0-9_-]{32,64}$/;

/** What readers name as `VersionId`: the token itself where it can be one. */
export function versionIdOf({ token }: Pick<VersionRef, "token">): string {
  return TOKEN_OF_AWS.test(token) ? token : versionIdFrom(`token:${token}`);
}

/** Looks like a UUID, as AWS recommends. */
export function versionIdFrom(text: string): string {
  const hex = createHash("sha256").update(`pulumi-rotating-secrets:${text}`).digest("hex");
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join("-");
}
