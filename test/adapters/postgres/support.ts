/** What the tests of the PostgreSQL kind share: one server, databases and roles of their own, kinds, log-ins. */
import { randomBytes, randomUUID } from "node:crypto";
import { Client } from "pg";
import type { AdapterContext, IssuedRef, SecretValue } from "../../../provider/contracts/context";
import type { CredentialKind, Issued, IssueRequest } from "../../../provider/contracts/kind";
import { createPostgresKind, type PostgresOptionsInput } from "../../../provider/kinds/postgres";
import { type PostgresServer, startPostgres } from "../../support/postgres";

let shared: Promise<PostgresServer> | undefined;

/** The server that all tests share: statements are logged, so that the log can be searched for secrets. */
export function sharedServer(): Promise<PostgresServer> {
  return (shared ??= startPostgres({ logStatements: true }));
}

after(async () => {
  await (await shared)?.stop();
  shared = undefined;
});

export async function login(
  to: { readonly host: string; readonly port: number | string },
  user: string,
  password: string,
  database: string,
  applicationName = "test",
): Promise<Client> {
  const client = new Client({
    ...{ host: to.host, port: Number(to.port), user, password, database },
    ...{ application_name: applicationName, ssl: false },
  });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

export function use(value: SecretValue, applicationName = "orders-api"): Promise<Client> {
  const { host, port, username, password, database } = value;
  return login({ host: host!, port: port! }, username!, password!, database!, applicationName);
}

/** A database with an owner and an admin, as docs/kinds/postgres.md sets them up. Every name is fresh. */
export class Site {
  readonly logged: string[] = [];
  private readonly closing: (() => Promise<void>)[] = [];

  private constructor(
    readonly server: PostgresServer,
    readonly superuser: Client,
    readonly id: string,
    readonly adminPassword: string,
  ) {}

  get database(): string {
    return `db_${this.id}`;
  }
  get owner(): string {
    return `owner_${this.id}`;
  }
  get admin(): string {
    return `admin_${this.id}`;
  }

  static async create(server?: PostgresServer): Promise<Site> {
    const on = server ?? (await sharedServer());
    const superuser = await login(on, on.superuser, on.password, "postgres", "test superuser");
    const site = new Site(on, superuser, randomBytes(5).toString("hex"), randomBytes(12).toString("base64url"));
    site.closing.push(() => superuser.end());
    await superuser.query(`CREATE ROLE ${site.owner} NOLOGIN`);
    await superuser.query(`CREATE DATABASE ${site.database} OWNER ${site.owner}`);
    await superuser.query(`CREATE ROLE ${site.admin} LOGIN CREATEROLE PASSWORD '${site.adminPassword}'`);
    await superuser.query(`GRANT ${site.owner} TO ${site.admin} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE`);
    return site;
  }

  /** Options for the admin that is no superuser. */
  options(over: Partial<PostgresOptionsInput> = {}): PostgresOptionsInput {
    const { host, port } = this.server;
    return {
      ...{ type: "postgresRole", host, port, database: this.database, owner: this.owner },
      ...{ admin: { from: "env", name: "PLAIN_ADMIN" }, rolePrefix: `r_${this.id}`, connectTimeout: "5s" },
      ...over,
    };
  }

  /** `SUPER_ADMIN`: the superuser's URL. `PLAIN_ADMIN`: the one with CREATEROLE. `ADMIN_PASSWORD`: its password. */
  context(over: Partial<AdapterContext> = {}): AdapterContext {
    const { host, port, adminUrl } = this.server;
    const secrets: Record<string, string> = {
      SUPER_ADMIN: adminUrl.replace(/postgres$/, this.database),
      PLAIN_ADMIN: `postgres://${this.admin}:${this.adminPassword}@${host}:${port}/${this.database}`,
      ADMIN_PASSWORD: this.adminPassword,
    };
    return {
      clock: { now: () => Date.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
      signal: new AbortController().signal,
      log: { info: (line) => void this.logged.push(line), warn: (line) => void this.logged.push(line) },
      resolveSecret: async (source) => (source.from === "env" && secrets[source.name]) || "missing",
      ...over,
    };
  }

  kind(over: Partial<PostgresOptionsInput> = {}, context: Partial<AdapterContext> = {}): CredentialKind {
    const kind = createPostgresKind(this.options(over), this.context(context));
    this.closing.push(() => kind.close());
    return kind;
  }

  /** Logs in to this site's database, until the end of the test. */
  async login(user: string, password: string, database = this.database, application = "test"): Promise<Client> {
    const client = await login(this.server, user, password, database, application);
    this.closing.push(() => client.end().catch(() => undefined));
    return client;
  }

  async use(value: SecretValue, applicationName?: string): Promise<Client> {
    const client = await use(value, applicationName);
    this.closing.push(() => client.end().catch(() => undefined));
    return client;
  }

  /** A login role made by hand, as applications have them before rotation. */
  async existing(): Promise<{ username: string; password: string }> {
    const username = `app_${randomBytes(5).toString("hex")}`;
    const password = randomBytes(12).toString("base64url");
    await this.superuser.query(`CREATE ROLE ${username} LOGIN PASSWORD '${password}'`);
    await this.superuser.query(`GRANT ${this.owner} TO ${username}`);
    await this.superuser.query(`GRANT ${username} TO ${this.admin} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE`);
    return { username, password };
  }

  async roleExists(name: string): Promise<boolean> {
    return (await this.superuser.query(`SELECT FROM pg_roles WHERE rolname = $1`, [name])).rowCount === 1;
  }

  async dispose(): Promise<void> {
    for (const close of this.closing.reverse()) await close();
  }
}

/** Rotations of one secret: numbers and ids as the protocol would give them. */
export class Rotations {
  readonly identity = randomUUID();
  private version = 0;

  constructor(private readonly kind: CredentialKind) {}

  async draft(...live: IssuedRef[]): Promise<IssueRequest> {
    const request = {
      ...{ secret: "orders-db", identity: this.identity, rotationId: randomUUID(), version: ++this.version, live },
    };
    return { ...request, draft: await this.kind.propose(request) };
  }

  async issue(...live: IssuedRef[]): Promise<Issued> {
    return this.kind.issue(await this.draft(...live));
  }
}
