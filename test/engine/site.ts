/** What a test with the real engine works with: a database of its own, an app, a stack, and a clock. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Client } from "pg";
import { createFileStore } from "../../provider/stores/file";
import { createFileAuditSink } from "../../provider/audit/file";
import type { AuditEvent } from "../../provider/contracts/audit";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore } from "../../provider/contracts/store";
import { decodeLedger, type LedgerState } from "../../provider/lifecycle/ledger";
import { startApp, type TestApp } from "../support/app";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { PulumiStack, type StackOptions } from "../support/stack";

export const PASSPHRASE = `passphrase-${randomBytes(8).toString("hex")}`;

let server: Promise<PostgresServer> | undefined;

export function sharedServer(): Promise<PostgresServer> {
  return (server ??= startPostgres());
}

// Where files run in parallel, the second file of a process gets another server, which ends with the process.
after(async () => {
  await (await server)?.stop();
  server = undefined;
});

export interface ProgramOptions {
  /** Further properties of the secret, as source text. */
  readonly secret?: string;
  /** Further properties of the rollout; `null`: no rollout. */
  readonly rollout?: string | null;
  /** Statements between the secret and the rollout; `native` resources go to the rollout as dependents. */
  readonly between?: string;
  readonly name?: string;
  readonly admin?: string;
}

export class Site {
  readonly stack: PulumiStack;
  private constructor(
    readonly server: PostgresServer,
    readonly database: string,
    readonly superuser: Client,
    readonly app: TestApp,
    stack: PulumiStack,
  ) {
    this.stack = stack;
  }

  static async open(options: Partial<StackOptions> = {}): Promise<Site> {
    const pg = await sharedServer();
    const id = randomBytes(4).toString("hex");
    const root = new Client(pg.adminUrl);
    await root.connect();
    const database = `db_${id}`;
    await root.query(`CREATE DATABASE ${database}`);
    await root.end();
    const url = new URL(pg.adminUrl);
    url.pathname = `/${database}`;
    const superuser = new Client(url.href);
    await superuser.connect();
    await superuser.query(`CREATE ROLE owner_${id} NOLOGIN`);
    await superuser.query(`CREATE ROLE reader_${id} NOLOGIN`);
    await superuser.query(`CREATE TABLE orders AS SELECT 1 AS n`);
    await superuser.query(`CREATE TABLE stock AS SELECT 2 AS n`);
    await superuser.query(`ALTER TABLE orders OWNER TO owner_${id}`);
    await superuser.query(`GRANT SELECT ON stock TO reader_${id}`);
    const stack = new PulumiStack({ program: "", ...options });
    const clock = join(stack.folder, "clock");
    Object.assign(stack.env, {
      PGADMIN_URL: url.href,
      STORE_KEY: PASSPHRASE,
      ROTATION_TEST_CLOCK: clock,
      NODE_OPTIONS: `--require ${resolve(__dirname, "../support/preload.cjs")}`,
    });
    const app = await startApp(
      join(stack.folder, "app.json"),
      "SELECT orders.n + stock.n AS n FROM orders CROSS JOIN stock",
    );
    const site = new Site(pg, database, superuser, app, stack);
    await stack.init();
    return site;
  }

  get id(): string {
    return this.database.slice(3);
  }

  program(options: ProgramOptions = {}): void {
    this.stack.program(this.source(options));
  }

  /** A program with one secret and one rollout, as a user would write it. */
  source(options: ProgramOptions = {}): string {
    const name = options.name ?? "orders-db";
    return `
const db = new rotation.RotatingPostgresRole("${name}", {
  connection: { host: "${this.server.host}", port: ${this.server.port}, database: "${this.database}", admin: ${options.admin ?? 'rotation.secretFrom.env("PGADMIN_URL")'} },
  owner: "owner_${this.id}",
  memberOf: ["reader_${this.id}"],
  assumeOwner: false,
  store: rotation.fileStore({ path: "./secrets/${name}", key: { passphrase: rotation.secretFrom.env("STORE_KEY") } }),
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h" },
  ${options.secret ?? ""}
});
exports.ref = db.ref;
exports.link = db.link;
const dependents = [];
${options.between ?? ""}
${
  options.rollout === null
    ? ""
    : `
const rollout = new rotation.Rollout("orders", {
  secrets: [db],
  dependents,
  consumers: [rotation.consumer.process({ name: "app", file: "./app.json", adoption: { url: "${this.app.url}/adoption" }, adoptionTimeout: "5s", interval: "50ms" })],
  checks: [rotation.check.http({ name: "app-health", url: "${this.app.url}/health", interval: "100ms", failureThreshold: 2 })],
  ${options.rollout ?? ""}
});
exports.health = rollout.health;
`
}`;
  }

  /** Moves the clock of every later run. */
  advance(ms: number): void {
    const file = join(this.stack.folder, "clock");
    const ahead = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    writeFileSync(file, String(ahead + ms));
  }

  /** The version numbers of our roles that can log in, and of those that cannot. */
  async roles(): Promise<{ live: string[]; disabled: string[] }> {
    const { rows } = await this.superuser.query<{ rolname: string; rolcanlogin: boolean }>(
      "SELECT rolname, rolcanlogin FROM pg_roles WHERE oid IN (SELECT objoid FROM pg_shdescription WHERE description LIKE '%' || $1 || '%') ORDER BY 1",
      [(await this.ledger())?.identity ?? "no ledger"],
    );
    const version = (name: string) => /_(v\d+)_/.exec(name)?.[1] ?? name;
    return {
      live: rows.filter((row) => row.rolcanlogin).map((row) => version(row.rolname)),
      disabled: rows.filter((row) => !row.rolcanlogin).map((row) => version(row.rolname)),
    };
  }

  store(name = "orders-db"): SecretStore {
    const context = { resolveSecret: async () => PASSPHRASE } as unknown as AdapterContext;
    const key = { passphrase: { from: "env" as const, name: "STORE_KEY" } };
    return createFileStore({ type: "file", path: join(this.stack.folder, "secrets", name), key }, context);
  }

  async ledger(name = "orders-db"): Promise<LedgerState | null> {
    const store = this.store(name);
    return decodeLedger((await store.load()).body, store.location);
  }

  async states(): Promise<Record<string, string>> {
    const ledger = await this.ledger();
    return Object.fromEntries((ledger?.versions ?? []).map((record) => [`v${record.version}`, record.state]));
  }

  async trail(): Promise<(AuditEvent | null)[]> {
    const path = join(this.stack.folder, "secrets/orders-db/audit.jsonl");
    const sink = createFileAuditSink({ type: "file", path }, {} as AdapterContext);
    return [...(await sink.read((await this.ledger())?.identity ?? ""))];
  }

  /** The version that the app got. */
  delivered(): number {
    const { secrets } = JSON.parse(readFileSync(join(this.stack.folder, "app.json"), "utf8")) as {
      secrets: Record<string, { version: number }>;
    };
    return Object.values(secrets)[0]?.version ?? 0;
  }

  async close(): Promise<void> {
    await this.app.stop();
    await this.superuser.end();
    await this.stack.dispose();
  }
}
