/**
 * Incidents: the events that asked for a new version, and what became of each version that they matched. Kept in the
 * ledger, so that nobody has to gather from a log what is done and what is not.
 */
import { unconfirmedUsers } from "../lifecycle/confirmation";
import {
  activeVersion,
  findVersion,
  type IncidentRecord,
  type LedgerState,
  type VersionRecord,
} from "../lifecycle/ledger";
import { ALLOWED_CLOCK_SKEW_MS, isAnswered, type RotationEvent } from "./due";

/** How many closed incidents the ledger remembers. The audit trail has them all. */
const REMEMBERED_INCIDENTS = 20;

export interface IncidentReport {
  readonly id: string;
  readonly reason: string;
  /** RFC 3339. */
  readonly at: string;
  readonly requestedBy: string | null;
  /** Whether every matched version is gone, and a later one is confirmed. */
  readonly done: boolean;
  readonly versions: readonly { readonly version: number; readonly done: boolean; readonly what: string }[];
  /** The version that answers it, and who has yet to confirm that; `null`: there is none yet. */
  readonly answer: { readonly version: number; readonly unconfirmedBy: readonly string[] } | null;
}

/** Events that match a living version and are not in the ledger yet. One in the future waits. */
export function newIncidents(ledger: LedgerState, events: readonly RotationEvent[], now: number): IncidentRecord[] {
  const known = new Set(ledger.incidents.map((incident) => incident.id));
  return events
    .filter((event) => !known.has(event.id) && event.at <= now + ALLOWED_CLOCK_SKEW_MS)
    .map((event) => ({
      id: event.id,
      reason: event.reason,
      at: event.at,
      requestedBy: event.requestedBy ?? null,
      revokeFirst: event.revokeFirst ?? false,
      recordedAt: now,
      matched: ledger.versions.filter((record) => isMatched(record, event)).map((record) => record.version),
      closedAt: null,
    }))
    .filter((incident) => incident.matched.length > 0);
}

function isMatched(record: VersionRecord, event: RotationEvent): boolean {
  return record.endedAt === null && record.issuedAt !== null && !isAnswered(event, record.issuedAt);
}

/** Open incidents of which nothing is left to do. */
export function closableIncidents(ledger: LedgerState): IncidentRecord[] {
  return ledger.incidents.filter((incident) => incident.closedAt === null && isDone(ledger, incident));
}

function isDone(ledger: LedgerState, incident: IncidentRecord): boolean {
  return (
    isAnswered(incident, ledger.confirmedIssueAt) && incident.matched.every((version) => hasEnded(ledger, version))
  );
}

function hasEnded(ledger: LedgerState, version: number): boolean {
  const record = findVersion(ledger, version);
  return record === undefined || record.endedAt !== null;
}

export function addIncidents(ledger: LedgerState, added: readonly IncidentRecord[]): void {
  const closed = ledger.incidents.filter((incident) => incident.closedAt !== null);
  const forgotten = new Set(closed.slice(0, Math.max(0, closed.length + added.length - REMEMBERED_INCIDENTS)));
  ledger.incidents = [...ledger.incidents.filter((incident) => !forgotten.has(incident)), ...added];
}

export function reportOf(ledger: LedgerState, incident: IncidentRecord): IncidentReport {
  const active = activeVersion(ledger);
  const answers = active !== null && isAnswered(incident, active.issuedAt);
  return {
    id: incident.id,
    reason: incident.reason,
    at: new Date(incident.at).toISOString(),
    requestedBy: incident.requestedBy,
    done: incident.closedAt !== null || isDone(ledger, incident),
    versions: incident.matched.map((version) => ({
      version,
      done: hasEnded(ledger, version),
      what: describeVersion(ledger, version),
    })),
    answer: answers
      ? { version: active.version, unconfirmedBy: unconfirmedUsers(ledger).map((user) => user.who) }
      : null,
  };
}

function describeVersion(ledger: LedgerState, version: number): string {
  const record = findVersion(ledger, version);
  if (!record) return "ended long ago";
  if (record.endedAt !== null) {
    const proof = record.proof ? `, and a log-in with it is refused (${record.proof.detail})` : "";
    return `${record.state} at ${new Date(record.endedAt).toISOString()}${proof}`;
  }
  if (record.version === ledger.active) return "still active: no later version is promoted yet";
  return `still ${record.state}: ${record.putOff?.message ?? "a later run retires it"}`;
}

/** One line for people: what is done, and what is not. */
export function describeReport(report: IncidentReport): string {
  const versions = report.versions.map(
    ({ version, done, what }) => `${done ? "done" : "NOT DONE"}: v${version} ${what}`,
  );
  const answer =
    report.answer === null
      ? "no version answers it yet"
      : `answered by v${report.answer.version}, ${
          report.answer.unconfirmedBy.length > 0
            ? `not confirmed by ${report.answer.unconfirmedBy.join(", ")}`
            : "confirmed"
        }`;
  const who = report.requestedBy === null ? "" : `, asked by ${report.requestedBy}`;
  return `event ${report.id} (${report.reason}, ${report.at}${who}): ${[...versions, answer].join("; ")}`;
}
