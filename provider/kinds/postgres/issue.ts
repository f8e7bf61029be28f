/** Makes a version's role in one transaction, or sets the one made before for the same rotation right. */
import type { Issued, IssueRequest } from "../../contracts/kind";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import type { Admin } from "./admin";
import { encodeMark } from "./mark";
import type { PostgresOptions } from "./options";
import { markFor } from "./propose";
import { adminFacts, findRole, grantMembership, reachRole, refuseUntouchable, type Role, roleOf } from "./roles";
import { scramVerifier } from "./scram";
import type { Session } from "./session";
import { execute } from "./sql";

/**
 * @param expiresAt When the server is to refuse the password, in ms since the epoch; `undefined`: never.
 */
export async function issue(
  admin: Admin,
  options: PostgresOptions,
  request: IssueRequest,
  expiresAt: number | undefined,
): Promise<Issued> {
  const { ref, value } = request.draft;
  const role = roleOf(ref);
  const password = value?.["password"];
  if (!value || !password || value["username"] !== role) {
    throw new StateError(`The draft of ${request.secret} v${request.version} has no password for the role ${role}.`);
  }
  const verifier = await scramVerifier(password);
  admin.hide(password);
  admin.hide(verifier);
  await admin.transaction((session) => makeRole(session, options, request, role, verifier, expiresAt));
  return { ref, value, ...(expiresAt !== undefined && { expiresAt }) };
}

async function makeRole(
  session: Session,
  options: PostgresOptions,
  request: IssueRequest,
  role: string,
  verifier: string,
  expiresAt: number | undefined,
): Promise<void> {
  // Two runs that issue the same role wait for each other instead of failing half-way.
  await session.query(`SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))`, [
    `pulumi-rotating-secrets role ${role}`,
  ]);
  const facts = await adminFacts(session);
  await requireGroups(session, options);
  const existing = await findRole(session, role);
  if (existing) {
    refuseUntouchable(existing, facts, options.owner);
    refuseForeign(existing, options, request);
  } else {
    await execute(session, "CREATE ROLE %I", role);
  }
  // No password travels here, only what the server keeps of one.
  const until = expiresAt === undefined ? "infinity" : new Date(expiresAt).toISOString();
  await execute(session, "ALTER ROLE %I WITH LOGIN PASSWORD %L VALID UNTIL %L", role, verifier, until);
  for (const group of [options.owner, ...options.memberOf]) await grantMembership(session, facts, group, role);
  if (options.assumeOwner) await execute(session, "ALTER ROLE %I SET role = %L", role, options.owner);
  else await execute(session, "ALTER ROLE %I RESET role", role);
  await execute(session, "COMMENT ON ROLE %I IS %L", role, encodeMark(markFor(options, request)));
  await reachRole(session, facts, role);
}

async function requireGroups(session: Session, options: PostgresOptions): Promise<void> {
  const owner = await findRole(session, options.owner);
  const name = JSON.stringify(options.owner);
  if (!owner) {
    throw new ConfigurationError(
      `The owner ${name} does not exist. Nothing was changed. Create it: CREATE ROLE ${name} NOLOGIN; ` +
        `then let it own the data and grant it to the admin WITH ADMIN TRUE, INHERIT TRUE, SET TRUE.`,
    );
  }
  if (owner.superuser) {
    throw new ConfigurationError(
      `The owner ${name} is a superuser, so every version would be one. Nothing was changed. Use an ordinary role.`,
    );
  }
  if (owner.canLogin) {
    throw new ConfigurationError(
      `The owner ${name} can log in, so it has a credential that is never rotated. Nothing was changed. ` +
        `Use a NOLOGIN role, such as: CREATE ROLE "<name>" NOLOGIN; REASSIGN OWNED BY ${name} TO "<name>"; ` +
        `or, where nothing logs in as it: ALTER ROLE ${name} NOLOGIN.`,
    );
  }
  for (const group of options.memberOf) {
    if (await findRole(session, group)) continue;
    throw new ConfigurationError(
      `memberOf names the role ${JSON.stringify(group)}, which does not exist. Nothing was changed. ` +
        `Create it (CREATE ROLE … NOLOGIN) or take it out of memberOf.`,
    );
  }
}

/** @throws StateError when the role of that name is anything but this rotation's, or a user that rests. */
function refuseForeign(role: Role, options: PostgresOptions, request: IssueRequest): void {
  const { mark } = role;
  if (mark?.identity === request.identity && mark.rotation === request.rotationId) return;
  const name = JSON.stringify(role.name);
  if (mark?.identity === request.identity) {
    throw new StateError(
      `The role ${name} belongs to rotation ${mark.rotation} (v${mark.version}) of ${request.secret}, which has not ` +
        `been retired. It was left untouched. Let that version be retired first.`,
    );
  }
  if (mark) {
    throw new StateError(
      `The role ${name} belongs to another secret (identity ${mark.identity}). It was left untouched. ` +
        `Give each secret a name, rolePrefix or users of its own.`,
    );
  }
  if (options.strategy === "alternating" && !role.canLogin) return;
  throw new StateError(
    options.strategy === "alternating"
      ? `The user ${name} can log in but was not issued by ${request.secret}, so something may use it. It was left ` +
          `untouched. Adopt its credential, or, if nothing uses it: ALTER ROLE ${name} NOLOGIN.`
      : `A role ${name} exists that was not issued by this rotation. It was left untouched. ` +
          `Drop or rename it, or choose another rolePrefix.`,
  );
}
