/** A secret's audit trail beside its ledger, as they are at one moment. */
import type { AuditEvent, AuditSink } from "../provider/contracts/audit";
import { RotationError, UnreachableError } from "../provider/lifecycle/errors";
import type { LedgerState } from "../provider/lifecycle/ledger";

const ATTEMPTS = 5;

export interface Trail {
  readonly ledger: LedgerState | null;
  readonly events: readonly (AuditEvent | null)[];
  /** Events in the ledger's outbox that the trail does not have yet: the next run writes them. */
  readonly unwritten: readonly AuditEvent[];
  /** Why the trail could not be read, where it could not. */
  readonly down?: string;
}

/** Looks again while a run writes: a trail read a moment too late would seem to know more than the ledger. */
export async function readTrail(sink: AuditSink, loadLedger: () => Promise<LedgerState | null>): Promise<Trail> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const ledger = await loadLedger();
    if (!ledger) return { ledger, events: [], unwritten: [] };
    const events = await sink.read(ledger.identity);
    if ((await loadLedger())?.audit.hash !== ledger.audit.hash) continue;
    const written = new Set(events.map((event) => event?.hash));
    return { ledger, events, unwritten: ledger.outbox.filter((event) => !written.has(event.hash)) };
  }
  throw new RotationError(
    `A run keeps writing to ${sink.location}. Nothing was changed. Say it again when it is done.`,
  );
}

/** For a report: what the ledger alone can tell is told while the trail cannot be reached. */
export async function readTrailOrSayWhyNot(
  sink: AuditSink,
  loadLedger: () => Promise<LedgerState | null>,
): Promise<Trail> {
  try {
    const trail = await readTrail(sink, loadLedger);
    // Where events wait, something was wrong; where none does, reading was enough.
    if (trail.unwritten.length > 0) await sink.probe?.();
    return trail;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    const ledger = await loadLedger();
    return { ledger, events: [], unwritten: ledger?.outbox ?? [], down: error.message };
  }
}
