/** Versions that live on for longer than the program allows, so that runs fail until somebody looks. */
import { describeDuration } from "./duration";
import { unretired, type LedgerState, type VersionRecord } from "./ledger";

/** The versions whose alarm age is reached. Empty where no age is set. */
export function overdue(ledger: LedgerState, now: number): VersionRecord[] {
  const { alarmAfterMs } = ledger.declared;
  if (alarmAfterMs === null || ledger.status !== "live") return [];
  // One that is disabled is on its way; if it is missed, it is superseded again, of its whole age.
  return unretired(ledger).filter(
    (record) => record.state !== "disabled" && now - (record.supersededAt ?? now) >= alarmAfterMs,
  );
}

export function describeOverdue(ledger: LedgerState, record: VersionRecord, now: number): string {
  const age = describeDuration(now - (record.supersededAt ?? now));
  const limit = describeDuration(ledger.declared.alarmAfterMs ?? 0);
  return (
    `v${record.version} is ${record.state} and still lives, ${age} after it was superseded ` +
    `(retirement.alarmAfter: ${limit}): ${record.putOff?.message ?? "nothing has held it back so far"}`
  );
}
