/** What the values of the two secrets are made of: bytes and texts within AWS's limit. Pure. */
import { gunzipSync, gzipSync } from "node:zlib";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { payloadText, renderPayload, type PayloadFormat } from "../../lifecycle/payload";
import type { StoredVersion } from "../../contracts/store";

/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html: "Secret value size" */
export const MAX_VALUE_BYTES = 65_536;
/** Far more than what fits, compressed: a document that unpacks to more was not written by us. */
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;

/** What a native reader finds where no version is current, and a person who looks at the companion. */
export const TEXTS = {
  none: JSON.stringify({ rotation: "no version is current yet" }),
  cleared: JSON.stringify({ rotation: "no version is current: the secret was taken down" }),
  companion: JSON.stringify({ rotation: "this secret holds the state of a rotation; it is read by labels" }),
} as const;

export interface LedgerDocument {
  readonly format: 1;
  readonly ledger: unknown;
}

export interface VersionDocument {
  readonly format: 1;
  readonly version: StoredVersion;
}

/** The JSON, compressed. @throws StateError when even that is too large for AWS. */
export function pack(what: string, document: LedgerDocument | VersionDocument): Buffer {
  const packed = gzipSync(JSON.stringify(document));
  if (packed.length <= MAX_VALUE_BYTES) return packed;
  throw new StateError(
    `${what} has ${packed.length} bytes, compressed, and a value in AWS Secrets Manager at most ${MAX_VALUE_BYTES}. ` +
      "Nothing was changed. Keep this secret in another store.",
  );
}

/** @returns `undefined` when it was not written by {@link pack}. */
export function unpack(packed: Uint8Array): Partial<LedgerDocument & VersionDocument> | undefined {
  try {
    const json = gunzipSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES }).toString();
    const document = JSON.parse(json) as Partial<LedgerDocument & VersionDocument> | null;
    return document?.format === 1 ? document : undefined;
  } catch {
    return undefined;
  }
}

/** What native readers get. @throws ConfigurationError when AWS cannot store it. */
export function nativeText(version: StoredVersion, format: PayloadFormat | undefined): string {
  const text = payloadText(renderPayload(version.value, format));
  const bytes = Buffer.byteLength(text);
  if (bytes > 0 && bytes <= MAX_VALUE_BYTES) return text;
  throw new ConfigurationError(
    `Version ${version.ref.version} would be ${bytes} bytes for readers, and AWS Secrets Manager stores from 1 to ` +
      `${MAX_VALUE_BYTES}. Nothing was changed. Make the secret's value or the store's \`format\` another one.`,
  );
}
