/**
 * The kind `postgresRole`: a log-in to a PostgreSQL database.
 *
 * Each version is a LOGIN role of its own (or one of two fixed users that take turns), a member of one NOLOGIN owner
 * that has the data and the grants. So a rotation moves no grant and no table, and both versions work side by side.
 * The admin needs CREATEROLE and ADMIN on the owner, no superuser: the exact SQL is in docs/kinds/postgres.md.
 */
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type {
  CredentialKind,
  Draft,
  InspectedCredential,
  Issued,
  IssueRequest,
  KindCapabilities,
  ProposeRequest,
  RefusalReport,
  RevokeOptions,
  UsageReport,
  Verification,
} from "../../contracts/kind";
import { parseDuration } from "../../lifecycle/duration";
import { NotFoundError } from "../../lifecycle/errors";
import { Admin } from "./admin";
import { adopt } from "./adopt";
import { isLocal, usesTls } from "./endpoint";
import { issue } from "./issue";
import { refOf } from "./mark";
import { parsePostgresOptions, type PostgresOptions, type PostgresOptionsInput } from "./options";
import { propose } from "./propose";
import { refusalsOf } from "./refusals";
import { findCredential, revoke } from "./revoke";
import { adminFacts, findMarkedRoles, findRole, refuseUntouchable, roleOf } from "./roles";
import { execute } from "./sql";
import { usageOf } from "./usage";
import { verify } from "./verify";

/** @throws ConfigurationError when the options are wrong. Nothing is connected to before it is needed. */
export function createPostgresKind(options: PostgresOptionsInput, context: AdapterContext): CredentialKind {
  return new PostgresKind(parsePostgresOptions(options), context);
}

class PostgresKind implements CredentialKind {
  readonly type = "postgresRole";
  readonly capabilities: KindCapabilities;
  private readonly admin: Admin;

  constructor(
    private readonly options: PostgresOptions,
    private readonly context: AdapterContext,
  ) {
    this.admin = new Admin(options, context);
    this.capabilities = {
      overlap: options.strategy,
      value: "chosen",
      ...(options.strategy === "alternating" && { maxLive: 2 }),
      canDisable: true,
      hasLastUsed: false,
      seesRefusals: options.refusedLogins !== undefined,
    };
    if (!isLocal(options.host) && !usesTls(options.host, options.tls)) {
      context.log.warn(`Connections to PostgreSQL at ${options.host} are not encrypted: tls.mode is "disable".`);
    }
  }

  async propose(request: ProposeRequest): Promise<Draft> {
    return propose(this.options, request);
  }

  async issue(request: IssueRequest): Promise<Issued> {
    const validFor = this.options.validFor === undefined ? undefined : parseDuration(this.options.validFor);
    const expiresAt = validFor === undefined ? undefined : this.context.clock.now() + validFor;
    return issue(this.admin, this.options, request, expiresAt);
  }

  async verify(value: SecretValue, ref: IssuedRef): Promise<Verification> {
    return verify(this.options, this.context, value, ref);
  }

  async inspect(identity: string): Promise<readonly InspectedCredential[]> {
    const roles = await this.admin.run((session) => findMarkedRoles(session, identity));
    return roles.flatMap(({ name, mark, canLogin }) =>
      mark ? [{ ref: refOf(name, mark), rotationId: mark.rotation, enabled: canLogin }] : [],
    );
  }

  async usage(ref: IssuedRef): Promise<UsageReport> {
    return this.admin.run(async (session) => {
      const role = await findCredential(session, this.options, ref);
      return role ? usageOf(session, role) : { verdict: "not-seen", uses: [] };
    });
  }

  async refusals(ref: IssuedRef, since: number): Promise<RefusalReport> {
    return this.admin.run((session) => refusalsOf(session, roleOf(ref), since));
  }

  /** Ends log-ins; open sessions go on. */
  async disable(ref: IssuedRef): Promise<void> {
    await this.setLogin(ref, "ALTER ROLE %I NOLOGIN", false);
  }

  async enable(ref: IssuedRef): Promise<void> {
    await this.setLogin(ref, "ALTER ROLE %I LOGIN", true);
  }

  async revoke(ref: IssuedRef, options: RevokeOptions): Promise<void> {
    await revoke(this.admin, this.options, ref, options);
  }

  async adopt(value: Readonly<Record<string, string>>): Promise<Issued> {
    return adopt(this.admin, this.options, this.context, value);
  }

  async close(): Promise<void> {
    await this.admin.close();
  }

  private async setLogin(ref: IssuedRef, template: string, mustExist: boolean): Promise<void> {
    await this.admin.run(async (session) => {
      const role = await findCredential(session, this.options, ref);
      if (role) {
        refuseUntouchable(role, await adminFacts(session), this.options.owner);
        await execute(session, template, role.name);
        return;
      }
      // Another version has the user now: this one is off already, and cannot be switched on again.
      const taken = (await findRole(session, roleOf(ref))) !== undefined;
      if (taken && !mustExist) return;
      throw new NotFoundError(
        `The role ${JSON.stringify(roleOf(ref))} of rotation ${ref["rotation"] || "(adopted)"} does not exist ` +
          `${taken ? "any more: the user belongs to another rotation" : "at the server"}. Nothing was changed.`,
      );
    });
  }
}
