/** A function of the emulator that logs in to a real PostgreSQL, with traffic all the time. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { runClock } from "../../../provider/clock";
import { createLambdaConsumer, lambdaConsumerOptions } from "../../../provider/consumers/lambda";
import type { Consumer, RollTarget } from "../../../provider/contracts/consumer";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { StoredVersion } from "../../../provider/contracts/store";
import { versionIdOf } from "../../../provider/net/aws/versionId";
import {
  startLambda,
  type EmulatedLambdaFunction,
  type LambdaDoor,
  type LambdaEmulator,
  type LambdaInvocation,
} from "../../../testing";
import type { ConsumerSite } from "../../../testing/consumerConformance";
import type { PostgresServer } from "../../support/postgres";

export const SECRET = "orders-db";
export const FUNCTION = "orders";
export const ALIAS = "live";
export const HANDLER = join(__dirname, "handler.child.cjs");
/** Between two requests of the traffic. */
const PAUSE_MS = 15;
const WRITES = ["lambda:UpdateFunctionConfiguration", "lambda:PublishVersion", "lambda:UpdateAlias"];

let sites = 0;

/** Gives the value of a version to whoever names its id, as Secrets Manager does. */
export class SecretsEndpoint {
  private readonly server: Server;

  /** @param valueOf `undefined` for what may not be read. */
  constructor(valueOf: (versionId: string) => object | undefined | Promise<object | undefined>) {
    this.server = createServer((request, response) => {
      void Promise.resolve(valueOf((request.url ?? "").slice(1))).then((value) =>
        response.writeHead(value === undefined ? 404 : 200).end(JSON.stringify(value ?? {})),
      );
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

export interface Lines {
  readonly infos: string[];
  readonly warnings: string[];
}

export function contextFor(lines: Lines, signal = new AbortController().signal): AdapterContext {
  return {
    clock: runClock(),
    signal,
    log: { info: (line) => void lines.infos.push(line), warn: (line) => void lines.warnings.push(line) },
    resolveSecret: () => Promise.reject(new Error("no secret sources here")),
  };
}

/** As the documentation says that it is by default. */
export function referenceOf(version: StoredVersion): Record<string, string> {
  return { ORDERS_DB_VERSION_ID: versionIdOf(version.ref), ORDERS_DB_FINGERPRINT: version.fingerprint };
}

export class LambdaSite implements ConsumerSite {
  readonly lines: Lines = { infos: [], warnings: [] };
  lambda!: LambdaEmulator;
  fn!: EmulatedLambdaFunction;
  private readonly id = ++sites;
  private readonly values = new Map<string, object>();
  private readonly secrets = new SecretsEndpoint((versionId) => this.values.get(versionId));
  private readonly versions = new Map<number, StoredVersion>();
  private door: LambdaDoor | undefined;
  private cutNext: ((door: LambdaDoor) => void) | undefined;
  private failures = 0;
  private readonly failed: string[] = [];
  private traffic: Promise<void> | undefined;
  private ended = false;

  private constructor(
    private readonly postgres: PostgresServer,
    private readonly more: object,
  ) {}

  /** @param more options of the consumer, in place of those for tests. */
  static async open(postgres: PostgresServer, more: object = {}, random?: () => number): Promise<LambdaSite> {
    const site = new LambdaSite(postgres, more);
    const url = await site.secrets.open();
    site.lambda = await startLambda(random === undefined ? {} : { random });
    const variables = {
      SECRETS_URL: url,
      API_KEY: "an-api-key-of-the-function",
      ...referenceOf(await site.version(1)),
    };
    site.fn = site.lambda.create({ name: FUNCTION, alias: ALIAS, file: HANDLER, timeout: 15, variables });
    site.traffic = site.request();
    return site;
  }

  async start(context: AdapterContext): Promise<Consumer> {
    this.door?.shut();
    this.door = await this.lambda.door();
    this.cutNext?.(this.door);
    this.cutNext = undefined;
    return this.consumer(context, this.door.endpoint);
  }

  /** One that is not the site's own: it goes on beside the others. */
  consumer(context: AdapterContext = contextFor(this.lines), endpoint = this.lambda.endpoint, more: object = {}) {
    const options = lambdaConsumerOptions.parse({
      type: "lambda",
      name: "orders",
      functionName: FUNCTION,
      alias: ALIAS,
      region: "eu-west-1",
      endpoint,
      timeout: "2s",
      maxAttempts: 1,
      interval: "10ms",
      propagation: "0s",
      readyTimeout: "10s",
      adoptionTimeout: "1s",
      probe: { payload: { probe: true }, adoption: true, attempts: 2, timeout: "15s" },
      ...this.more,
      ...more,
    });
    return createLambdaConsumer(options, context);
  }

  async version(version: number): Promise<StoredVersion> {
    const present = this.versions.get(version);
    if (present !== undefined) return present;
    const made = this.stored(version);
    this.versions.set(version, made);
    const { username, password } = made.value as { username: string; password: string };
    await this.sql(`CREATE ROLE ${username} LOGIN PASSWORD '${password}'`);
    this.values.set(versionIdOf(made.ref), made.value);
    return made;
  }

  async target(...versions: number[]): Promise<RollTarget> {
    return { secrets: await Promise.all(versions.map((version) => this.version(version))) };
  }

  async breakVersion(version: number): Promise<void> {
    await this.version(version);
    await this.sql(`ALTER ROLE ${this.role(version)} NOLOGIN`);
  }

  async mendVersion(version: number): Promise<void> {
    await this.sql(`ALTER ROLE ${this.role(version)} LOGIN`);
  }

  role(version: number): string {
    return `orders_${this.id}_v${version}`;
  }

  async serving(): Promise<readonly number[]> {
    const names = Object.keys(this.fn.versionsBehind(ALIAS));
    const ids = names.map((name) => this.fn.version(name).settings.variables["ORDERS_DB_VERSION_ID"]);
    const numbers = [...this.versions.values()]
      .filter(({ ref }) => ids.includes(versionIdOf(ref)))
      .map(({ ref }) => ref.version);
    return numbers.sort((a, b) => a - b);
  }

  failedRequests(): number {
    if (this.failures > 0) console.error(this.failed.join("\n"));
    return this.failures;
  }

  changes(): number {
    return this.lambda.changes;
  }

  cutAt(call: number, moment: "before" | "after"): Promise<void> {
    if (this.door !== undefined) return this.door.cutAt(call, moment);
    // Nobody was started yet: the one that will be.
    return new Promise((resolve) => (this.cutNext = (door) => void door.cutAt(call, moment).then(resolve)));
  }

  deny(denied: boolean): void {
    if (denied) this.lambda.deny(...WRITES);
    else this.lambda.allow();
  }

  /** What the alias names and what $LATEST says. */
  record(): { readonly alias: Readonly<Record<string, number>>; readonly latest: string | undefined } {
    const latest = this.fn.version("$LATEST").settings.variables["ORDERS_DB_VERSION_ID"];
    return { alias: this.fn.versionsBehind(ALIAS), latest };
  }

  /** Requests that came through the alias, not probes. */
  served(): readonly LambdaInvocation[] {
    return this.lambda.fleet(FUNCTION).invocations;
  }

  /** One more request. @returns the role that it was answered as. */
  async ask(): Promise<string | undefined> {
    const { payload, functionError } = await this.lambda.invoke(FUNCTION, ALIAS, {});
    if (functionError !== undefined) throw new Error(payload);
    return (JSON.parse(payload) as { role?: string }).role;
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.traffic;
    await this.lambda.stop();
    await this.secrets.close();
    for (const version of this.versions.keys()) await this.sql(`DROP ROLE ${this.role(version)}`);
  }

  async sql(text: string): Promise<void> {
    const client = new Client({ connectionString: this.postgres.adminUrl });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  }

  private async request(): Promise<void> {
    while (!this.ended) {
      await this.ask().catch((error: unknown) => {
        this.failures++;
        this.failed.push(String(error));
      });
      await delay(PAUSE_MS);
    }
  }

  private stored(version: number): StoredVersion {
    const { host, port } = this.postgres;
    const username = this.role(version);
    const password = randomBytes(18).toString("base64url");
    const url = `postgres://${username}:${password}@${host}:${port}/postgres`;
    return {
      secret: SECRET,
      ref: { version, token: randomBytes(10).toString("hex") },
      fingerprint: randomBytes(6).toString("hex"),
      issued: { role: username },
      value: { username, password, host, port: String(port), database: "postgres", url },
    };
  }
}

/** The SDK finds credentials in the environment: any do. */
export function withCredentials(): void {
  const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] as const;
  const kept = new Map<string, string | undefined>();
  before(() => {
    for (const name of names) {
      kept.set(name, process.env[name]);
      Reflect.deleteProperty(process.env, name);
    }
    process.env["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE";
    process.env["AWS_SECRET_ACCESS_KEY"] = "test";
  });
  after(() => {
    for (const [name, value] of kept)
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  });
}
