/** Names of the roles that versions get. */
import { MAX_NAME_BYTES, MAX_PREFIX_LENGTH } from "./options";

/** `<prefix>_v<version>_<first 8 characters of the rotation id>`: readable, and never the same for two rotations. */
export function versionedRoleName(prefix: string, version: number, rotationId: string): string {
  const suffix = `_v${version}_${safe(rotationId).replaceAll("_", "").slice(0, 8)}`;
  return prefix.slice(0, MAX_NAME_BYTES - suffix.length) + suffix;
}

/** The secret's name in characters that need no quoting, starting with a letter, never with the reserved `pg_`. */
export function prefixFromSecret(secret: string): string {
  const name = safe(secret).replace(/_+/g, "_");
  const prefix = /^[a-z]/.test(name) && !name.startsWith("pg_") ? name : `s_${name}`;
  return prefix.slice(0, MAX_PREFIX_LENGTH).replace(/_+$/, "");
}

function safe(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, "_");
}
