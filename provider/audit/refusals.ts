/** What every sink refuses to record. */
import type { AuditEvent } from "../contracts/audit";
import { StateError } from "../lifecycle/errors";
import { hashEvent } from "./chain";

export function refuseWrongHash(event: AuditEvent, location: string): void {
  if (hashEvent(event) === event.hash) return;
  throw new StateError(
    `Event ${event.seq} of the secret "${event.secret}" was not recorded in ${location}: its content does not fit its ` +
      "hash. Events are made with `appendEvent` and not changed afterwards.",
  );
}

export function disagreement(event: AuditEvent, storedHash: string, location: string): StateError {
  return new StateError(
    `The audit trail ${location} and the ledger disagree: event ${event.seq} of the secret "${event.secret}" is ` +
      `there already with another content (hash ${storedHash.slice(0, 12)}…, not ${event.hash.slice(0, 12)}…). ` +
      "Nothing was recorded. Either the ledger was restored from a backup, or somebody changed the trail: compare " +
      `both; if the trail is right, say: rotation adopt ${event.secret} --reason TEXT`,
  );
}
