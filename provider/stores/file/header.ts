/** The plain file `store.json`: what is needed to derive the key, made once for each store. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { createOnce } from "./durableFiles";
import { errorCode } from "./failures";

/** Cost of one guess at a passphrase: 32 MiB of memory and about 0.1 s. */
export const SCRYPT = { N: 32_768, r: 8, p: 1 } as const;
const SALT_BYTES = 16;

const header = z.strictObject({
  format: z.literal(1),
  /** Random; part of the key, so that files of one store cannot be used in another. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  key: z.discriminatedUnion("from", [
    z.strictObject({
      from: z.literal("passphrase"),
      kdf: z.literal("scrypt"),
      // Fixed values: whoever can change this file must not be able to make the derivation cheaper or endless.
      N: z.literal(SCRYPT.N),
      r: z.literal(SCRYPT.r),
      p: z.literal(SCRYPT.p),
      salt: z.base64(),
    }),
    z.strictObject({ from: z.literal("keyFile") }),
  ]),
  /** The id, sealed: opens with the right key only. Base64. */
  check: z.base64(),
});

export type StoreHeader = z.infer<typeof header>;
export type UncheckedHeader = Omit<StoreHeader, "check">;

export function newHeader(from: StoreHeader["key"]["from"]): UncheckedHeader {
  const id = randomBytes(16).toString("hex");
  if (from === "keyFile") return { format: 1, id, key: { from } };
  return { format: 1, id, key: { from, kdf: "scrypt", ...SCRYPT, salt: randomBytes(SALT_BYTES).toString("base64") } };
}

/** @returns `undefined` when there is none. */
export async function readHeader(path: string): Promise<StoreHeader | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const parsed = header.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const format = (parseJson(text) as { format?: unknown } | undefined)?.format;
  if (typeof format === "number" && format > 1) {
    throw new ConfigurationError(
      `The store was made by a newer version of this package: ${path} has format ${format}, this version reads ` +
        "format 1. Nothing was changed. Update the package.",
    );
  }
  throw new StateError(
    `The file ${path} is damaged: it is not the header of a file store. Nothing was changed. Without it nothing in ` +
      "the store can be decrypted: restore it from a backup.",
  );
}

/** @returns the header that is there now, which is another one when somebody else was faster. */
export async function createHeader(path: string, scratch: string, header: StoreHeader): Promise<StoreHeader> {
  await createOnce(scratch, path, Buffer.from(JSON.stringify(header, undefined, 2) + "\n"));
  const stored = await readHeader(path);
  if (stored === undefined) {
    throw new StateError(
      `The file ${path} vanished right after it was made. Stop whatever removes it, then run again.`,
    );
  }
  return stored;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
