/** The database of the demo: a real PostgreSQL server, set up as `docs/kinds/postgres.md` says. */
import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { startPostgres } from "../../../test/support/postgres";
import type { Credential } from "../apps/app";
import { SCHEMA } from "../data";

export interface Database {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly owner: string;
  readonly readers: string;
  /** The URL of a plain admin, no superuser: it may make roles, and hand out the owner and the readers. */
  readonly adminUrl: string;
  roles(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startDatabase(): Promise<Database> {
  const server = await startPostgres();
  const superuser = new Client(server.adminUrl);
  // It goes away with its server.
  superuser.on("error", () => undefined);
  try {
    await superuser.connect();
    const name = "shop";
    const password = randomBytes(18).toString("base64url");
    await superuser.query(`CREATE DATABASE ${name}`);
    const inShop = new Client(server.adminUrl.replace(/\/postgres$/, `/${name}`));
    await inShop.connect();
    await inShop.query(`
      CREATE ROLE shop_owner NOLOGIN;
      CREATE ROLE stock_reader NOLOGIN;
      CREATE ROLE rotation_admin LOGIN CREATEROLE PASSWORD '${password}';
      GRANT shop_owner TO rotation_admin WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
      GRANT stock_reader TO rotation_admin WITH ADMIN TRUE;
      ${SCHEMA}
      ALTER TABLE orders OWNER TO shop_owner;
      GRANT SELECT ON stock TO stock_reader;`);
    await inShop.end();
    return {
      host: server.host,
      port: server.port,
      name,
      owner: "shop_owner",
      readers: "stock_reader",
      adminUrl: `postgres://rotation_admin:${password}@${server.host}:${server.port}/${name}`,
      roles: async () => {
        const { rows } = await superuser.query<{ rolname: string }>("SELECT rolname FROM pg_roles ORDER BY rolname");
        return rows.map((row) => row.rolname);
      },
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Whether the server lets this credential in; anything but a clear yes or no is an error. */
export async function canLogIn({ value }: Credential): Promise<boolean> {
  const { host, port, database, username: user, password } = value;
  const client = new Client({ host, port: Number(port), database, user, password });
  try {
    await client.connect();
    return true;
  } catch (error) {
    // invalid_authorization_specification, invalid_password
    if (["28000", "28P01"].includes((error as { code?: string }).code ?? "")) return false;
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}
