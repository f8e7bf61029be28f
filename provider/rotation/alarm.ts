/** Raises the alarm over versions that live on for too long: recorded once, told by every run until they are gone. */
import { describeOverdue, overdue } from "../lifecycle/alarm";
import { RotationError } from "../lifecycle/errors";
import { getVersion } from "../lifecycle/ledger";
import type { Session } from "./session";

/** @returns the error that the run has to end with, after everything else is done; `undefined` without an alarm. */
export async function raiseAlarms(session: Session): Promise<RotationError | undefined> {
  const late = overdue(session.ledger, session.now);
  if (late.length === 0) return undefined;
  const messages = late.map((record) => describeOverdue(session.ledger, record, session.now));
  for (const [index, { version, alarmedAt }] of late.entries()) {
    if (alarmedAt !== null) continue;
    await session.commit(
      (ledger) => {
        getVersion(ledger, version).alarmedAt = session.now;
      },
      { step: "retirement-alarm", version, result: "failed", reason: messages[index] ?? "" },
    );
  }
  return new RotationError(
    `${session.secret}: ${messages.join("; ")}. Nothing is wrong with v${session.ledger.active}, and nothing was rolled ` +
      `back. Move whoever still uses it, or release what is gone (rotation release). To let runs pass meanwhile, raise ` +
      `retirement.alarmAfter.`,
  );
}
