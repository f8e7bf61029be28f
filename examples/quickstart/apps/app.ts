/**
 * What both applications have in common: how they read the credential that a rollout delivered, how they take a new
 * one, and how they report. What they do not have: a retry.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import type { Answer } from "../data";

/** The name of the secret in the Pulumi program. */
const SECRET = "shop-db";

export interface Credential {
  readonly version: number;
  /** Names the version without telling the password: what an application reports. */
  readonly fingerprint: string;
  readonly value: Readonly<Record<"username" | "password" | "host" | "port" | "database", string>>;
}

export interface App {
  readonly name: string;
  /** Moves to a credential. When it does not do for the application's real work, it throws, and nothing has moved. */
  use(credential: Credential): Promise<void>;
  /** The application's work, one query, and the version it was done with. */
  ask(order: number): Promise<{ answer: Answer | undefined; version: number }>;
  /** The fingerprint of everything that is in use, each open connection included. */
  inUse(): Iterable<string>;
  /** Whatever else it tells under `/connections`. */
  connections?(): unknown;
}

export function readCredential(file: string): Credential {
  const { secrets } = JSON.parse(readFileSync(file, "utf8")) as { secrets: Record<string, Credential> };
  const credential = secrets[SECRET];
  if (!credential) throw new Error(`${file} holds no secret ${SECRET}`);
  return credential;
}

/** Options of a connection for this credential. */
export function clientConfig(app: string, { value }: Credential): ClientConfig {
  return {
    host: value.host,
    port: Number(value.port),
    database: value.database,
    user: value.username,
    password: value.password,
    application_name: app,
    connectionTimeoutMillis: 5000,
  };
}

/** Serves the application in `folder`: reads its credential there on SIGHUP, and leaves its process id there. */
export function serve(app: App, folder: string, port: number): void {
  let problem: string | undefined = "no credential was delivered yet";

  async function reload(): Promise<void> {
    try {
      await app.use(readCredential(join(folder, "credential.json")));
      problem = undefined;
    } catch (error) {
      // The former credential stays in use; that the new one does not do is told at /health.
      problem = (error as Error).message;
      console.error(`${app.name}: kept what it had: ${problem}`);
    }
  }
  // One after the other: a signal may come while the former one is still being followed.
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(reload);
  });

  async function health(): Promise<[number, unknown]> {
    await reloading;
    if (problem !== undefined) return [503, { problem }];
    await app.ask(1);
    return [200, { status: "ok" }];
  }

  async function answer(path: string): Promise<[number, unknown]> {
    const order = /^\/orders\/(\d+)$/.exec(path)?.[1];
    if (order !== undefined) return [200, await app.ask(Number(order))];
    if (path === "/health") return health();
    if (path === "/adoption") return [200, { fingerprints: { [SECRET]: [...new Set(app.inUse())] } }];
    if (path === "/connections") return [200, app.connections?.() ?? []];
    return [404, { problem: "no such page" }];
  }

  const server = createServer((request, response) => {
    void answer(request.url ?? "/")
      .catch((error: unknown): [number, unknown] => [500, { problem: (error as Error).message }])
      .then(([status, body]) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
      );
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, "127.0.0.1", () => {
    // Only now, so that nobody signals a process that would not understand it.
    const pidFile = join(folder, "pid");
    writeFileSync(pidFile, `${process.pid}\n`);
    process.once("exit", () => rmSync(pidFile, { force: true }));
  });
}
