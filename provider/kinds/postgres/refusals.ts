/**
 * Who tried to log in as a role and was refused, from the server's own log in its JSON form. Reading it over SQL needs
 * `pg_monitor` and EXECUTE on `pg_read_binary_file`, so it is asked for in the options.
 */
import { DateTime } from "luxon";
import type { RefusalReport, Use } from "../../contracts/kind";
import { hasCode } from "./failures";
import type { Session } from "./session";

/** How much of the log is looked at, from its newest file backwards: a busy server's log must not be read whole. */
const MOST_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** Longer than any line that tells of a log-in, so that one on the border of two chunks is in one of them whole. */
const OVERLAP_BYTES = 16 * 1024;
const SHOWN = 20;

interface LogFile {
  readonly name: string;
  readonly size: string;
  readonly directory: string;
  /** The zone of the times in it. */
  readonly zone: string;
}

/** @param since ms since the epoch */
export async function refusalsOf(session: Session, role: string, since: number): Promise<RefusalReport> {
  const unknown = (detail: string): RefusalReport => ({ verdict: "unknown", uses: [], detail });
  try {
    const files = await logFiles(session, since);
    if (files === undefined)
      return unknown('the server writes no JSON log: set logging_collector = on and add "jsonlog" to log_destination');
    const found: Use[] = [];
    let left = MOST_BYTES;
    for (const file of files) {
      const size = Number(file.size);
      if (size > left) return tooMuch(found);
      left -= size;
      found.push(...(await refusalsIn(session, file, size, role, since)));
    }
    if (found.length > 0) return refused(found);
    if (!(await reachesBack(session, files, since)))
      return unknown("the server's log does not reach back to when the role was disabled");
    return { verdict: "none", uses: [] };
  } catch (error) {
    if (!hasCode(error, "42501")) throw error;
    return unknown(
      "the admin may not read the server's log: as a superuser, in the admin's database, GRANT pg_monitor TO the admin; " +
        "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO the admin",
    );
  }
}

function tooMuch(found: readonly Use[]): RefusalReport {
  if (found.length > 0) return refused(found);
  const detail = `the server has logged more than ${MOST_BYTES / 1024 / 1024} MB since the role was disabled`;
  return { verdict: "unknown", uses: [], detail };
}

function refused(found: readonly Use[]): RefusalReport {
  const latestFirst = found.toSorted((a, b) => (b.since ?? 0) - (a.since ?? 0));
  return { verdict: "refused", uses: latestFirst.slice(0, SHOWN) };
}

/** The JSON files that were written to since then, the newest first; `undefined` where the server writes none. */
async function logFiles(session: Session, since: number): Promise<LogFile[] | undefined> {
  const [current] = await session.query<{ file: string | null }>(
    `SELECT pg_catalog.pg_current_logfile('jsonlog') AS file
      WHERE pg_catalog.current_setting('log_min_messages') <> 'panic'`,
  );
  if (!current?.file) return undefined;
  return session.query<LogFile>(
    `SELECT name, size, pg_catalog.regexp_replace($1::text, '[^/]*$', '') AS directory,
            pg_catalog.current_setting('log_timezone') AS zone
       FROM pg_catalog.pg_ls_logdir()
      WHERE name LIKE '%.json' AND modification >= pg_catalog.to_timestamp($2::double precision / 1000) - interval '1 second'
      ORDER BY modification DESC, name DESC`,
    [current.file, since],
  );
}

async function refusalsIn(session: Session, file: LogFile, size: number, role: string, since: number): Promise<Use[]> {
  const found = new Map<string, Use>();
  for (let offset = 0; offset < size; offset += CHUNK_BYTES - OVERLAP_BYTES)
    for (const [line, use] of await refusalsInChunk(session, file, offset, role, since)) found.set(line, use);
  return [...found.values()];
}

/** Only lines that name the role leave the server. They may hold any bytes, so they travel escaped. */
async function refusalsInChunk(
  session: Session,
  file: LogFile,
  offset: number,
  role: string,
  since: number,
): Promise<[string, Use][]> {
  const rows = await session.query<{ line: Buffer }>(
    `SELECT pg_catalog.decode(line, 'escape') AS line
       FROM pg_catalog.regexp_split_to_table(
              pg_catalog.encode(pg_catalog.pg_read_binary_file($1, $2, $3, true), 'escape'), E'\\n') AS line
      WHERE pg_catalog.strpos(
              line, pg_catalog.encode(pg_catalog.convert_to('"user":' || $4, 'UTF8'), 'escape')) > 0
        AND pg_catalog.strpos(line, '"state_code":"28') > 0`,
    [file.directory + file.name, offset, CHUNK_BYTES, JSON.stringify(role)],
  );
  const uses: [string, Use][] = [];
  for (const { line } of rows) {
    const use = refusalOf(line.toString("utf8"), role, file.zone);
    if (use && (use.since ?? 0) >= since) uses.push([line.toString("base64"), use]);
  }
  return uses;
}

/** SQLSTATE class 28 is "invalid authorization": a wrong password, or a role that may not log in. */
export function refusalOf(line: string, role: string, zone: string): Use | undefined {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // The half of a line on the border of a chunk.
  }
  if (entry["user"] !== role || !String(entry["state_code"]).startsWith("28")) return undefined;
  const since = momentOf(String(entry["timestamp"]), zone);
  const client =
    typeof entry["remote_host"] === "string" ? entry["remote_host"].replace("[local]", "local") : undefined;
  return {
    by: `${role} from ${client ?? "an unknown place"}${since === undefined ? "" : ` at ${new Date(since).toISOString()}`}`,
    principal: role,
    ...(client === undefined ? {} : { client }),
    ...(since === undefined ? {} : { since }),
  };
}

/** `2026-11-23 19:10:11.123 CET`: the abbreviation at its end says less than the server's own setting. */
function momentOf(timestamp: string, zone: string): number | undefined {
  const [day, time] = timestamp.split(" ");
  const moment = DateTime.fromISO(`${day}T${time}`, { zone });
  return moment.isValid ? moment.toMillis() : undefined;
}

/** Whether the oldest of these files, or one before it, began before then. */
async function reachesBack(session: Session, files: readonly LogFile[], since: number): Promise<boolean> {
  const [older] = await session.query<{ found: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pg_catalog.pg_ls_logdir()
        WHERE name LIKE '%.json' AND modification < pg_catalog.to_timestamp($1::double precision / 1000)) AS found`,
    [since],
  );
  if (older?.found) return true;
  const oldest = files.at(-1);
  if (!oldest) return false;
  const [head] = await session.query<{ text: Buffer }>(
    `SELECT pg_catalog.pg_read_binary_file($1, 0, $2, true) AS text`,
    [oldest.directory + oldest.name, OVERLAP_BYTES],
  );
  const first = head?.text.toString("utf8").split("\n")[0] ?? "";
  try {
    const began = momentOf(String((JSON.parse(first) as Record<string, unknown>)["timestamp"]), oldest.zone);
    return began !== undefined && began <= since;
  } catch {
    return false;
  }
}
