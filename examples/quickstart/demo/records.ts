/** What the library itself has on record: the ledger, and the audit trail beside it. */
import { createFileAuditSink } from "../../../provider/audit/file";
import { verifyChain, type AuditFinding } from "../../../provider/audit/verify";
import type { AuditEvent } from "../../../provider/contracts/audit";
import type { AdapterContext } from "../../../provider/contracts/context";
import { decodeLedger, type LedgerState } from "../../../provider/lifecycle/ledger";
import { createFileStore } from "../../../provider/stores/file";

export interface Records {
  readonly ledger: LedgerState;
  readonly events: readonly AuditEvent[];
  /** What is wrong with the audit trail, held against the end that the ledger knows; empty for a whole one. */
  readonly findings: readonly AuditFinding[];
}

/** @returns a reader of the records of the secret in this folder. */
export function recordsOf(path: string, passphrase: string): () => Promise<Records> {
  const context: AdapterContext = {
    clock: { now: Date.now, sleep: () => Promise.reject(new Error("nothing is waited for")) },
    signal: new AbortController().signal,
    log: { info: () => undefined, warn: () => undefined },
    resolveSecret: () => Promise.resolve(passphrase),
  };
  const key = { passphrase: { from: "env", name: "unused" } } as const;
  const store = createFileStore({ type: "file", path, key }, context);
  const trail = createFileAuditSink({ type: "file", path: `${path}/audit.jsonl` }, context);
  return async () => {
    const ledger = decodeLedger((await store.load()).body, store.location);
    if (!ledger) throw new Error(`There is no ledger in ${store.location}.`);
    const events = await trail.read(ledger.identity);
    const findings = verifyChain(events, { expectedHead: ledger.audit, identity: ledger.identity });
    return { ledger, events: events.filter((event) => event !== null), findings };
  };
}

/** When a step was first taken for a version, in ms since the epoch. */
export function momentOf({ events }: Records, step: string, version: number): number {
  const event = events.find((one) => one.step === step && one.version === version);
  if (!event) throw new Error(`The audit trail has no event "${step}" of v${version}.`);
  return Date.parse(event.time);
}

/** Versions that somebody confirmed, the first one aside. */
export function countRotations({ events }: Records): number {
  const confirmed = events.filter((event) => event.step === "confirmed").map((event) => event.version);
  return new Set(confirmed).size - 1;
}

export function countRollbacks({ events }: Records): number {
  return events.filter((event) => event.step === "returned").length;
}
