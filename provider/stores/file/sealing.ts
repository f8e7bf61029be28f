/** Authenticated encryption of one file (AES-256-GCM). Pure. */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from "node:crypto";

/**
 * What a file is for, such as `ledger:12` or `version:7:<token>`. It is authenticated with the content, so that a
 * file that was put in the place of another one cannot be opened.
 */
export type Role = string;

const HEADER = Buffer.from("pulumi-rotating-secrets sealed 1\n");
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD = HEADER.length + NONCE_BYTES + TAG_BYTES;

/** header, nonce, tag, ciphertext. The header names the format and is authenticated as well. */
export function seal(key: KeyObject, role: Role, text: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData(role));
  const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([HEADER, nonce, cipher.getAuthTag(), ciphertext]);
}

/** @returns `undefined` when the key is another one, or the file was changed, cut short or moved to another role. */
export function unseal(key: KeyObject, role: Role, sealed: Buffer): string | undefined {
  if (sealed.length < OVERHEAD || !sealed.subarray(0, HEADER.length).equals(HEADER)) return undefined;
  const nonce = sealed.subarray(HEADER.length, HEADER.length + NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(role));
  decipher.setAuthTag(sealed.subarray(HEADER.length + NONCE_BYTES, OVERHEAD));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(OVERHEAD)), decipher.final()]).toString("utf8");
  } catch {
    return undefined;
  }
}

/** Changes with every sealing, also of the same content: it tells two files of one role apart. */
export function markOf(sealed: Buffer): string {
  return sealed.subarray(HEADER.length, HEADER.length + NONCE_BYTES).toString("hex");
}

function associatedData(role: Role): Buffer {
  return Buffer.concat([HEADER, Buffer.from(role, "utf8")]);
}
