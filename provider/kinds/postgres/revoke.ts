/** The end of a credential: no log-in, no session, nothing owned, no role. Each step may be repeated. */
import type { IssuedRef } from "../../contracts/context";
import type { RevokeOptions } from "../../contracts/kind";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { type Admin, CannotEnterError } from "./admin";
import { hasCode, type ServerError } from "./failures";
import type { PostgresOptions } from "./options";
import {
  type AdminFacts,
  adminFacts,
  findRole,
  reachRole,
  refuseUntouchable,
  type Role,
  roleOf,
  standing,
} from "./roles";
import type { Session } from "./session";
import { execute } from "./sql";
import { listUses, terminateSessions, usersOf } from "./usage";

export async function revoke(
  admin: Admin,
  options: PostgresOptions,
  ref: IssuedRef,
  { terminateSessions: terminate }: RevokeOptions,
): Promise<void> {
  const role = await admin.run((session) => shutOut(session, options, ref, terminate));
  if (!role) return;
  if (options.strategy === "alternating") return admin.transaction((session) => putToRest(session, role));
  await giveAwayProperty(admin, options, ref, role);
  await admin.run((session) => dropRole(session, role));
}

/** Ends log-ins and sessions. Returns the role, or `undefined` when the credential is gone already. */
async function shutOut(
  session: Session,
  options: PostgresOptions,
  ref: IssuedRef,
  terminate: boolean,
): Promise<Role | undefined> {
  const role = await findCredential(session, options, ref);
  if (!role) return undefined;
  const facts = await adminFacts(session);
  refuseUntouchable(role, facts, options.owner);
  await reachRole(session, facts, role.name);
  if (!terminate) refuseWhileUsed(role, await usersOf(session, role), role.canLogin);
  await execute(session, "ALTER ROLE %I NOLOGIN", role.name);
  if (terminate) {
    await terminateSessions(session, role);
    return role;
  }
  // One may have come in between looking and closing: then it is in use, and is given back as it was.
  const late = await usersOf(session, role);
  if (late.length > 0 && role.canLogin) await execute(session, "ALTER ROLE %I LOGIN", role.name);
  refuseWhileUsed(role, late, role.canLogin);
  return role;
}

/** The role that the reference means, `undefined` when that credential no longer exists. */
export async function findCredential(
  session: Session,
  options: PostgresOptions,
  ref: IssuedRef,
): Promise<Role | undefined> {
  const role = await findRole(session, roleOf(ref));
  const found = standing(ref, role);
  if (found === "same") return role;
  // A user that rests has no mark; a role of a version's own without one was tampered with.
  if (found === "gone" || options.strategy === "alternating") return undefined;
  throw new StateError(
    `The role ${JSON.stringify(roleOf(ref))} has lost the comment that says it belongs to rotation ${ref["rotation"]}. ` +
      `It was left untouched. See who uses it, then drop it by hand, and run this again.`,
  );
}

function refuseWhileUsed(role: Role, uses: readonly { by: string }[], enabled: boolean): void {
  if (uses.length === 0) return;
  throw new StateError(
    `The role ${JSON.stringify(role.name)} is in use by ${listUses(uses)}. Nothing was revoked; it ` +
      `${enabled ? "can still log in" : "stays disabled"}. Move them to the current version, or end their sessions.`,
  );
}

/** An alternating user stays, without a password, its mark and the rights that it was given with its version. */
async function putToRest(session: Session, role: Role): Promise<void> {
  await execute(session, "ALTER ROLE %I NOLOGIN PASSWORD NULL", role.name);
  for (const group of role.mark ? [role.mark.owner, ...role.mark.memberOf] : []) {
    if (await findRole(session, group)) await execute(session, "REVOKE %I FROM %I", group, role.name);
  }
  await execute(session, "COMMENT ON ROLE %I IS NULL", role.name);
}

/** In every database, what the role owns goes to the owner, and rights granted to it directly are taken away. */
async function giveAwayProperty(admin: Admin, options: PostgresOptions, ref: IssuedRef, role: Role): Promise<void> {
  const { owner, databases, shared } = await admin.run(async (session) => {
    const facts = await adminFacts(session);
    const heir = await heirOf(session, options, ref);
    await reachHeir(session, facts, heir);
    return { owner: heir, ...(await propertyOf(session, role)) };
  });
  const refused: CannotEnterError[] = [];
  for (const database of databases) {
    try {
      await admin.inDatabase(database, (session) => handOver(session, role.name, owner));
    } catch (error) {
      if (!(error instanceof CannotEnterError)) throw error;
      refused.push(error);
    }
  }
  if (refused.length > 0) {
    throw new ConfigurationError(
      `The role ${JSON.stringify(role.name)} is disabled, but not dropped: it still has something in databases that ` +
        `the admin cannot enter: ${refused.map((e) => `${JSON.stringify(e.database)} (${e.why})`).join("; ")}. ` +
        `Let the admin in (GRANT CONNECT ON DATABASE … TO the admin, pg_hba.conf), or do there as a superuser: ` +
        `REASSIGN OWNED BY ${JSON.stringify(role.name)} TO ${JSON.stringify(owner)}; ` +
        `DROP OWNED BY ${JSON.stringify(role.name)}. Then run it again.`,
    );
  }
  // Databases, tablespaces and memberships belong to no database; any database will do.
  if (shared && databases.length === 0) await admin.transaction((session) => handOver(session, role.name, owner));
}

async function handOver(session: Session, role: string, owner: string): Promise<void> {
  await execute(session, "REASSIGN OWNED BY %I TO %I", role, owner);
  await execute(session, "DROP OWNED BY %I", role);
}

/** The owner at the time of the version, for its objects are that owner's; the current one if that is gone. */
async function heirOf(session: Session, options: PostgresOptions, ref: IssuedRef): Promise<string> {
  const then = ref["owner"];
  return then && (await findRole(session, then)) ? then : options.owner;
}

async function reachHeir(session: Session, facts: AdminFacts, owner: string): Promise<void> {
  if (!(await findRole(session, owner))) {
    throw new ConfigurationError(
      `The owner ${JSON.stringify(owner)} does not exist, so nobody can be given what the retired role owns. ` +
        `Create it (CREATE ROLE … NOLOGIN), then run it again.`,
    );
  }
  await reachRole(session, facts, owner);
}

async function propertyOf(session: Session, role: Role): Promise<{ databases: string[]; shared: boolean }> {
  const rows = await session.query<{ database: string | null }>(
    `SELECT DISTINCT d.datname AS database
       FROM pg_catalog.pg_shdepend s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
      WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.refobjid = $1::pg_catalog.oid
      ORDER BY 1`,
    [role.oid],
  );
  const databases = rows.flatMap((row) => (row.database === null ? [] : [row.database]));
  return { databases, shared: rows.length > databases.length };
}

async function dropRole(session: Session, role: Role): Promise<void> {
  try {
    await execute(session, "DROP ROLE IF EXISTS %I", role.name);
  } catch (error) {
    if (!hasCode(error, "2BP01")) throw error;
    throw new StateError(
      `The role ${JSON.stringify(role.name)} is disabled, but cannot be dropped: ` +
        `${((error as ServerError).detail ?? "something depends on it").replaceAll("\n", "; ")}. ` +
        `These were granted by a role whose rights the admin lacks: revoke them as a superuser ` +
        `(REVOKE … FROM ${JSON.stringify(role.name)}), then run it again.`,
    );
  }
}
