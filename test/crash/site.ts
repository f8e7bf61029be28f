/** A database, an app under load and a stack of their own, for one cell of the crash matrix. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { createFileAuditSink } from "../../provider/audit/file";
import { verifyChain } from "../../provider/audit/verify";
import type { AdapterContext } from "../../provider/contracts/context";
import { isConfirmed } from "../../provider/lifecycle/confirmation";
import { Runtime } from "../../provider/runtime";
import { startApp, type TestApp } from "../support/app";
import { MiniStack } from "../support/miniEngine";
import type { PostgresServer } from "../support/postgres";
import { rolloutArgs, secretArgs, storeOf, type SiteFacts } from "./arguments";
import { ShiftedClock } from "./clock";
import type { RunSpec } from "./scenarios";

const QUERY = "SELECT orders.n + stock.n AS n FROM orders CROSS JOIN stock";

export class CrashSite {
  /** What went wrong on the way. */
  readonly complaints: string[] = [];
  readonly clock = new ShiftedClock();
  readonly stack = new MiniStack(this.clock);
  private watching = true;
  private watches: Promise<void>[] = [];

  private constructor(
    readonly facts: SiteFacts,
    private readonly superuser: Client,
    private readonly observer: Client,
    private readonly app: TestApp,
  ) {}

  static async open(server: PostgresServer): Promise<CrashSite> {
    const id = randomBytes(5).toString("hex");
    const folder = mkdtempSync(join(tmpdir(), "rotation-crash-"));
    writeFileSync(join(folder, "key"), randomBytes(32).toString("base64"), { mode: 0o600 });
    const database = `db_${id}`;
    const root = await connect(server.adminUrl);
    await root.query(`CREATE DATABASE ${database}`);
    await root.end();
    const url = new URL(server.adminUrl);
    url.pathname = `/${database}`;
    const superuser = await connect(url.href);
    await superuser.query(
      `CREATE ROLE owner_${id} NOLOGIN; CREATE ROLE reader_${id} NOLOGIN;
       CREATE TABLE orders AS SELECT 1 AS n; CREATE TABLE stock AS SELECT 2 AS n;
       ALTER TABLE orders OWNER TO owner_${id}; GRANT SELECT ON stock TO reader_${id}`,
    );
    process.env[`PGADMIN_${id}`] = url.href;
    const app = await startApp(join(folder, "app.json"), QUERY);
    const { host, port } = server;
    const site = new CrashSite(
      { id, folder, host, port, database, appUrl: app.url },
      superuser,
      await connect(url.href),
      app,
    );
    return site;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
  }

  /** A run that nothing stops; it has to succeed. */
  async clean(run: RunSpec): Promise<void> {
    const result =
      run.do === "destroy"
        ? await this.stack.destroy()
        : await this.stack.up(secretArgs(this.facts, run), rolloutArgs(this.facts));
    if (result.error) throw result.error;
  }

  async cleanSecretOnly(run: RunSpec): Promise<void> {
    const result = await this.stack.up(secretArgs(this.facts, run), rolloutArgs(this.facts), { targetSecret: true });
    if (result.error) throw result.error;
  }

  /** A role that an application uses already, and its credential where the app finds it. */
  async makeRoleInUse(): Promise<void> {
    const { id, host, port, database, folder } = this.facts;
    process.env["OLD_PASSWORD"] = "the-old-password";
    await this.superuser.query(
      `CREATE ROLE app_${id} LOGIN PASSWORD 'the-old-password' IN ROLE owner_${id}, reader_${id}`,
    );
    const value = { url: `postgres://app_${id}:the-old-password@${host}:${port}/${database}` };
    writeFileSync(
      join(folder, "app.json"),
      JSON.stringify({ secrets: { "orders-db": { version: 0, fingerprint: "before", value } } }),
    );
  }

  /** The run in a process of its own, stopped at a call; returns the calls that it came to. */
  async stopped(run: RunSpec, crashAt: string): Promise<{ points: string[]; killed: boolean; error?: string }> {
    const file = join(this.facts.folder, "run.json");
    const { secret, pending, rollout } = this.stack;
    const state = { secret, pending, rollout };
    writeFileSync(file, JSON.stringify({ site: this.facts, run, ahead: this.clock.ahead, state }));
    writeFileSync(`${file}.after`, JSON.stringify({ state, points: [] }));
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "child.ts"), file], {
      env: { ...process.env, CRASH_AT: crashAt },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let noise = "";
    child.stderr.on("data", (data) => (noise += String(data)));
    const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, ended) => {
        if (code !== 0 && ended === null) reject(new Error(`the run ended with ${code}: ${noise}`));
        resolve(ended);
      });
    });
    const after = JSON.parse(readFileSync(`${file}.after`, "utf8")) as {
      state: Partial<MiniStack>;
      points: string[];
      error?: string;
    };
    Object.assign(this.stack, after.state);
    return { points: after.points, killed: signal === "SIGKILL", ...(after.error ? { error: after.error } : {}) };
  }

  /** From now on each failed request of the app, and each moment with more than two live versions, is a complaint. */
  watch(): void {
    this.watches = [this.load(), this.countVersions()];
  }

  private async load(): Promise<void> {
    let served = false;
    while (this.watching) {
      const response = await fetch(`${this.facts.appUrl}/health`).catch((error: unknown) => error as Error);
      const ok = response instanceof Response && response.status === 200;
      if (ok) served = true;
      // Before its first credential there is nothing that could fail.
      else if (served)
        this.complaints.push(
          `a request failed: ${response instanceof Response ? await response.text() : response.message}`,
        );
      await pause(15);
    }
  }

  private async countVersions(): Promise<void> {
    while (this.watching) {
      const roles = await this.roles();
      if (roles.length > 2) this.complaints.push(`more than two live: ${roles.join(", ")}`);
      await pause(10);
    }
  }

  private async roles(): Promise<string[]> {
    const { rows } = await this.observer.query<{ rolname: string }>(
      "SELECT rolname FROM pg_roles WHERE rolcanlogin AND pg_has_role(rolname, $1, 'MEMBER') AND NOT rolsuper",
      [`owner_${this.facts.id}`],
    );
    return rows.map((row) => row.rolname);
  }

  /** After a destroy a further `up` would create: what is left is what counts. */
  endLoad(): void {
    this.watching = false;
  }

  /** What is not as it should be once everything has settled. */
  async settled(gone: boolean): Promise<string[]> {
    this.endLoad();
    await Promise.all(this.watches);
    const runtime = new Runtime(() => undefined, this.clock);
    const store = await runtime.store(storeOf(this.facts));
    const ledger = await this.stack.ledger(storeOf(this.facts));
    const roles = await this.roles();
    const stored = await store.list();
    const found = [...this.complaints];
    const expect = (holds: boolean, what: string) => {
      if (!holds) found.push(what);
    };
    if (gone) {
      expect(ledger.status === "torn-down", `the ledger is ${ledger.status}`);
      expect(roles.length === 0, `roles are left: ${roles.join(", ")}`);
      expect(stored.length === 0, `${stored.length} versions are left in the store`);
    } else {
      expect(isConfirmed(ledger), "not confirmed");
      expect(roles.length === 1, `live at the issuer: ${roles.join(", ")}`);
      expect(stored.length === 1 && stored[0]?.version === ledger.active, "the store holds what it should not");
      expect(this.stack.secret?.outputs["version"] === ledger.active, "state and ledger disagree");
      expect(this.stack.pending.length === 0, "pending deletes are left");
    }
    expect(ledger.lease === null, "the lease was not given back");
    const sink = createFileAuditSink(
      { type: "file", path: join(this.facts.folder, "store/audit.jsonl") },
      {} as AdapterContext,
    );
    const findings = verifyChain(await sink.read(ledger.identity), { expectedHead: ledger.audit });
    expect(findings.length === 0, `the audit trail: ${findings.map((finding) => finding.message).join("; ")}`);
    await runtime.close();
    return found;
  }

  async close(): Promise<void> {
    this.watching = false;
    await Promise.allSettled(this.watches);
    await this.app.stop();
    await this.superuser.end();
    await this.observer.end();
    rmSync(this.facts.folder, { recursive: true, force: true });
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
