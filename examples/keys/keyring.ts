/**
 * What an application does with an encryption key: the newest encrypts, and every one that the store has decrypts. A
 * ciphertext names its key, so a key that this process has not seen yet is read when it is met.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** The fields of a version that this needs; `key` is base64. */
export interface Key {
  readonly keyId: string;
  readonly key: string;
}

/** Reads versions from the store. `byId` gives `undefined` for a key that is not there, or not any more. */
export interface KeySource {
  current(): Promise<Key>;
  byId(keyId: string): Promise<Key | undefined>;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Keyring {
  private readonly keys = new Map<string, Buffer>();
  private newest: { readonly keyId: string; readonly readAt: number } | undefined;

  /** @param maxAgeMs how long it goes on encrypting with the key that it has read: the secret's `readersCache`. */
  constructor(
    private readonly source: KeySource,
    private readonly maxAgeMs: number,
  ) {}

  /** The key with which it encrypts now. */
  async encryptsWith(): Promise<string> {
    if (!this.newest || Date.now() - this.newest.readAt >= this.maxAgeMs) {
      const readAt = Date.now();
      const { keyId } = this.keep(await this.source.current());
      this.newest = { keyId, readAt };
    }
    return this.newest.keyId;
  }

  /** @param context what the text belongs to, such as the record's id: elsewhere it cannot be decrypted. */
  async encrypt(text: string, context: string): Promise<Buffer> {
    const keyId = await this.encryptsWith();
    const header = headerOf(keyId);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.keys.get(keyId)!, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([header, nonce, cipher.getAuthTag(), body]);
  }

  /** @throws where the key is in the store no more, or the ciphertext is not what was written. */
  async decrypt(ciphertext: Buffer, context: string): Promise<string> {
    const keyId = keyIdOf(ciphertext);
    const key = this.keys.get(keyId) ?? (await this.fetch(keyId));
    const header = headerOf(keyId);
    const [nonce, tag, body] = parts(ciphertext.subarray(header.length));
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.concat([header, Buffer.from(context)]));
    decipher.setAuthTag(tag);
    return decipher.update(body, undefined, "utf8") + decipher.final("utf8");
  }

  private async fetch(keyId: string): Promise<Buffer> {
    const found = await this.source.byId(keyId);
    if (!found) throw new Error(`The store has no key ${keyId}.`);
    this.keep(found);
    return this.keys.get(keyId)!;
  }

  private keep(key: Key): Key {
    this.keys.set(key.keyId, Buffer.from(key.key, "base64"));
    return key;
  }
}

/** The id of the key, for an index of the records that are still to be encrypted anew. */
export function keyIdOf(ciphertext: Buffer): string {
  return ciphertext.subarray(1, 1 + (ciphertext[0] ?? 0)).toString("ascii");
}

function headerOf(keyId: string): Buffer {
  return Buffer.concat([Buffer.from([keyId.length]), Buffer.from(keyId, "ascii")]);
}

function parts(rest: Buffer): [Buffer, Buffer, Buffer] {
  const end = NONCE_BYTES + TAG_BYTES;
  return [rest.subarray(0, NONCE_BYTES), rest.subarray(NONCE_BYTES, end), rest.subarray(end)];
}
