/**
 * How the store in Google Cloud Secret Manager records a stored version: in an annotation of its own secret,
 * `<name>-rotation`, with the numbers of the versions of the secret that applications read which hold its payload.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { VersionRef } from "../../lifecycle/values";

/** What the keys of these annotations begin with. */
export const VERSION_KEY = "rotation.version.";

const numbers = z.array(z.int().min(1));
const recordedVersion = z.strictObject({
  version: z.int(),
  token: z.string().min(1),
  /** The versions of the store's own secret that hold the parts of the document, in their order. */
  document: numbers.min(1),
  /** The versions of the secret that applications read that hold its payload. */
  native: numbers,
});

export interface RecordedVersion {
  readonly ref: VersionRef;
  readonly document: readonly number[];
  readonly native: readonly number[];
}

/** The id of the store's own secret. */
export function companionOf(secret: string): string {
  return `${secret}-rotation`;
}

export function versionKey({ token }: VersionRef): string {
  return VERSION_KEY + createHash("sha256").update(token).digest("hex").slice(0, 32);
}

export function versionText({ ref, document, native }: RecordedVersion): string {
  return JSON.stringify({ version: ref.version, token: ref.token, document, native });
}

/** @returns `undefined` where somebody else has changed it. */
export function parseVersion(text: string): RecordedVersion | undefined {
  const parsed = recordedVersion.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { version, token, document, native } = parsed.data;
  return { ref: { version, token }, document, native };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
