/**
 * The hash chain of the audit trail. Pure.
 *
 * Each secret has a chain of its own: its events are numbered from 1, and each names the hash of the one before. The
 * newest number and hash are kept in the secret's ledger as well, so that the end of a chain cannot be cut off either.
 */
import { createHash } from "node:crypto";
import type { AuditEvent } from "../contracts/audit";

/** `prev` of the first event of a chain. */
export const GENESIS_HASH = "0".repeat(64);

/** What the writer of an event says; shape, link and hash are added by `appendEvent`. */
export type AuditFields = Omit<AuditEvent, "schema" | "prev" | "hash">;

/** The newest event of a chain as the ledger knows it. `seq` 0 means that nothing was recorded. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** @param prev the hash of the event before, `GENESIS_HASH` for the first. */
export function appendEvent(prev: string, fields: AuditFields): AuditEvent {
  const event = { ...fields, schema: 1 as const, prev };
  return { ...event, hash: hashEvent(event) };
}

/** SHA-256, in hexadecimal, of the canonical JSON of everything but the hash itself. */
export function hashEvent(event: Omit<AuditEvent, "hash"> & { readonly hash?: string }): string {
  const { hash: _hash, ...hashed } = event;
  return createHash("sha256").update(canonicalJson(hashed), "utf8").digest("hex");
}

/**
 * The one way to write a value: keys in the order of their UTF-16 code units, no white space, absent fields left out.
 * @throws TypeError for what JSON cannot hold, such as NaN, since it would read back as something else.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`The number ${value} cannot be recorded: it is not finite.`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new TypeError(`A value of the type ${typeof value} cannot be recorded.`);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}
