/** Logs in to the database AS the version that is rolled out, and asks it a question. PostgreSQL. */
import { z } from "zod";
import type { Health, HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import type { RollTarget } from "../contracts/consumer";
import type { StoredVersion } from "../contracts/store";
import { describeDuration } from "../lifecycle/duration";
import { ConfigurationError, RotationError } from "../lifecycle/errors";
import { withDeadline } from "../net/deadline";
import { describeNetworkError, errorCode } from "../net/networkErrors";
import { describeValue, strictOptions, text, wholeNumber } from "../net/options";
import { redactorFor } from "../net/redact";
import { loadPg, queryAs } from "./postgresLogin";
import type { LoadPg, Rows } from "./postgresLogin";
import { canaryOption, commonCheckOptions, refuseBaseline, toSchedule } from "./schedule";

const rowCount = (what: string) => wholeNumber(what, 0, 1_000_000);

export const sqlCheckOptions = strictOptions("an sql check", {
  type: z.literal("sql", { error: 'the type of an sql check must be "sql"' }),
  ...commonCheckOptions,
  ...refuseBaseline("it asks as the new version, which no consumer used before the rotation"),
  /** Default: true. */
  ...canaryOption,
  /** It is asked again and again, so it should only read. Of several statements the last one counts. */
  query: text("query", 65_536),
  /** The exact number of rows, or the least. Default: any. */
  expectRows: z
    .union([rowCount("expectRows"), strictOptions("expectRows", { min: rowCount("min") })], {
      error: (issue) =>
        `expectRows must be a number of rows or { "min": a number of rows }; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** The first column of the first row, as psql shows it. Default: any. */
  expectValue: z.string({ error: "expectValue must be a text, as psql would show the value" }).optional(),
  /** The secret to log in with. Default: the rollout's only one. */
  secret: text("secret", 200).optional(),
});

export type SqlCheckOptions = z.infer<typeof sqlCheckOptions>;

export function createSqlCheck(options: SqlCheckOptions, _context: AdapterContext, load: LoadPg = loadPg): HealthCheck {
  const schedule = toSchedule(options);
  return {
    name: options.name ?? (options.secret === undefined ? "sql" : `sql as ${options.secret}`),
    schedule,
    canary: options.canary ?? true,
    isEvidence: false,
    async probe(target, signal) {
      const version = versionToLogInWith(options.secret, target);
      const who = `as version ${version.ref.version} of "${version.secret}"`;
      const pg = await load();
      try {
        const bounded = await withDeadline(schedule.timeoutMs, signal, (inner) =>
          queryAs(pg, version, options.query, inner),
        );
        if (bounded.ended === "timeout") {
          return { healthy: false, detail: `${who}: no answer within ${describeDuration(schedule.timeoutMs)}` };
        }
        if (bounded.ended === "cancelled") return { healthy: false, detail: `${who}: stopped before an answer came` };
        return judgeRows(who, bounded.value, options);
      } catch (error) {
        if (error instanceof RotationError) throw error;
        return { healthy: false, detail: `${who}: ${redactorFor(target)(describeSqlError(error))}` };
      }
    },
    close: () => Promise.resolve(),
  };
}

function versionToLogInWith(name: string | undefined, target: RollTarget): StoredVersion {
  const names = target.secrets.map((secret) => `"${secret.secret}"`).join(", ") || "none";
  const found = target.secrets.filter((secret) => name === undefined || secret.secret === name);
  const [only] = found;
  if (found.length === 1 && only) return only;
  throw new ConfigurationError(
    name === undefined
      ? `An sql check does not know which secret to log in with: its rollout has ${names}. Nothing was asked. ` +
          `Name one of them in the check's option "secret".`
      : `An sql check is to log in with the secret ${describeValue(name)}, but its rollout has ${names}. ` +
          `Nothing was asked. Correct the check's option "secret".`,
  );
}

/** What the rows hold is not shown: it may be anything. */
function judgeRows(who: string, rows: Rows, { expectRows, expectValue }: SqlCheckOptions): Health {
  const got = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
  if (typeof expectRows === "number" && rows.length !== expectRows) {
    return { healthy: false, detail: `${who}: the query returned ${got}; expected ${expectRows}` };
  }
  if (typeof expectRows === "object" && rows.length < expectRows.min) {
    return { healthy: false, detail: `${who}: the query returned ${got}; expected at least ${expectRows.min}` };
  }
  if (expectValue !== undefined && rows[0]?.[0] !== expectValue) {
    const seen = rows[0] === undefined ? "there is no row" : rows[0][0] === null ? "it is null" : "it is another one";
    return { healthy: false, detail: `${who}: the first value is not ${describeValue(expectValue)}: ${seen}` };
  }
  return { healthy: true, detail: `${who}: logged in, the query returned ${got}` };
}

const REFUSED_LOGIN = new Set(["28000", "28P01"]);

function describeSqlError(error: unknown): string {
  const code = errorCode(error);
  if (REFUSED_LOGIN.has(code)) return `the server refused the log-in (${code})`;
  // Five characters of digits and capitals: an SQLSTATE, so the message is PostgreSQL's own.
  if (/^[0-9A-Z]{5}$/.test(code) && "severity" in (error as object)) {
    return `the server answered ${code}: ${(error as Error).message}`;
  }
  // Such as "The server does not support SSL connections": the driver's own words, without a code.
  if (code === "" && error instanceof Error) return error.message;
  return describeNetworkError(error);
}
