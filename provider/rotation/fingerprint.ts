/** Random names, and the fingerprint by which a consumer says which version it uses. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import type { SecretValue } from "../contracts/context";

/** 80 random bits, in characters that every issuer takes in a name. */
export function randomId(): string {
  return randomBytes(10).toString("hex");
}

export function randomKey(): string {
  return randomBytes(32).toString("base64");
}

/**
 * Keyed and truncated to 64 bits: enough to tell versions apart, useless for guessing a value without the ledger's key.
 */
export function fingerprintOf(key: string, value: SecretValue, rotationId: string): string {
  return createHmac("sha256", Buffer.from(key, "base64"))
    .update(canonicalJson([rotationId, value]))
    .digest("hex")
    .slice(0, 16);
}

/** A digest of inputs that does not depend on the order of their properties. */
export function digestOf(inputs: unknown): string {
  return createHash("sha256").update(canonicalJson(inputs)).digest("hex").slice(0, 16);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
