import * as pulumi from "@pulumi/pulumi";
import type { DurationText, RotationArgs, SecretSource } from "./options";
import { RotatingSecret } from "./rotatingSecret";

export interface PostgresConnectionArgs {
  readonly host: string;
  /** @default 5432 */
  readonly port?: number;
  readonly database: string;
  /** A `postgres://` URL of the admin; or only the password, with `adminUser`. */
  readonly admin: SecretSource;
  readonly adminUser?: string;
  /** Certificates are verified, but for loopback and sockets, where there is no TLS. */
  readonly tls?: { readonly mode: "verify" | "disable"; readonly caFile?: string };
  /** @default "10s" */
  readonly connectTimeout?: DurationText;
}

export interface RotatingPostgresRoleArgs extends RotationArgs {
  readonly connection: pulumi.Input<PostgresConnectionArgs>;
  /** A NOLOGIN role that owns the application's objects; each version is a member of it. */
  readonly owner: pulumi.Input<string>;
  /** Further roles that each version is a member of. */
  readonly memberOf?: pulumi.Input<string[]>;
  /**
   * Whether sessions act as the owner (`SET role`), so that what they create belongs to it. With `false` they act as
   * the version's own role, with the rights of `owner` and `memberOf`. @default true
   */
  readonly assumeOwner?: pulumi.Input<boolean>;
  /** Begins each role's name. @default from the secret's name */
  readonly rolePrefix?: pulumi.Input<string>;
  /** `versioned`: a new role each time. `alternating`: the two fixed `users` take turns. @default "versioned" */
  readonly strategy?: pulumi.Input<"versioned" | "alternating">;
  /** The two names, for `alternating`. */
  readonly users?: pulumi.Input<[string, string]>;
  /**
   * Where refused log-ins are seen: in the server's JSON log. A role that somebody still tries to use while it is
   * disabled is then enabled again. Needs rights of its own, see docs/kinds/postgres.md. @default not seen
   */
  readonly refusedLogins?: pulumi.Input<{ readonly from: "serverLog" }>;
  /** A dead man's switch: password log-ins end after that time (`VALID UNTIL`). @default never */
  readonly validFor?: pulumi.Input<DurationText>;
}

/** A PostgreSQL login whose password, and by default whose role, is replaced by each rotation. */
export class RotatingPostgresRole extends RotatingSecret {
  /** The name of the role that is current. */
  readonly role: pulumi.Output<string>;

  constructor(name: string, args: RotatingPostgresRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    const {
      connection,
      owner,
      memberOf,
      assumeOwner,
      rolePrefix,
      strategy,
      users,
      validFor,
      refusedLogins,
      ...rotation
    } = args;
    const kind = pulumi
      .output({ connection, owner, memberOf, assumeOwner, rolePrefix, strategy, users, validFor, refusedLogins })
      .apply(({ connection: { ...where }, ...options }) => ({
        type: "postgresRole",
        ...Object.fromEntries(Object.entries({ ...where, ...options }).filter(([, value]) => value !== undefined)),
      }));
    super(name, { kind, ...rotation }, opts, "RotatingPostgresRole");
    this.role = this.issued.apply((issued) => issued["role"] ?? "");
  }
}
