/**
 * The audit trail after the restore of an older ledger: the trail is never cut back, so it may have events that the
 * ledger has forgotten, under numbers that the ledger would give again.
 */
import { appendEvent, hashEvent } from "../audit/chain";
import type { AuditEvent } from "../contracts/audit";
import type { LedgerState } from "../lifecycle/ledger";

/** The events that can be relied on: readable, of this secret, and with the content that their hash says. */
export function reliableEvents(trail: readonly (AuditEvent | null)[], identity: string): AuditEvent[] {
  return trail.filter(
    (event) => event !== null && event.identity === identity && hashEvent(event) === event.hash,
  ) as AuditEvent[];
}

/** Events of the trail behind the last one that the ledger and the trail agree on. */
export function forgottenEvents(ledger: LedgerState, trail: readonly AuditEvent[]): AuditEvent[] {
  const agreed = new Set([ledger.audit.hash, ...ledger.outbox.flatMap((event) => [event.hash, event.prev])]);
  const common = Math.max(0, ...trail.filter((event) => agreed.has(event.hash)).map((event) => event.seq));
  // Without anything in common: a trail that is only shorter has lost its end, which verification has to go on finding.
  const behind = common > 0 ? common : ledger.audit.seq - 1;
  return trail.filter((event) => event.seq > behind);
}

/** Lets the chain go on after the trail's last event. What waits in the outbox follows it under new numbers. */
export function continueTrail(ledger: LedgerState, trail: readonly AuditEvent[]): void {
  const newest = trail.toSorted((a, b) => b.seq - a.seq)[0];
  if (!newest) return;
  const recorded = new Set(trail.map((event) => event.hash));
  const waiting = ledger.outbox.filter((event) => !recorded.has(event.hash));
  ledger.outbox = [];
  ledger.audit = { seq: newest.seq, hash: newest.hash };
  for (const { schema: _schema, prev: _prev, hash: _hash, ...fields } of waiting) {
    const moved = appendEvent(ledger.audit.hash, { ...fields, seq: ledger.audit.seq + 1 });
    ledger.audit = { seq: moved.seq, hash: moved.hash };
    ledger.outbox.push(moved);
  }
}
