/** What the service accepts. Each rule names the page that says so; where none does, that is said. */
import { StatusError } from "./status";

/** https://cloud.google.com/secret-manager/quotas: content limits */
export const MAX_PAYLOAD_BYTES = 65_536;
/** https://cloud.google.com/secret-manager/quotas: content limits */
export const MAX_ALIASES = 50;
/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets#Secret.FIELDS.annotations */
const ANNOTATION_BYTES = 16_384;
/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create#query-parameters */
const SECRET_ID = /^[A-Za-z0-9_-]{1,255}$/;
/** https://cloud.google.com/secret-manager/docs/assign-alias-to-secret-version */
const ALIAS = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
/** In any case of letters, same page. */
const RESERVED_ALIASES = new Set(["latest", "new"]);
/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets#Secret.FIELDS.annotations */
const ANNOTATION_KEY = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets#Secret.FIELDS.labels */
const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;
const MAX_LABELS = 64;

export function checkSecretId(id: string): void {
  if (!SECRET_ID.test(id)) throw invalid("The secret ID must match [a-zA-Z0-9_-] and have 1 to 255 characters.");
}

/**
 * @param data may be empty in the API's types; that an empty payload is refused is what the service does, and on no page.
 */
export function checkPayload(data: Uint8Array, checksum: number | undefined): void {
  if (data.length === 0) throw invalid("Secret Payload cannot be empty.");
  if (data.length > MAX_PAYLOAD_BYTES)
    throw invalid(`The maximum size of a secret payload is ${MAX_PAYLOAD_BYTES} bytes.`);
  // https://cloud.google.com/secret-manager/docs/data-integrity
  if (checksum !== undefined && checksum !== crc32c(data))
    throw invalid("The checksum of the secret payload does not match the data.");
}

/** That an alias must name a version that exists is on no page. */
export function checkAliases(aliases: Readonly<Record<string, number>>, exists: (version: number) => boolean): void {
  const names = Object.keys(aliases);
  if (names.length > MAX_ALIASES) throw invalid(`No more than ${MAX_ALIASES} aliases can be assigned to a secret.`);
  for (const name of names) {
    if (!ALIAS.test(name) || RESERVED_ALIASES.has(name.toLowerCase())) throw invalid("The version alias is not valid.");
    if (!exists(aliases[name] ?? 0)) throw invalid("The version alias names a version that does not exist.");
  }
}

export function checkAnnotations(annotations: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (!ANNOTATION_KEY.test(key)) throw invalid("The annotation key is not valid.");
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes >= ANNOTATION_BYTES) throw invalid("The total size of annotations must be less than 16 KiB.");
}

export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) throw invalid(`No more than ${MAX_LABELS} labels can be assigned.`);
  for (const [key, value] of entries)
    if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value)) throw invalid("The label is not valid.");
}

/** CRC32C (Castagnoli), bit by bit: slow, and so plain that it checks the faster ones. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function invalid(message: string): StatusError {
  return new StatusError("INVALID_ARGUMENT", message);
}
