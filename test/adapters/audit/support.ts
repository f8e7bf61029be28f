import { appendEvent, GENESIS_HASH, type AuditFields, type ChainHead } from "../../../provider/audit/chain";
import type { AuditEvent } from "../../../provider/contracts/audit";

export function makeFields(identity: string, seq: number): AuditFields {
  return {
    identity,
    seq,
    time: "2026-11-01T02:00:00.000Z",
    secret: "orders-db",
    step: "promote",
    version: 7,
    result: "ok",
    reason: "schedule",
    detail: { ageDays: 91 },
    actor: { user: "ci", host: "runner", stack: "prod", run: "run-1" },
  };
}

export function makeChain(identity: string, length: number): readonly AuditEvent[] {
  const chain: AuditEvent[] = [];
  for (let seq = 1; seq <= length; seq++) {
    chain.push(appendEvent(chain.at(-1)?.hash ?? GENESIS_HASH, makeFields(identity, seq)));
  }
  return chain;
}

export function headOf(chain: readonly AuditEvent[]): ChainHead {
  return { seq: chain.length, hash: chain.at(-1)?.hash ?? GENESIS_HASH };
}
