/** Remembers that a rotation failed, so that the next attempt waits (it doubles with each failure in a row). */
import type { Session } from "./session";

export async function recordFailure(session: Session, version: number, step: string, message: string): Promise<void> {
  await session.commit(
    (ledger) => {
      ledger.failures = { count: (ledger.failures?.count ?? 0) + 1, lastAt: session.now, message };
    },
    { step, version, result: "failed", reason: message },
  );
}
