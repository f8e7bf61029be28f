/** What a run does while its audit trail cannot be written. Pure. */

/**
 * `stop`: nothing starts. `buffer`: the run goes on, and its events wait in the ledger, where they were committed
 * together with the changes that they tell of, until a later run reaches the trail.
 */
export type AuditOutage = "stop" | "buffer";

/**
 * How many events may wait before nothing starts any more, whatever the program says. The ledger is one document that
 * each commit writes anew, so it must not grow without end.
 */
export const AUDIT_BUFFER_LIMIT = 200;

export interface TrailOutage {
  readonly secret: string;
  readonly policy: AuditOutage;
  /** Events that the ledger holds and the trail does not have. */
  readonly waiting: number;
  /** What the sink said. */
  readonly failure: string;
}

/** Whether a run may start all the same, asked before its first side effect; and what is to be said of it. */
export function judgeOutage({ secret, policy, waiting, failure }: TrailOutage): { start: boolean; message: string } {
  if (policy === "stop")
    return {
      start: false,
      message:
        `${secret}: ${failure} Nothing was changed. To let runs go on while the trail is down, with their events kept ` +
        `in the ledger until it is back, declare auditOutage: "buffer".`,
    };
  if (waiting >= AUDIT_BUFFER_LIMIT)
    return {
      start: false,
      message:
        `${secret}: ${failure} ${describeWaiting(waiting)}, and no more than ${AUDIT_BUFFER_LIMIT} may, so this run ` +
        `stops as with auditOutage: "stop". Nothing was changed.`,
    };
  return {
    start: true,
    message:
      `${secret}: the audit trail is down, and the run goes on, as auditOutage: "buffer" says. ` +
      `${describeWaiting(waiting)} (at most ${AUDIT_BUFFER_LIMIT} may) and the next run that reaches the trail writes ` +
      `them. ${failure}`,
  };
}

export function describeWaiting(waiting: number): string {
  return waiting === 1 ? "1 event waits in the ledger" : `${waiting} events wait in the ledger`;
}
