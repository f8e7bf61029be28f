/** Calendar cases as rows of a table, and what each row is held to. */
import assert from "node:assert/strict";
import { compileSchedule, type ScheduleText } from "../../provider/triggers/compile";
import { decideSchedule, type Scheduled, type ScheduleVerdict } from "../../provider/triggers/schedule";

/**
 * What the row is about; the schedule; when the version was issued; what time it is; and what is so then:
 * - `due`
 * - `next T`: it is not due, and the first moment at which it is is T
 * - `waits T`: it is due, something holds it back, and nothing does from T on
 * - `never`: nothing makes it due
 */
export type Row = readonly [
  title: string,
  schedule: ScheduleText,
  issued: string,
  now: string,
  outcome: string,
  more?: More,
];

export interface More {
  /** When the issuer ends the version. */
  readonly expires?: string;
  /** What the reason, or why it waits, has to say. */
  readonly says?: RegExp;
}

/** No secret's jitter matters where there is none. */
const IDENTITY = "a-secret";

export function at(text: string): number {
  const time = Date.parse(text);
  assert.ok(!Number.isNaN(time), `${text} is no time`);
  return time;
}

export function version(issued: string | number, expires?: string | number): Scheduled {
  const ms = (time: string | number) => (typeof time === "string" ? at(time) : time);
  return {
    version: 1,
    proposedAt: ms(issued),
    issuedAt: ms(issued),
    expiresAt: expires === undefined ? null : ms(expires),
  };
}

/** Each row as a test of its own. */
export function holdRows(rows: readonly Row[]): void {
  for (const row of rows) it(`${row[0]}: at ${row[3]} ${row[4]}`, () => holdRow(row));
}

function holdRow([, text, issued, now, outcome, { expires, says } = {}]: Row): void {
  const schedule = compileSchedule(text);
  const ask = (time: number) => decideSchedule(schedule, version(issued, expires), IDENTITY, time);
  const verdict = ask(at(now));
  assert.equal(describe_(verdict), normal(outcome));
  if (says) assert.match(verdict.waiting ?? verdict.due?.message ?? verdict.why ?? "", says);
  if (verdict.due !== null || verdict.nextAt === null) return;
  // To the millisecond, whatever the row says.
  assert.notEqual(ask(verdict.nextAt).due, null, "it is due at that moment");
  assert.equal(ask(verdict.nextAt - 1).due, null, "it is not due just before");
}

function describe_({ due, nextAt, waiting }: ScheduleVerdict): string {
  if (due !== null) return "due";
  if (nextAt === null) return waiting === undefined ? "never" : "waits for ever";
  return `${waiting === undefined ? "next" : "waits"} ${new Date(nextAt).toISOString()}`;
}

function normal(outcome: string): string {
  const [what = "", time] = outcome.split(" ");
  return time === undefined || time === "for" ? outcome : `${what} ${new Date(at(time)).toISOString()}`;
}
