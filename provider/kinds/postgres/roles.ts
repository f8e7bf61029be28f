/** What the server knows about a role, and whether it is the one that a reference means. */
import type { IssuedRef } from "../../contracts/context";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { decodeMark, type Mark } from "./mark";
import type { Session } from "./session";
import { execute } from "./sql";

export interface Role {
  readonly oid: string;
  readonly name: string;
  readonly canLogin: boolean;
  readonly superuser: boolean;
  /** `undefined` for a role that is not ours. */
  readonly mark: Mark | undefined;
}

interface RoleRow {
  readonly oid: string;
  readonly name: string;
  readonly can_login: boolean;
  readonly superuser: boolean;
  readonly comment: string | null;
}

export async function findRole(session: Session, name: string): Promise<Role | undefined> {
  const [row] = await session.query<RoleRow>(
    `SELECT oid::text AS oid, rolname AS name, rolcanlogin AS can_login, rolsuper AS superuser,
            pg_catalog.shobj_description(oid, 'pg_authid') AS comment
       FROM pg_catalog.pg_roles WHERE rolname = $1`,
    [name],
  );
  return row && toRole(row);
}

/** Every role whose mark carries the identity. */
export async function findMarkedRoles(session: Session, identity: string): Promise<Role[]> {
  const rows = await session.query<RoleRow>(
    `SELECT r.oid::text AS oid, r.rolname AS name, r.rolcanlogin AS can_login, r.rolsuper AS superuser,
            d.description AS comment
       FROM pg_catalog.pg_shdescription d JOIN pg_catalog.pg_roles r ON r.oid = d.objoid
      WHERE d.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND pg_catalog.strpos(d.description, $1) > 0
      ORDER BY r.rolname`,
    [identity],
  );
  return rows.map(toRole).filter((role) => role.mark?.identity === identity);
}

function toRole(row: RoleRow): Role {
  return {
    oid: row.oid,
    name: row.name,
    canLogin: row.can_login,
    superuser: row.superuser,
    mark: decodeMark(row.comment),
  };
}

export interface AdminFacts {
  readonly user: string;
  readonly superuser: boolean;
  /** As `server_version_num`: 180004 for 18.4. */
  readonly serverVersion: number;
}

export async function adminFacts(session: Session): Promise<AdminFacts> {
  const [row] = await session.query<{ name: string; superuser: boolean; version: number }>(
    `SELECT rolname AS name, rolsuper AS superuser,
            pg_catalog.current_setting('server_version_num')::int AS version
       FROM pg_catalog.pg_roles WHERE rolname = current_user`,
  );
  if (!row) throw new StateError("The server does not know the role of the admin's own session.");
  return { user: row.name, superuser: row.superuser, serverVersion: row.version };
}

/** From 16 on, a membership says by itself whether rights are inherited and the role may be assumed. */
export async function grantMembership(
  session: Session,
  admin: AdminFacts,
  group: string,
  member: string,
): Promise<void> {
  const template = admin.serverVersion >= 160_000 ? "GRANT %I TO %I WITH INHERIT TRUE, SET TRUE" : "GRANT %I TO %I";
  await execute(session, template, group, member);
}

/**
 * Gives the admin the rights of a role where it lacks them: without them it sees no details of the role's sessions,
 * may not end them, and may not reassign what the role owns. A superuser has them all.
 */
export async function reachRole(session: Session, admin: AdminFacts, role: string): Promise<void> {
  if (admin.superuser || (await hasRightsOf(session, role))) return;
  await grantMembership(session, admin, role, admin.user);
}

export async function hasRightsOf(session: Session, role: string): Promise<boolean> {
  const [row] = await session.query<{ reached: boolean }>(
    `SELECT pg_catalog.pg_has_role(current_user, oid, 'USAGE') AS reached
       FROM pg_catalog.pg_roles WHERE rolname = $1`,
    [role],
  );
  return row?.reached ?? false;
}

/**
 * `same`: the role is the credential that the reference means. `gone`: the credential no longer exists; the role of
 * its name, if there is one, is another. `unmarked`: a role of that name whose mark was taken away by somebody.
 */
export type Standing = "same" | "gone" | "unmarked";

export function standing(ref: IssuedRef, role: Role | undefined): Standing {
  if (!role) return "gone";
  if (ref["adopted"] === "true") return !role.mark && role.oid === (ref["oid"] ?? role.oid) ? "same" : "gone";
  if (!role.mark) return "unmarked";
  return role.mark.rotation === ref["rotation"] ? "same" : "gone";
}

/** @throws ConfigurationError for a role that must never be switched off or dropped by a rotation. */
export function refuseUntouchable(role: Role, admin: AdminFacts, owner: string): void {
  const why = role.superuser
    ? "is a superuser"
    : role.name === admin.user
      ? "is the admin itself"
      : role.name === owner
        ? "is the owner of the data"
        : undefined;
  if (why === undefined) return;
  throw new ConfigurationError(
    `The role ${JSON.stringify(role.name)} ${why}, so it cannot be rotated: it would be disabled and dropped at the ` +
      `end. Nothing was changed. Give the application a role of its own that is a member of a NOLOGIN owner.`,
  );
}

export function roleOf(ref: IssuedRef): string {
  const role = ref["role"];
  if (!role) throw new StateError(`The reference ${JSON.stringify(ref)} names no PostgreSQL role ("role").`);
  return role;
}
