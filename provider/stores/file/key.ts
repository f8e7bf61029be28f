/** From what the user gave (a passphrase or a key file) to the key that seals the files of one store. */
import { createHash, createSecretKey, hkdfSync, scrypt, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError } from "../../lifecycle/errors";
import { errorCode } from "./failures";
import { SCRYPT, type StoreHeader, type UncheckedHeader } from "./header";
import type { FileStoreOptions } from "./options";
import { seal, unseal } from "./sealing";

const KEY_BYTES = 32;
const CHECK_ROLE = "header";

/** Stretching a passphrase takes 0.1 s, so it is done once for each store in a process, not for each call. */
const stretchedKeys = new Map<string, Promise<Buffer>>();

/** Completes a new header with the proof by which the right key is recognised later. */
export async function lockHeader(
  header: UncheckedHeader,
  options: FileStoreOptions,
  context: AdapterContext,
): Promise<StoreHeader> {
  const key = await deriveKey(header, options, context);
  return { ...header, check: seal(key, CHECK_ROLE, header.id).toString("base64") };
}

/** @throws ConfigurationError when the key is not the one that the store was made with. */
export async function unlockHeader(
  header: StoreHeader,
  options: FileStoreOptions,
  context: AdapterContext,
  location: string,
): Promise<KeyObject> {
  const given = "passphrase" in options.key ? "passphrase" : "keyFile";
  if (given !== header.key.from) {
    throw new ConfigurationError(
      `The store ${location} was made with a ${describe(header.key.from)}, but \`key\` names a ${describe(given)}. ` +
        `Nothing was changed. Give it the ${describe(header.key.from)} that it was made with.`,
    );
  }
  const key = await deriveKey(header, options, context);
  if (unseal(key, CHECK_ROLE, Buffer.from(header.check, "base64")) !== header.id) {
    throw new ConfigurationError(
      `The ${describe(given)} does not open the store ${location}: the store was made with another one, or its ` +
        `store.json was changed. Nothing was changed. Give it the ${describe(given)} that it was made with, or ` +
        "restore store.json from a backup.",
    );
  }
  return key;
}

async function deriveKey(
  header: UncheckedHeader,
  options: FileStoreOptions,
  context: AdapterContext,
): Promise<KeyObject> {
  const master =
    "passphrase" in options.key
      ? await stretchPassphrase(header, await context.resolveSecret(options.key.passphrase), options.path)
      : await readKeyFile(options.key.keyFile);
  return createSecretKey(
    Buffer.from(hkdfSync("sha256", master, header.id, "pulumi-rotating-secrets file store 1", 32)),
  );
}

async function stretchPassphrase(header: UncheckedHeader, passphrase: string, path: string): Promise<Buffer> {
  if (passphrase === "") {
    throw new ConfigurationError(
      `The passphrase of the store in ${path} is empty. Nothing was changed. Put a long random one where ` +
        "`key.passphrase` points to.",
    );
  }
  const salt = header.key.from === "passphrase" ? Buffer.from(header.key.salt, "base64") : Buffer.alloc(0);
  const digest = createHash("sha256").update(salt).update(passphrase).digest("hex");
  const cacheKey = `${path}\0${digest}`;
  let stretched = stretchedKeys.get(cacheKey);
  if (stretched === undefined) {
    stretched = runScrypt(passphrase, salt);
    stretchedKeys.set(cacheKey, stretched);
    stretched.catch(() => stretchedKeys.delete(cacheKey));
  }
  return stretched;
}

function runScrypt(passphrase: string, salt: Buffer): Promise<Buffer> {
  // Needs 128 * N * r bytes, which is exactly Node's limit: allow twice as much.
  const options = { ...SCRYPT, maxmem: 2 * 128 * SCRYPT.N * SCRYPT.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

async function readKeyFile(path: string): Promise<Buffer> {
  let text: string;
  let mode: number;
  try {
    mode = (await stat(path)).mode;
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    const problem = errorCode(error) === "ENOENT" ? "does not exist" : `cannot be read (${(error as Error).message})`;
    throw new ConfigurationError(
      `The key file ${path} ${problem}. Nothing was changed. Restore the one that the store was made with; for a new ` +
        "store make one with `(umask 077; openssl rand -base64 32 > <file>)`.",
      { cause: error },
    );
  }
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new ConfigurationError(
      `The key file ${path} has mode 0${(mode & 0o777).toString(8)}: others than its owner may use it. ` +
        "Nothing was changed. Allow only its owner: `chmod 600 <file>`.",
    );
  }
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : decodeBase64(text);
  if (key?.length === KEY_BYTES) return key;
  throw new ConfigurationError(
    `The key file ${path} does not hold a key: it must be ${KEY_BYTES} bytes, written as 64 hexadecimal digits or ` +
      `as base64, and it is ${key === undefined ? "neither" : `${key.length} bytes in base64`}. Nothing was changed.`,
  );
}

function decodeBase64(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

function describe(from: StoreHeader["key"]["from"]): string {
  return from === "passphrase" ? "passphrase" : "key file";
}
