/** The log-in roles of one site, in a database of its own: counted, kept, and put back. */
import { Client } from "pg";
import type { PostgresServer } from "../support/postgres";

/** Statements that make the roles again as they were. */
export type SavedRoles = readonly string[];

/** What the app asks. Needs what the owner has, and what a membership brings. */
export const QUERY = "SELECT orders.n + stock.n AS n FROM orders CROSS JOIN stock";
/** What a check asks, and the app does not: a version that may not is rejected, and nobody was harmed by it. */
export const CHECKED = "SELECT n FROM books";

export class Roles {
  private constructor(
    readonly adminUrl: string,
    private readonly id: string,
    private readonly client: Client,
  ) {}

  static async open(server: PostgresServer, id: string): Promise<Roles> {
    const root = await connect(server.adminUrl);
    await root.query(`CREATE DATABASE db_${id}`);
    await root.end();
    const url = new URL(server.adminUrl);
    url.pathname = `/db_${id}`;
    const client = await connect(url.href);
    await client.query(
      `CREATE ROLE owner_${id} NOLOGIN; CREATE ROLE reader_${id} NOLOGIN; CREATE ROLE auditor_${id} NOLOGIN;
       CREATE TABLE orders AS SELECT 1 AS n; CREATE TABLE stock AS SELECT 2 AS n; CREATE TABLE books AS SELECT 3 AS n;
       ALTER TABLE orders OWNER TO owner_${id}; GRANT SELECT ON stock TO reader_${id}; GRANT SELECT ON books TO auditor_${id};
       REVOKE CONNECT ON DATABASE db_${id} FROM PUBLIC; GRANT CONNECT ON DATABASE db_${id} TO owner_${id}`,
    );
    return new Roles(url.href, id, client);
  }

  async run(statement: string): Promise<void> {
    await this.client.query(statement);
  }

  /** Every role that is made for a version, or was there before. */
  async all(): Promise<string[]> {
    return this.list("true");
  }

  async live(): Promise<string[]> {
    return this.list("r.rolcanlogin");
  }

  private async list(which: string): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>(
      `SELECT r.rolname AS name FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
        WHERE m.roleid = $1::regrole AND NOT r.rolsuper AND ${which} ORDER BY 1`,
      [`owner_${this.id}`],
    );
    return rows.map((row) => row.name);
  }

  async save(): Promise<SavedRoles> {
    const { rows } = await this.client.query<{ statement: string }>(
      `SELECT format('CREATE ROLE %I %s PASSWORD %L VALID UNTIL %L', r.rolname,
                CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, r.rolpassword, coalesce(r.rolvaliduntil, 'infinity'))
              || coalesce(format('; COMMENT ON ROLE %I IS %L', r.rolname, shobj_description(r.oid, 'pg_authid')), '')
              || (SELECT string_agg(format('; GRANT %I TO %I WITH ADMIN %s, INHERIT %s, SET %s', g.rolname, r.rolname,
                                           m.admin_option::text, m.inherit_option::text, m.set_option::text), '')
                    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) AS statement
         FROM pg_authid r WHERE r.rolname = ANY ($1) ORDER BY r.rolname`,
      [await this.all()],
    );
    return rows.map((row) => row.statement);
  }

  async restore(saved: SavedRoles): Promise<void> {
    const drop = (await this.all()).map((name) => `DROP OWNED BY "${name}"; DROP ROLE "${name}"`);
    await this.client.query([...drop, ...saved].join("; "));
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
