/** Takes over a credential that is in use, without changing anything about it. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { Issued } from "../../contracts/kind";
import { ConfigurationError, NotFoundError, StateError } from "../../lifecycle/errors";
import type { Admin } from "./admin";
import { credential } from "./endpoint";
import type { PostgresOptions } from "./options";
import { adminFacts, findRole, refuseUntouchable, type Role } from "./roles";
import type { Session } from "./session";
import { verify } from "./verify";

export async function adopt(
  admin: Admin,
  options: PostgresOptions,
  context: AdapterContext,
  given: Readonly<Record<string, string>>,
): Promise<Issued> {
  const { username, password } = given;
  if (!username || !password) {
    throw new ConfigurationError(
      `A PostgreSQL credential to adopt needs the fields "username" and "password"; ` +
        `given were: ${Object.keys(given).sort().join(", ") || "none"}.`,
    );
  }
  admin.hide(password);
  const value = credential(options, options.tls, username, password);
  const login = await verify(options, context, value, { role: username, adopted: "true" });
  if (!login.works) {
    throw new StateError(
      `The credential of ${JSON.stringify(username)} cannot be adopted: ${login.detail} Nothing was changed.`,
    );
  }
  const { role, manageable, adminUser } = await admin.run((session) => examine(session, options, username));
  if (!manageable) {
    context.log.warn(
      `${username} was adopted, but ${adminUser} cannot disable or drop it later. Before it is retired, as a ` +
        `superuser: GRANT "${username}" TO "${adminUser}" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE.`,
    );
  }
  return { ref: adoptedRef(role), value };
}

/** The oid tells it from a role of the same name that is made after this one was dropped. */
function adoptedRef(role: Role): IssuedRef {
  return { role: role.name, adopted: "true", rotation: "", version: "", oid: role.oid };
}

async function examine(
  session: Session,
  options: PostgresOptions,
  username: string,
): Promise<{ role: Role; manageable: boolean; adminUser: string }> {
  const role = await findRole(session, username);
  if (!role)
    throw new NotFoundError(`The admin's server has no role ${JSON.stringify(username)}. Check host and admin.`);
  const facts = await adminFacts(session);
  refuseUntouchable(role, facts, options.owner);
  if (role.mark) {
    throw new StateError(
      `The role ${JSON.stringify(username)} was issued by rotation ${role.mark.rotation} of a secret with the identity ` +
        `${role.mark.identity}, so it cannot be adopted. Nothing was changed. Use that secret, or retire it first.`,
    );
  }
  return { role, manageable: await isManageable(session, facts.serverVersion, role), adminUser: facts.user };
}

/** From 16 on, CREATEROLE alone is not enough to change a role that somebody else made. */
async function isManageable(session: Session, serverVersion: number, role: Role): Promise<boolean> {
  const [row] = await session.query<{ manageable: boolean }>(
    `SELECT r.rolsuper OR (r.rolcreaterole AND ($2::int < 160000
              OR pg_catalog.pg_has_role(r.oid, $1::pg_catalog.oid, 'USAGE WITH ADMIN OPTION')
              OR pg_catalog.pg_has_role(r.oid, $1::pg_catalog.oid, 'MEMBER WITH ADMIN OPTION'))) AS manageable
       FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`,
    [role.oid, serverVersion],
  );
  return row?.manageable ?? false;
}
