/** The end of the demo: what happened, in figures, and whether all of it is as it should be. */
import type { Credential } from "../apps/app";
import { answersBetween, type LoadReport } from "./load";
import { countRollbacks, countRotations, momentOf, type Records } from "./records";
import { bold, clock, count, dim, say, table } from "./terminal";

const LEAST_QUERIES = 20_000;
const LEAST_QUERIES_WHILE_BOTH_LIVED = 5000;
const LEAST_CONNECTIONS = 20;

/** The version that is broken on purpose. */
const REJECTED = 3;

export interface Evidence {
  readonly startedAt: number;
  readonly tookMs: number;
  readonly load: LoadReport;
  readonly records: Records;
  readonly first: Credential;
  readonly second: Credential;
  /** A log-in with the first version's password is refused, and `pg_roles` does not know its role. */
  readonly oldRoleGone: boolean;
  readonly activeRoleThere: boolean;
  /** Connections of the pool from before the promotion that served queries after it. */
  readonly survivors: number;
  /** Roles, versions and state entries that should not be there any more. */
  readonly leftOver: readonly string[];
}

/** Everything that is not as it should be. */
export function complaintsAbout(evidence: Evidence): string[] {
  const { load, records, oldRoleGone, survivors, leftOver } = evidence;
  const complaints: [boolean, string][] = [
    [load.failed > 0, `${load.failed} queries failed:\n  ${load.failures.join("\n  ")}`],
    [load.queries < LEAST_QUERIES, `only ${load.queries} queries, at least ${LEAST_QUERIES} were wanted`],
    [load.connections < LEAST_CONNECTIONS, `only ${load.connections} connections, at least ${LEAST_CONNECTIONS}`],
    ...Object.entries(queriesWhileBothLived(evidence)).map(([app, queries]): [boolean, string] => [
      queries < LEAST_QUERIES_WHILE_BOTH_LIVED,
      `only ${queries} queries to ${app} between the promotion and DROP ROLE, at least ${LEAST_QUERIES_WHILE_BOTH_LIVED}`,
    ]),
    [survivors === 0, "no connection from before the promotion served a query after it"],
    [countRotations(records) !== 1, `${countRotations(records)} rotations, not 1`],
    [countRollbacks(records) !== 1, `${countRollbacks(records)} rollbacks, not 1`],
    [!oldRoleGone, "the old role is not gone"],
    [!evidence.activeRoleThere, "the active role is not there"],
    [leftOver.length > 0, `left over: ${leftOver.join(", ")}`],
    [records.findings.length > 0, `audit trail: ${records.findings.map((finding) => finding.message).join(" ")}`],
    [answersOf(load, REJECTED) > 0, `v${REJECTED} answered queries, though it was rejected`],
  ];
  return complaints.filter(([isSo]) => isSo).map(([, text]) => text);
}

/** Correct answers of each application that lie between the promotion of the second version and the end of the first. */
function queriesWhileBothLived({ load, records, first, second }: Evidence): Record<string, number> {
  const from = momentOf(records, "promoted", second.version);
  const to = momentOf(records, "revoked", first.version);
  return answersBetween(load, from, to);
}

function answersOf({ answers }: LoadReport, version: number): number {
  return Object.values(answers)
    .flat()
    .filter((answer) => answer[2] === version).length;
}

export function verdictLine({ load, records, oldRoleGone }: Evidence): string {
  return (
    `demo: queries=${load.queries} failed=${load.failed} rotations=${countRotations(records)} ` +
    `rolledBack=${countRollbacks(records)} oldRoleGone=${oldRoleGone} ` +
    `audit=${records.findings.length === 0 ? "verified" : "broken"}`
  );
}

/** The steps that tell the story, as the audit trail has them. */
const TOLD: Readonly<Record<string, string>> = {
  promoted: "is current",
  confirmed: "confirmed",
  "retirement-put-off": "put off",
  returned: "is current again",
  "handed-out": "handed out again",
  disabled: "disabled",
  revoked: "DROP ROLE",
  retired: "gone",
};

export function showSummary(evidence: Evidence): void {
  const { load, records, startedAt } = evidence;
  const at = (time: string | number) => clock(new Date(time).getTime() - startedAt);

  say(`\n${bold("What happened")} ${dim("(from the audit trail)")}`);
  const told = records.events.filter((event) => event.step in TOLD);
  for (const row of table(
    told.map(({ time, version, step, reason }) => [
      `  ${at(time)}`,
      `v${version}`,
      TOLD[step] ?? step,
      shorten(reason),
    ]),
  ))
    say(row);

  say(`\n${bold("Who used what")} ${dim("(correct answers, counted from outside)")}`);
  const apps = Object.keys(load.answers);
  const versions = records.ledger.versions.map(({ version, state, issued }) => [
    `  v${version}`,
    issued?.["role"] ?? "",
    ...apps.map((app) => usage(load.answers[app]?.filter((answer) => answer[2] === version) ?? [], at)),
    state,
  ]);
  for (const row of table([["  version", "role", ...apps, "now"], ...versions])) say(row);

  const both = Object.entries(queriesWhileBothLived(evidence)).map(([app, queries]) => `${count(queries)} by ${app}`);
  say(
    `\n  ${count(load.queries)} queries over ${load.connections} connections, ${load.failed} failed; slowest ${load.slowest} ms`,
  );
  say(`  ${both.join(" and ")} while v1 and v2 both lived`);
  say(`  ${evidence.survivors} connections of the pool were opened before the rotation and served on after it`);
  say(`  ${records.events.length} events in the audit trail; ${clock(evidence.tookMs)} in all, set-up aside\n`);
}

function usage(answers: readonly (readonly [number, number, number])[], at: (time: number) => string): string {
  const [first, last] = [answers[0], answers.at(-1)];
  return first && last ? `${count(answers.length)} (${at(first[0])} to ${at(last[1])})` : "0";
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
