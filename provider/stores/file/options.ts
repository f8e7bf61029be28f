/** What the user writes to keep a secret in an encrypted folder. */
import { z } from "zod";
import { secretSourceSchema } from "../../contracts/secretSource";

const name = (what: string) => z.string(`${what} must be a text`).min(1, `${what} must not be empty`);

const passphraseSource = secretSourceSchema("key.passphrase");

export const fileStoreOptions = z.strictObject({
  type: z.literal("file"),
  /**
   * The folder of this one secret. Made with mode 0700 when it does not exist; a relative path counts from the
   * working directory of the Pulumi program. It must be on a filesystem with hard links.
   */
  path: name("path, the folder of this one secret,"),
  /**
   * Encrypts everything but the file names. A passphrase is stretched with scrypt; take one that cannot be guessed,
   * since a copy of the folder can be attacked offline. A key file holds 32 random bytes as base64 or hexadecimal
   * and must be readable by its owner only (mode 0600).
   */
  key: z.union(
    [z.strictObject({ passphrase: passphraseSource }), z.strictObject({ keyFile: name("key.keyFile") })],
    "key must be either { passphrase: <where it is found> } or { keyFile: <path of a file with 32 random bytes> }",
  ),
});

export type FileStoreOptions = z.infer<typeof fileStoreOptions>;
