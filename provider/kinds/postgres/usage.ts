/** Who is logged in as a role. */
import type { Use, UsageReport } from "../../contracts/kind";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { hasCode } from "./failures";
import type { Role } from "./roles";
import type { Session } from "./session";

/** How often, and how long apart, it is asked whether ended sessions are gone: 10 seconds in all. */
const GONE_ATTEMPTS = 50;
const GONE_INTERVAL_SECONDS = 0.2;

interface Row {
  readonly pid: number;
  readonly application: string | null;
  readonly address: string | null;
  readonly hidden: boolean;
  readonly since: Date | null;
}

/**
 * Sessions are counted by the role that logged in, whatever role they assumed since. Every user may see that a session
 * exists, with its application's name; address and start time only with the rights of the role or `pg_read_all_stats`.
 */
async function sessionsOf(session: Session, role: Role): Promise<Row[]> {
  return session.query<Row>(
    `SELECT pid, application_name AS application, pg_catalog.host(client_addr) AS address,
            backend_type IS NULL AS hidden, backend_start AS since
       FROM pg_catalog.pg_stat_activity
      WHERE usesysid = $1::pg_catalog.oid AND backend_type IS DISTINCT FROM 'parallel worker'
      ORDER BY backend_start, pid`,
    [role.oid],
  );
}

export async function usersOf(session: Session, role: Role): Promise<Use[]> {
  return (await sessionsOf(session, role)).map((row) => describeUse(role.name, row));
}

export async function usageOf(session: Session, role: Role): Promise<UsageReport> {
  const uses = await usersOf(session, role);
  if (uses.length > 0) return { verdict: "used", uses };
  // Nothing seen by somebody who may not be shown everything is no evidence.
  return { verdict: (await seesEverything(session, role)) ? "not-seen" : "unknown", uses };
}

async function seesEverything(session: Session, role: Role): Promise<boolean> {
  const [row] = await session.query<{ sees: boolean }>(
    `SELECT pg_catalog.pg_has_role(current_user, $1::pg_catalog.oid, 'USAGE')
         OR pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees`,
    [role.oid],
  );
  return row?.sees ?? false;
}

function describeUse(principal: string, row: Row): Use {
  const who = row.application || "an application without a name";
  const named = { principal, ...(row.application ? { application: row.application } : {}) };
  if (row.hidden) return { by: `${who} (address and time are hidden from the admin)`, ...named };
  return {
    by: `${who} from ${row.address ?? "a Unix socket"} since ${row.since?.toISOString() ?? "an unknown time"}`,
    ...named,
    client: row.address ?? "local",
    ...(row.since ? { since: row.since.getTime() } : {}),
  };
}

/** Ends every session of the role and waits until they are gone. New ones must be kept out already. */
export async function terminateSessions(session: Session, role: Role): Promise<void> {
  try {
    for (let attempt = 1; attempt <= GONE_ATTEMPTS; attempt++) {
      const left = await sessionsOf(session, role);
      if (left.length === 0) return;
      // Again each time: one that was just logging in is seen late.
      await session.query(`SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.unnest($1::int[]) AS pid`, [
        left.map((row) => row.pid),
      ]);
      await session.query(`SELECT pg_catalog.pg_sleep($1)`, [GONE_INTERVAL_SECONDS]);
    }
  } catch (error) {
    if (!hasCode(error, "42501")) throw error;
    throw new ConfigurationError(
      `The admin may not end the sessions of the role ${JSON.stringify(role.name)}, which is disabled now. ` +
        `As a superuser: GRANT pg_signal_backend TO the admin. Then run it again.`,
    );
  }
  const left = await usersOf(session, role);
  if (left.length === 0) return;
  throw new StateError(
    `The role ${JSON.stringify(role.name)} is disabled, but its sessions did not end in time: ` +
      `${listUses(left)}. Run it again.`,
  );
}

export function listUses(uses: readonly Use[]): string {
  return uses.map((use) => use.by).join(", ");
}
