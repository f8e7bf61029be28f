/** One connection to a PostgreSQL server, with limits on everything it waits for. */
import { Socket } from "node:net";
import type { Client } from "pg";
import { loadDriver } from "./driver";
import { type Endpoint, tlsOptions } from "./endpoint";
import { isConnectionFailure } from "./failures";
import type { PostgresOptions } from "./options";

export interface Login {
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly password: string;
  readonly tls: PostgresOptions["tls"];
  readonly connectTimeoutMs: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
}

/** Longest time that one statement may take. Reassigning what a role owns is the longest of them. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Short: while a statement waits for a strong lock, everybody else's queries on that table wait behind it. */
const LOCK_TIMEOUT_MS = 5_000;

export class Session {
  private ended = false;

  private constructor(
    private readonly client: Client,
    private readonly socket: Socket,
    private readonly signal: AbortSignal,
  ) {}

  /** Whether it can no longer be used. */
  get broken(): boolean {
    return this.ended;
  }

  /** @throws what the driver throws, or the signal's reason. */
  static async open(login: Login, signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    const { Client } = await loadDriver();
    const { host, port, database } = login.endpoint;
    const socket = new Socket();
    const client = new Client({
      host,
      port,
      database,
      user: login.user,
      // As a function it never falls back to PGPASSWORD or .pgpass, and is not shown where the client is printed.
      password: () => login.password,
      ssl: tlsOptions(host, login.tls),
      application_name: login.applicationName,
      client_encoding: "UTF8",
      connectionTimeoutMillis: login.connectTimeoutMs,
      // The server's own limit is a little shorter, so that it normally ends the statement itself.
      query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
      stream: () => socket,
    });
    const session = new Session(client, socket, signal);
    // An idle connection that breaks reports it here; without a listener the process would end.
    client.on("error", () => (session.ended = true));
    client.on("end", () => (session.ended = true));
    await session.guarded(() => client.connect());
    return session;
  }

  /** Runs one constant statement. Whatever varies goes into `values`, never into the text. */
  async query<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    const result = await this.guarded(() => this.client.query<Row & Record<string, unknown>>(sql, [...values]));
    return result.rows;
  }

  /**
   * Limits that only the server can hold, and an empty search path: otherwise a function that a user of this database
   * made could be called in place of a built-in one, with the admin's rights.
   */
  async prepareForAdministration(): Promise<void> {
    await this.query(
      `SELECT pg_catalog.set_config('search_path', '', false),
              pg_catalog.set_config('statement_timeout', $1, false),
              pg_catalog.set_config('lock_timeout', $2, false)`,
      [`${STATEMENT_TIMEOUT_MS}ms`, `${LOCK_TIMEOUT_MS}ms`],
    );
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query("BEGIN");
    try {
      const result = await work();
      await this.query("COMMIT");
      return result;
    } catch (error) {
      if (!this.ended) await this.query("ROLLBACK").catch(() => this.destroy());
      throw error;
    }
  }

  /** Returns when the server has ended its side too, so that the session is in no later `pg_stat_activity`. */
  async close(): Promise<void> {
    if (this.ended) {
      this.destroy();
      return;
    }
    const impatience = setTimeout(() => this.destroy(), 2_000);
    try {
      await this.client.end();
    } catch {
      this.destroy();
    } finally {
      clearTimeout(impatience);
      this.ended = true;
    }
  }

  private destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  /** An abort and a time limit leave the protocol in the middle of an answer: the connection is given up. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const abort = () => this.destroy();
    this.signal.addEventListener("abort", abort, { once: true });
    try {
      return await work();
    } catch (error) {
      this.signal.throwIfAborted();
      if (isConnectionFailure(error)) this.destroy();
      throw error;
    } finally {
      this.signal.removeEventListener("abort", abort);
    }
  }
}
