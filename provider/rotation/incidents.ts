/** Writes events and what became of them into the ledger, the trail and the log of the run. */
import { getVersion } from "../lifecycle/ledger";
import type { RotationEvent } from "../triggers/due";
import { addIncidents, closableIncidents, describeReport, newIncidents, reportOf } from "../triggers/incidents";
import type { Session } from "./session";

export async function recordIncidents(session: Session, events: readonly RotationEvent[]): Promise<void> {
  const found = newIncidents(session.ledger, events, session.now);
  if (found.length === 0) return;
  await session.commit(
    (ledger) => addIncidents(ledger, found),
    ...found.map(({ id, reason, at, requestedBy, revokeFirst, matched }) => ({
      step: "event-matched",
      version: matched.at(-1) ?? null,
      reason: `${reason}, event ${id}`,
      detail: {
        time: new Date(at).toISOString(),
        versions: matched.map((version) => `v${getVersion(session.ledger, version).version}`).join(", "),
        ...(requestedBy === null ? {} : { requestedBy }),
        ...(revokeFirst ? { revokeFirst: "true" } : {}),
      },
    })),
  );
}

/** Closes what is done, and tells of everything that was open in this run. */
export async function reportIncidents(session: Session): Promise<void> {
  const open = session.ledger.incidents.filter((incident) => incident.closedAt === null).map(({ id }) => id);
  if (open.length === 0) return;
  const done = closableIncidents(session.ledger);
  if (done.length > 0)
    await session.commit(
      (ledger) => {
        for (const incident of ledger.incidents)
          if (done.some(({ id }) => id === incident.id)) incident.closedAt = session.now;
      },
      ...done.map((incident) => ({
        step: "event-answered",
        version: session.ledger.active,
        reason: describeReport(reportOf(session.ledger, incident)),
      })),
    );
  for (const incident of session.ledger.incidents)
    if (open.includes(incident.id))
      session.context.log.info(`${session.secret}: ${describeReport(reportOf(session.ledger, incident))}`);
}
