/**
 * Passwords and their SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677) in the form that PostgreSQL stores.
 *
 * The server gets the verifier only, so a password is in no statement, no log and no `pg_stat_activity`.
 */
import { createHash, createHmac, pbkdf2 as pbkdf2Callback, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { StateError } from "../../lifecycle/errors";

const pbkdf2 = promisify(pbkdf2Callback);

/** RFC 7677's minimum and PostgreSQL's own default; more adds nothing to a random password of 256 bits. */
export const SCRAM_ITERATIONS = 4096;
const SALT_BYTES = 16;
const PASSWORD_BYTES = 32;

/** 256 random bits in characters that neither SASLprep nor a URL changes. */
export function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString("base64url");
}

export async function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES)): Promise<string> {
  if (!/^[\x21-\x7e]+$/.test(password)) {
    // SASLprep would change such a password, and the verifier would be that of another one.
    throw new StateError("A password to be issued must consist of printable ASCII characters without spaces.");
  }
  const salted = await pbkdf2(password, salt, SCRAM_ITERATIONS, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
