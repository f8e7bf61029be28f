/**
 * An application with a pool of long-lived connections.
 *
 * A new credential gets a new pool. The connections of the former pool are good and warm, so they go on serving for a
 * while; then they are closed, each when it is idle. Run: `tsx apps/pool.ts FOLDER PORT`
 */
import { setTimeout as delay } from "node:timers/promises";
import { Pool, type PoolClient } from "pg";
import { QUERY, type Answer } from "../data";
import { clientConfig, serve, type App, type Credential } from "./app";

const CONNECTIONS = 10;
/** How long connections of the former credential go on serving. */
const DRAIN_MS = 5000;

interface Generation {
  readonly credential: Credential;
  readonly pool: Pool;
}

/** What is told about each connection there ever was. */
interface ConnectionReport {
  readonly version: number;
  readonly openedAt: number;
  lastQueryAt: number;
  queries: number;
}

let current: Generation | undefined;
let draining: Generation | undefined;
let turn = 0;
const reports: ConnectionReport[] = [];
const open = new Map<PoolClient, { readonly fingerprint: string; readonly report: ConnectionReport }>();

const app: App = {
  name: "pool",
  async use(credential) {
    if (credential.fingerprint === current?.credential.fingerprint) return;
    const next = { credential, pool: newPool(credential) };
    try {
      // The real work, not `SELECT 1`: a credential may be able to log in and yet lack a right.
      await query(next, 1);
    } catch (error) {
      await next.pool.end();
      throw error;
    }
    const former = current;
    current = next;
    if (former) drain(former);
  },
  async ask(order) {
    if (!current) throw new Error("no credential was delivered yet");
    const generation = draining && turn++ % 2 === 0 ? draining : current;
    return { answer: await query(generation, order), version: generation.credential.version };
  },
  *inUse() {
    if (current) yield current.credential.fingerprint;
    for (const { fingerprint } of open.values()) yield fingerprint;
  },
  connections: () => reports,
};

function newPool(credential: Credential): Pool {
  const pool = new Pool({ ...clientConfig(app.name, credential), max: CONNECTIONS, idleTimeoutMillis: 0 });
  pool.on("connect", (client) => {
    const report = { version: credential.version, openedAt: Date.now(), lastQueryAt: 0, queries: 0 };
    reports.push(report);
    open.set(client, { fingerprint: credential.fingerprint, report });
  });
  pool.on("remove", (client) => open.delete(client));
  // A connection that broke while it was idle; the pool opens another one.
  pool.on("error", (error) => console.error(`${app.name}: ${error.message}`));
  return pool;
}

async function query({ pool }: Generation, order: number): Promise<Answer | undefined> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<Answer>(QUERY, [order]);
    const report = open.get(client)?.report;
    if (report) Object.assign(report, { lastQueryAt: Date.now(), queries: report.queries + 1 });
    return rows[0];
  } finally {
    client.release();
  }
}

function drain(former: Generation): void {
  // A third generation: the second last one goes at once.
  if (draining) void close(draining.pool);
  draining = former;
  setTimeout(() => {
    if (draining !== former) return;
    draining = undefined;
    void close(former.pool);
  }, DRAIN_MS);
}

/** `end` waits for the queries that are under way, but forgets whoever still waits for a connection. */
async function close(pool: Pool): Promise<void> {
  while (pool.waitingCount > 0) await delay(20);
  await pool.end();
}

serve(app, process.argv[2] ?? ".", Number(process.argv[3]));
