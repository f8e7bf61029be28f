/**
 * A database, an app under load and a stack of their own, for one fault. The parts are the real ones: a PostgreSQL
 * server, a file store with its audit trail, the handler. The admin is no superuser.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { createFileAuditSink } from "../../provider/audit/file";
import { verifyChain } from "../../provider/audit/verify";
import type { AuditEvent } from "../../provider/contracts/audit";
import { runClock } from "../../provider/clock";
import type { AdapterContext, Clock } from "../../provider/contracts/context";
import { isConfirmed } from "../../provider/lifecycle/confirmation";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import { SEAM_HOOK, type SeamHook } from "../../provider/rotation/effects";
import { Runtime } from "../../provider/runtime";
import { startApp, type TestApp } from "../support/app";
import { MiniStack, TestClock, type Properties, type RunResult } from "../support/miniEngine";
import type { PostgresServer } from "../support/postgres";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const QUERY = "SELECT orders.n + stock.n AS n FROM orders CROSS JOIN stock";

/** The clock of a run, on a machine whose clock can be set, between runs and in the middle of one. */
export class MachineClock extends TestClock {
  private ahead = 0;
  private run = this.begin();
  override now(): number {
    return this.run.now();
  }
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.run.sleep(ms, signal);
  }
  /** What is after this is another run, later. */
  override advance(ms: number): void {
    this.set(ms);
    this.run = this.begin();
  }
  /** Somebody sets the machine's clock. */
  set(ms: number): void {
    this.ahead += ms;
  }
  /** As a process does when it starts. */
  startRun(): void {
    this.run = this.begin();
  }
  private begin(): Clock {
    return runClock(() => Date.now() + this.ahead);
  }
}

export interface SiteOptions {
  /** Where clients connect, such as a proxy. Default: the server. */
  readonly port?: number;
  /** Where store and trail are. Default: a folder of their own. */
  readonly storeFolder?: string;
  readonly secret?: Properties;
  readonly rollout?: Properties;
  readonly connectTimeout?: string;
}

export class FaultSite {
  /** What went wrong on the way. */
  readonly complaints: string[] = [];
  readonly clock = new MachineClock();
  readonly stack = new MiniStack(this.clock);
  /** While the database itself is down nobody can work. */
  databaseIsDown = false;
  secret: Properties;
  rollout: Properties;
  private watching = true;
  private watches: Promise<void>[] = [];
  private served = 0;

  private constructor(
    readonly id: string,
    readonly folder: string,
    readonly server: PostgresServer,
    private readonly options: SiteOptions,
    readonly app: TestApp,
  ) {
    this.secret = options.secret ?? {};
    this.rollout = options.rollout ?? {};
  }

  static async open(server: PostgresServer, options: SiteOptions = {}): Promise<FaultSite> {
    const id = randomBytes(5).toString("hex");
    const folder = mkdtempSync(join(tmpdir(), "rotation-fault-"));
    writeFileSync(join(folder, "key"), randomBytes(32).toString("base64"), { mode: 0o600 });
    const app = await startApp(join(folder, "app.json"), QUERY);
    const site = new FaultSite(id, folder, server, options, app);
    await site.superuser(`CREATE DATABASE db_${id}`, "postgres");
    // The admin works from a database of its own, so that it can be locked out of it alone.
    await site.superuser(`CREATE DATABASE adm_${id}`, "postgres");
    await site.superuser(
      `CREATE ROLE owner_${id} NOLOGIN; CREATE ROLE reader_${id} NOLOGIN;
       CREATE ROLE admin_${id} LOGIN CREATEROLE PASSWORD 'the-admin-password';
       GRANT owner_${id}, reader_${id} TO admin_${id} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
       CREATE TABLE orders AS SELECT 1 AS n; CREATE TABLE stock AS SELECT 2 AS n;
       ALTER TABLE orders OWNER TO owner_${id}; GRANT SELECT ON stock TO reader_${id};
       GRANT CREATE ON SCHEMA public TO owner_${id}`,
    );
    const port = options.port ?? server.port;
    process.env[`PGADMIN_${id}`] = `postgres://admin_${id}:the-admin-password@${server.host}:${port}/adm_${id}`;
    return site;
  }

  get store(): { type: string; path: string; key: unknown } {
    const path = join(this.options.storeFolder ?? this.folder, "store");
    return { type: "file", path, key: { keyFile: join(this.folder, "key") } };
  }

  get secretArgs(): Properties {
    const { id, server, options } = this;
    return {
      name: "orders-db",
      kind: {
        type: "postgresRole",
        host: server.host,
        port: options.port ?? server.port,
        database: `db_${id}`,
        admin: { from: "env", name: `PGADMIN_${id}` },
        owner: `owner_${id}`,
        memberOf: [`reader_${id}`],
        assumeOwner: false,
        connectTimeout: options.connectTimeout ?? "5s",
      },
      store: this.store,
      schedule: { every: "90d" },
      retirement: { grace: "1h", soak: "1h" },
      ...this.secret,
    };
  }

  get rolloutArgs(): (link: Properties) => Properties {
    return (link) => ({
      name: "orders",
      secrets: [link],
      consumers: [
        {
          type: "process",
          name: "app",
          file: join(this.folder, "app.json"),
          adoption: { url: `${this.app.url}/adoption` },
          adoptionTimeout: "3s",
          interval: "10ms",
        },
      ],
      checks: [
        { type: "sql", name: "canary", query: "SELECT n FROM orders", interval: "20ms", failureThreshold: 2 },
        { type: "http", name: "app-health", url: `${this.app.url}/health`, interval: "20ms", failureThreshold: 2 },
      ],
      ...this.rollout,
    });
  }

  /** One statement, or several, as the superuser; over a connection of its own, for the server may come and go. */
  async superuser<Row extends object = Properties>(sql: string, database = `db_${this.id}`): Promise<Row[]> {
    const url = new URL(this.server.adminUrl);
    url.pathname = `/${database}`;
    const client = new Client(url.href);
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Row & Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  up(): Promise<RunResult> {
    this.clock.startRun();
    return this.stack.up(this.secretArgs, this.rolloutArgs);
  }

  /** A run that has to succeed. */
  async clean(): Promise<RunResult> {
    const result = await this.up();
    if (result.error) throw result.error;
    return result;
  }

  /** A run that has to fail, with what it says. */
  async failing(): Promise<string> {
    const { error } = await this.up();
    if (!error) throw new Error("the run succeeded");
    return error.message;
  }

  /** Does something at a call of the next run, once. */
  at(point: string, moment: "before" | "after", action: () => unknown): void {
    let done = false;
    const hook: SeamHook = async (seen, when) => {
      if (done || seen !== point || when !== moment) return;
      done = true;
      await action();
    };
    Object.assign(globalThis, { [SEAM_HOOK]: hook });
  }

  async crash(): Promise<void> {
    this.databaseIsDown = true;
    await this.server.crash();
  }

  /** The server is back, and so is the app, by itself. */
  async resume(): Promise<void> {
    await this.server.resume();
    await this.appServes();
    this.databaseIsDown = false;
  }

  async appServes(): Promise<void> {
    const until = Date.now() + 20_000;
    while ((await this.ask()) !== undefined) {
      if (Date.now() > until) throw new Error(`the app does not recover: ${await this.ask()}`);
      await delay(20);
    }
  }

  /** From now on each failed request of the app, and each moment with more than two live versions, is a complaint. */
  watch(): void {
    this.watches = [this.load(), this.countVersions()];
  }

  /** @returns why the app does not serve; `undefined` where it does. */
  private async ask(): Promise<string | undefined> {
    const response = await fetch(`${this.app.url}/health`).catch((error: unknown) => error as Error);
    if (!(response instanceof Response)) return response.message;
    const body = await response.text();
    return response.status === 200 ? undefined : body;
  }

  private async load(): Promise<void> {
    while (this.watching) {
      const wasDown = this.databaseIsDown;
      const failure = await this.ask();
      if (failure === undefined) this.served++;
      else if (!wasDown && !this.databaseIsDown) this.complaints.push(`a request failed: ${failure}`);
      await delay(15);
    }
  }

  private async countVersions(): Promise<void> {
    while (this.watching) {
      const roles = await this.roles().catch(() => []);
      if (roles.length > 2) this.complaints.push(`more than two live: ${roles.join(", ")}`);
      await delay(25);
    }
  }

  /** Of our versions, those that can log in, and with `disabled` those that cannot. */
  async roles(disabled = false): Promise<string[]> {
    const rows = await this.superuser<{ rolname: string }>(
      `SELECT rolname FROM pg_roles WHERE ${disabled ? "NOT" : ""} rolcanlogin AND rolname LIKE 'orders_db_v%'
         AND pg_has_role(rolname, 'owner_${this.id}', 'MEMBER') AND NOT rolsuper ORDER BY 1`,
    );
    return rows.map((row) => row.rolname);
  }

  ledger(): Promise<LedgerState> {
    return this.stack.ledger(this.store);
  }

  async states(): Promise<Record<string, string>> {
    return Object.fromEntries((await this.ledger()).versions.map((record) => [`v${record.version}`, record.state]));
  }

  get trailFile(): string {
    return join(this.store.path, "audit.jsonl");
  }

  async trail(path = this.trailFile): Promise<(AuditEvent | null)[]> {
    const sink = createFileAuditSink({ type: "file", path }, {} as AdapterContext);
    return [...(await sink.read((await this.ledger()).identity))];
  }

  /** The credential that the app has. */
  delivered(): { version: number; url: string } {
    const { secrets } = JSON.parse(readFileSync(join(this.folder, "app.json"), "utf8")) as {
      secrets: Record<string, { version: number; value: { url: string } }>;
    };
    const only = Object.values(secrets)[0];
    return { version: only?.version ?? 0, url: only?.value.url ?? "" };
  }

  /** A first version, confirmed, with the app under load from then on. */
  async withFirstVersion(): Promise<this> {
    await this.clean();
    this.watch();
    return this;
  }

  /** Two versions; the superseded one may be disabled by the next run. */
  async withSupersededVersion(): Promise<this> {
    await this.withFirstVersion();
    this.clock.advance(91 * DAY);
    await this.clean();
    this.clock.advance(HOUR + 1000);
    return this;
  }

  /** Two versions; the superseded one is disabled, and may be revoked by the next run. */
  async withDisabledVersion(): Promise<this> {
    await this.withSupersededVersion();
    await this.clean();
    this.clock.advance(HOUR + 1000);
    return this;
  }

  /**
   * Runs on until nothing is left to do, and says what is not as it should be then: what consumers saw on the way, what
   * is live, what the store holds, whether anything was rolled back, and the trail.
   */
  async settled(trail = this.trailFile): Promise<string[]> {
    for (let run = 0; run < 3; run++) {
      await this.clean();
      this.clock.advance(HOUR + 1000);
    }
    this.watching = false;
    await Promise.all(this.watches);
    const runtime = new Runtime(() => undefined, this.clock);
    const ledger = await this.ledger();
    const roles = await this.roles();
    const asleep = await this.roles(true);
    const stored = await (await runtime.store(this.store)).list();
    await runtime.close();
    const found = [...this.complaints];
    const expect = (holds: boolean, what: string) => {
      if (!holds) found.push(what);
    };
    expect(this.watches.length === 0 || this.served > 0, "the app was never asked");
    expect(isConfirmed(ledger), "not confirmed");
    expect(roles.length === 1 && roles[0] === ledger.versions.at(-1)?.issued?.["role"], `live: ${roles.join(", ")}`);
    expect(asleep.length === 0, `roles are left: ${asleep.join(", ")}`);
    expect(stored.length === 1 && stored[0]?.version === ledger.active, "the store holds what it should not");
    expect(ledger.active === this.delivered().version, "the app has another version");
    expect(this.stack.secret?.outputs["version"] === ledger.active, "state and ledger disagree");
    expect(this.stack.pending.length === 0, "pending deletes are left");
    expect(ledger.lease === null, "the lease was not given back");
    expect(ledger.outbox.length === 0, "events wait for the trail");
    const events = await this.trail(trail);
    const back = events.filter((event) => /^(returning|returned|abandoned)$/.test(event?.step ?? ""));
    expect(back.length === 0, `something was rolled back: ${back.map((event) => event?.reason).join("; ")}`);
    const findings = verifyChain(events, { expectedHead: ledger.audit });
    expect(findings.length === 0, `the audit trail: ${findings.map((finding) => finding.message).join("; ")}`);
    return found;
  }

  async close(): Promise<void> {
    this.watching = false;
    Reflect.deleteProperty(globalThis, SEAM_HOOK);
    await Promise.allSettled(this.watches);
    await this.app.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
