/**
 * Tells a stored value from a wrong one without naming it: what a reference may hold of a value in public.
 *
 * Scrypt and not a plain hash: the weakest value that a policy allows has 64 bits, and a reference is seen by many.
 */
import { scrypt as scryptCallback, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const scrypt = promisify<string, string, number, { N: number }, Buffer>(scryptCallback);

/** Cut to 64 bits: enough to notice a wrong value, and never more than the value has. */
const BYTES = 8;
/** 16 MB and some ten milliseconds for each guess. */
const COST = 2 ** 14;

/** @param salt the rotation id, so that equal values of two versions have different checks. */
export async function checkOf(value: string, salt: string): Promise<string> {
  return (await scrypt(value, `pulumi-rotating-secrets ${salt}`, BYTES, { N: COST })).toString("hex");
}

export async function isValueOf(check: string, value: string, salt: string): Promise<boolean> {
  const found = Buffer.from(await checkOf(value, salt));
  const wanted = Buffer.from(check);
  return found.length === wanted.length && timingSafeEqual(found, wanted);
}
