/** One secret's status for a person. */
import { describeDuration } from "../provider/lifecycle/duration";
import { describeMayUse } from "../provider/lifecycle/release";
import { describeReport } from "../provider/triggers/incidents";
import type { SecretStatus } from "./statusReport";

const LABEL_WIDTH = 11;

export function statusText(status: SecretStatus): string {
  const rows: (readonly [label: string, text: string])[] = [
    ["active", activeLine(status)],
    ["state", stateLine(status)],
    ...status.unconfirmedBy.map((who) => ["", `not confirmed by ${who}`] as const),
    ["next due", dueLine(status)],
    ...labelled(
      "also",
      status.others.map(
        (other) => `v${other.version} ${other.state}${other.since ? ` since ${other.since}` : ""}: ${other.why}`,
      ),
    ),
    ...labelled(
      "drift",
      status.drift
        ? [
            `${status.drift.versions.map((version) => `v${version}`).join(", ")} does not work any more, seen ` +
              `${status.drift.since}: ${status.drift.detail}`,
          ]
        : [],
    ),
    ...labelled("events", status.events.filter((event) => !event.done).map(describeReport)),
    ...labelled(
      "rollouts",
      status.rollouts.map(
        (rollout) => `${rollout.key} uses ${describeMayUse(rollout.mayUse)}, ${confirmation(rollout)}`,
      ),
    ),
    ...labelled(
      "left behind",
      status.residues.flatMap((residue) => [
        `${residue.key} may still use ${describeMayUse(residue.mayUse)}, since ${residue.leftAt}`,
        `  when it is gone: ${residue.release}`,
      ]),
    ),
    ...labelled(
      "lease",
      status.lease ? [`${status.lease.holder}, since ${status.lease.since}, until ${status.lease.until}`] : [],
    ),
    ["audit", auditLine(status)],
    ["store", status.store],
    ["owner", status.owner],
  ];
  const width = Math.max(LABEL_WIDTH, ...rows.map(([label]) => label.length)) + 1;
  return `${status.name}\n${rows.map(([label, text]) => `  ${label.padEnd(width)}${text}\n`).join("")}`;
}

/** The label beside the first of the lines only. */
function labelled(label: string, lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line, index) => [index === 0 ? label : "", line] as const);
}

function activeLine({ active }: SecretStatus): string {
  if (!active) return "no version";
  const age = active.ageMs === null ? "of unknown age" : `${describeDuration(Math.max(0, active.ageMs))} old`;
  const issued = Object.values(active.issued)[0];
  return `v${active.version}, ${age}${issued ? `, ${issued}` : ""}${active.fingerprint ? ` (fingerprint ${active.fingerprint})` : ""}`;
}

function stateLine({ status, phase, confirmed, lastFailure }: SecretStatus): string {
  const parts = [
    ...(status === "live" ? [] : [status]),
    confirmed ? "confirmed" : "not confirmed",
    ...(phase && phase !== "done" ? [phase] : []),
    ...(lastFailure ? [`failed ${lastFailure.count} times, last ${lastFailure.at}: ${lastFailure.message}`] : []),
  ];
  return parts.join(", ");
}

function dueLine({ schedule }: SecretStatus): string {
  if (!schedule) return "only by an event or changed inputs";
  if (schedule.waiting) return schedule.waiting;
  const { due, nextAt, why } = schedule;
  return due ? `now (${why}, since ${nextAt})` : `${nextAt ?? "never"} (${why})`;
}

function confirmation({ confirmed, confirmedAt, evidence }: SecretStatus["rollouts"][number]): string {
  if (!confirmed) return "not confirmed";
  return `confirmed${confirmedAt ? ` ${confirmedAt}` : ""}${evidence ? ` (evidence: ${evidence})` : ""}`;
}

function auditLine({ audit }: SecretStatus): string {
  const waiting =
    audit.unwritten > 0 ? `; ${audit.unwritten} more are in the ledger and are written by the next run` : "";
  if (audit.down !== undefined) return `DOWN: ${audit.down}${waiting}`;
  return `${audit.events} events in ${audit.trail}${waiting}`;
}
