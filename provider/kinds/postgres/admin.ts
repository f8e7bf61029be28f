/** The admin's connection: opened when first needed, used by one step at a time, opened again when it broke. */
import type { AdapterContext } from "../../contracts/context";
import { parseDuration } from "../../lifecycle/duration";
import { ConfigurationError } from "../../lifecycle/errors";
import type { Endpoint } from "./endpoint";
import { hasCode, isCollision, isConnectionFailure, isRefusal, redact, describeFailure, translate } from "./failures";
import type { PostgresOptions } from "./options";
import { type Login, Session } from "./session";

export const APPLICATION_NAME = "pulumi-rotating-secrets";

/** How often a transaction that met another one is done again. */
const COLLISION_ATTEMPTS = 3;

interface AdminLogin {
  readonly user: string;
  readonly password: string;
  readonly endpoint: Endpoint;
}

export class Admin {
  private session: Session | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  /** Blotted out of every message. */
  private readonly secrets = new Set<string>();

  constructor(
    private readonly options: PostgresOptions,
    private readonly context: AdapterContext,
  ) {}

  /** Keeps a value out of every message from now on. */
  hide(secret: string): void {
    this.secrets.add(secret);
  }

  /** Runs `work` in one transaction, which may be done again: it must be idempotent. */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.run((session) => this.withRetries(() => session.transaction(() => work(session))));
  }

  /** Runs statements one by one, each committed by itself. May be done again: it must be idempotent. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const turn = this.queue.then(() => this.runNow(work));
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Runs one transaction in another database over a connection of its own.
   * @throws {@link CannotEnterError} where the admin may not connect to that database.
   */
  async inDatabase(database: string, work: (session: Session) => Promise<void>): Promise<void> {
    const login = await this.login();
    const session = await this.open({ ...login, endpoint: { ...login.endpoint, database } }, database);
    try {
      await this.withRetries(() => session.transaction(() => work(session)));
    } catch (error) {
      throw this.failure(error, `The database ${JSON.stringify(database)} of ${this.place()}`);
    } finally {
      await session.close();
    }
  }

  async close(): Promise<void> {
    await this.queue;
    await this.session?.close();
    this.session = undefined;
  }

  private async runNow<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const reused = this.session !== undefined && !this.session.broken;
    try {
      const session = await this.current();
      try {
        return await work(session);
      } catch (error) {
        // A connection that was idle may have been cut without notice; a fresh one tells more.
        if (!reused || !session.broken || !isConnectionFailure(error) || this.context.signal.aborted) throw error;
        return await work(await this.current());
      }
    } catch (error) {
      throw this.failure(error, this.place());
    }
  }

  private async current(): Promise<Session> {
    if (this.session && !this.session.broken) return this.session;
    const login = await this.login();
    this.session = await this.open(login);
    return this.session;
  }

  private async open(login: AdminLogin, enteredDatabase?: string): Promise<Session> {
    try {
      const session = await Session.open(this.sessionLogin(login), this.context.signal);
      await session.prepareForAdministration();
      return session;
    } catch (error) {
      if (enteredDatabase !== undefined && (isRefusal(error) || hasCode(error, "55000"))) {
        throw new CannotEnterError(enteredDatabase, describeFailure(error, this.secrets));
      }
      if (isRefusal(error)) {
        throw new ConfigurationError(
          `${this.place()} refuses the admin ${JSON.stringify(login.user)}: ` +
            `${describeFailure(error, this.secrets)}. Nothing was changed. Check what "admin" points to.`,
        );
      }
      throw this.failure(error, this.place());
    }
  }

  private sessionLogin({ user, password, endpoint }: AdminLogin): Login {
    return {
      endpoint,
      user,
      password,
      tls: this.options.tls,
      connectTimeoutMs: parseDuration(this.options.connectTimeout) ?? 10_000,
      applicationName: APPLICATION_NAME,
    };
  }

  /** Resolved at each connection, so that an admin's password that was changed meanwhile is the new one. */
  private async login(): Promise<AdminLogin> {
    const secret = await this.context.resolveSecret(this.options.admin);
    this.hide(secret);
    const { adminUser, host, port, database } = this.options;
    if (adminUser !== undefined) {
      if (/^postgres(ql)?:\/\//.test(secret)) {
        throw new ConfigurationError(
          `"admin" resolves to a postgres:// URL, but "adminUser" is given, with which it must be a password alone. ` +
            `Leave adminUser out, or let "admin" point to the password.`,
        );
      }
      return { user: adminUser, password: secret, endpoint: { host, port, database } };
    }
    const login = parseAdminUrl(secret, { host, port, database });
    this.hide(login.password);
    return login;
  }

  private async withRetries<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt >= COLLISION_ATTEMPTS || !isCollision(error)) throw error;
        await this.context.clock.sleep(50 * attempt, this.context.signal);
      }
    }
  }

  private failure(error: unknown, where: string): unknown {
    if (this.context.signal.aborted) return this.context.signal.reason;
    const { owner } = this.options;
    return translate(
      error,
      where,
      this.secrets,
      `The admin needs CREATEROLE and, for the owner, each group of memberOf and each adopted role, ADMIN: as a superuser, ` +
        `GRANT ${JSON.stringify(owner)} TO the admin WITH ADMIN TRUE, INHERIT TRUE, SET TRUE ` +
        `(see docs/kinds/postgres.md).`,
    );
  }

  private place(): string {
    return redact(`PostgreSQL at ${this.options.host}:${this.options.port}`, this.secrets);
  }
}

/** The admin may not connect to a database. */
export class CannotEnterError extends ConfigurationError {
  constructor(
    readonly database: string,
    readonly why: string,
  ) {
    super(`The admin cannot connect to the database ${JSON.stringify(database)}: ${why}.`);
  }
}

/** What the URL leaves out comes from the options. Its query part is ignored: `tls` of the options counts. */
export function parseAdminUrl(secret: string, fallback: Endpoint): AdminLogin {
  let url: URL;
  let user: string;
  let password: string;
  let host: string;
  let database: string;
  try {
    url = new URL(secret);
    user = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
    host = decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, "$1"));
    database = decodeURIComponent(url.pathname.slice(1));
  } catch {
    throw unusableUrl("it is not a URL");
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") throw unusableUrl("it has another scheme");
  if (user === "") throw unusableUrl("it has no user name");
  return {
    user,
    password,
    endpoint: {
      host: host || fallback.host,
      port: url.port ? Number(url.port) : fallback.port,
      database: database || fallback.database,
    },
  };
}

/** Says nothing of what was found: it may be the bare password. */
function unusableUrl(why: string): ConfigurationError {
  return new ConfigurationError(
    `"admin" must resolve to a URL like postgres://user:password@host:5432/database (special characters ` +
      `percent-encoded), but ${why}. For a password alone, give the user name as "adminUser".`,
  );
}
