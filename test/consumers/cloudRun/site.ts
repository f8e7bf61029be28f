/**
 * One service on the emulator of Cloud Run, with its secret in the store's emulator: real processes that log in at an
 * issuer, asked all the time through the front door.
 */
import { randomUUID } from "node:crypto";
import { createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runClock } from "../../../provider/clock";
import {
  cloudRunConsumerOptions,
  createCloudRunConsumer,
  type CloudRunConsumerOptions,
} from "../../../provider/consumers/cloudRun";
import type { Consumer } from "../../../provider/contracts/consumer";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { SecretStore, StoredVersion } from "../../../provider/contracts/store";
import { createGcpSecretManagerStore, gcpSecretManagerOptions } from "../../../provider/stores/gcpSecretManager";
import {
  secretsOf,
  startCloudRun,
  type CloudRunEmulator,
  type ServiceMessage,
  type ServiceView,
} from "../../../testing/cloudRun";
import { projectNumber } from "../../../testing/gcpSecretManager/names";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../../testing/gcpSecretManager";

export const PROJECT = "shop-prod";
export const REGION = "europe-west3";
export const SERVICE = `projects/${PROJECT}/locations/${REGION}/services/orders`;
/** In every password, to look for in errors and logs. */
export const SECRET_MARK = "hunter2-do-not-print";

export interface NoticedContext extends AdapterContext {
  readonly lines: string[];
}

export function contextOf(signal = new AbortController().signal): NoticedContext {
  const lines: string[] = [];
  return {
    lines,
    clock: runClock(),
    signal,
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    resolveSecret: () => Promise.reject(new Error("nothing to resolve")),
  };
}

/** Accepts every credential but those that are broken. */
export class Issuer {
  readonly broken = new Set<string>();
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Issuer> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
      request.on("end", () => {
        const { username } = JSON.parse(body) as { username: string };
        response.writeHead(issuer.broken.has(username) ? 401 : 200).end();
      });
    });
    const issuer = new Issuer(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

/** Asks a URL all the time, and notes what it was answered. */
export class Requests {
  failed = 0;
  readonly usernames = new Map<string, number>();
  private readonly end = new AbortController();
  private readonly loop: Promise<void>;

  constructor(url: string) {
    this.loop = this.run(url);
  }

  async stop(): Promise<void> {
    this.end.abort();
    await this.loop;
  }

  private async run(url: string): Promise<void> {
    while (!this.end.signal.aborted) {
      const answer = await ask(url);
      if (answer.status !== 200) this.failed += 1;
      const { username = "none" } = answer.body;
      this.usernames.set(username, (this.usernames.get(username) ?? 0) + 1);
      await delay(4);
    }
  }
}

/** Looks until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  const last = performance.now() + 30_000;
  while (!isSo()) {
    if (performance.now() > last) throw new Error(`not within 30 s: ${isSo.toString()}`);
    await delay(5);
  }
}

export interface Answer {
  readonly status: number;
  readonly body: { readonly username?: string; readonly mail?: string; readonly revision?: string };
}

export function ask(url: string): Promise<Answer> {
  return new Promise((resolve) => {
    const none: Answer = { status: 0, body: {} };
    const asked = get(url, { agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
      response.on("error", () => resolve(none));
      response.on("end", () => {
        const parsed = body === "" ? {} : (JSON.parse(body) as Answer["body"]);
        resolve({ status: response.statusCode ?? 0, body: parsed });
      });
    });
    asked.on("error", () => resolve(none));
  });
}

export interface SiteSetting {
  /** How the service's environment names the version at first. @default "1" */
  readonly version?: string;
  /** In place of the environment: a file of a volume. */
  readonly asFile?: boolean;
  /** A second secret of the service, in MAIL_SECRET. */
  readonly mail?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly service?: ServiceMessage;
  /** Of the template, beside its container. */
  readonly template?: object;
  /** Whether requests go to it all the time. @default true */
  readonly asks?: boolean;
}

const MOST_MS = { callTimeout: "4s", timeout: "40s", interval: "30ms", adoptionTimeout: "20s" };

export class Site {
  readonly issued = new Map<string, StoredVersion>();

  private constructor(
    readonly secretManager: GcpSecretManagerEmulator,
    readonly run: CloudRunEmulator,
    readonly issuer: Issuer,
    private readonly stores: ReadonlyMap<string, SecretStore>,
    private requests: Requests | undefined,
  ) {}

  static async open(setting: SiteSetting = {}): Promise<Site> {
    const secretManager = await startGcpSecretManager();
    const run = await startCloudRun({ secrets: secretsOf(secretManager), startupMs: 20_000 });
    const issuer = await Issuer.start();
    const stores = new Map(
      ["orders-db", ...(setting.mail === true ? ["orders-mail"] : [])].map((name) => {
        const own = { type: "gcpSecretManager", project: PROJECT, endpoint: secretManager.endpoint, insecure: true };
        const options = gcpSecretManagerOptions.parse({ ...own, name });
        return [name, createGcpSecretManagerStore(options, contextOf())] as const;
      }),
    );
    const site = new Site(secretManager, run, issuer, stores, undefined);
    for (const secret of stores.keys()) await site.version(1, secret);
    await run.deploy(SERVICE, { ...setting.service, template: site.template(setting) });
    if (setting.asks !== false) site.requests = new Requests(site.view.uri);
    return site;
  }

  /** What a user deploys. */
  template({ version = "1", asFile, mail, env = {}, template }: SiteSetting = {}): NonNullable<
    ServiceMessage["template"]
  > {
    const reference = (secret: string, number: string) => ({
      valueSource: { secretKeyRef: { secret, version: number } },
    });
    const variables = Object.entries({ ISSUER: this.issuer.url, ...env }).map(([name, value]) => ({ name, value }));
    const db = asFile === true ? [] : [{ name: "DB_SECRET", ...reference("orders-db", version) }];
    const other = mail === true ? [{ name: "MAIL_SECRET", ...reference("orders-mail", "1") }] : [];
    const container = {
      image: "europe-docker.pkg.dev/shop-prod/apps/orders:7",
      command: [process.execPath],
      args: [join(__dirname, "app.cjs")],
      env: [...variables, ...db, ...other],
      volumeMounts: asFile === true ? [{ name: "db", mountPath: "/secrets" }] : [],
    };
    const volume = { name: "db", secret: { secret: "orders-db", items: [{ path: "db.json", version }] } };
    return { ...template, containers: [container], volumes: asFile === true ? [volume] : [] };
  }

  get view(): ServiceView {
    return this.run.service(SERVICE);
  }

  get failedRequests(): number {
    return this.requests?.failed ?? 0;
  }

  /** By user name, how many requests were answered with it. */
  get answered(): ReadonlyMap<string, number> {
    return this.requests?.usernames ?? new Map<string, number>();
  }

  async forgetRequests(): Promise<void> {
    await this.requests?.stop();
    this.requests = new Requests(this.view.uri);
  }

  /** Stores and promotes it when it is first asked for. */
  async version(version: number, secret = "orders-db"): Promise<StoredVersion> {
    const key = `${secret} ${version}`;
    const known = this.issued.get(key);
    if (known !== undefined) return known;
    const username = `${secret.slice(7)}_v${version}`;
    const made: StoredVersion = {
      secret,
      ref: { version, token: randomUUID() },
      fingerprint: `fp-${secret}-${version}`,
      issued: { role: username },
      value: { username, password: `${SECRET_MARK}-${randomUUID()}` },
    };
    const store = this.storeOf(secret);
    const { revision, current } = await store.load();
    const fence = await store.commit({ version }, revision);
    await store.putVersion(made);
    await store.promote(made.ref, current, fence, version);
    this.issued.set(key, made);
    return made;
  }

  /** Makes a version current again, as a return does. */
  async promoteAgain(version: number, secret = "orders-db"): Promise<void> {
    const store = this.storeOf(secret);
    const { revision, current } = await store.load();
    await store.promote((await this.version(version, secret)).ref, current, revision, 99);
  }

  /** The secret's name as Secret Manager itself tells it, with the project's number. */
  get numberedName(): string {
    return `projects/${projectNumber(PROJECT)}/secrets/orders-db`;
  }

  storeOf(secret: string): SecretStore {
    const store = this.stores.get(secret);
    if (store === undefined) throw new Error(`There is no ${secret}.`);
    return store;
  }

  /** The versions of the native secret that hold it. */
  nativesOf({ ref, secret }: StoredVersion): readonly number[] {
    const annotations = this.secretManager.secret(`${secret}-rotation`)?.annotations ?? {};
    return Object.entries(annotations)
      .filter(([key]) => key.startsWith("rotation.version."))
      .map(([, text]) => JSON.parse(text) as { token: string; native: number[] })
      .filter(({ token }) => token === ref.token)
      .flatMap(({ native }) => native);
  }

  /** The versions of the rollout that a template names. */
  named(template: NonNullable<ServiceMessage["template"]>, secret = "orders-db"): readonly (number | string)[] {
    const env = (template.containers?.[0]?.env ?? []).flatMap(({ valueSource }) => valueSource?.secretKeyRef ?? []);
    const files = (template.volumes ?? []).flatMap(({ secret: source }) =>
      (source?.items ?? []).map(({ version }) => ({ secret: source?.secret ?? "", version })),
    );
    const natives = new Map(
      [...this.issued.values()].flatMap((stored) =>
        stored.secret === secret
          ? this.nativesOf(stored).map((number) => [String(number), stored.ref.version] as const)
          : [],
      ),
    );
    return [...env, ...files]
      .filter((reference) => reference.secret.endsWith(secret))
      .map(({ version = "latest" }) => natives.get(version) ?? version);
  }

  /** By the front door's own record. */
  serving(): readonly (number | string)[] {
    const { shares, revisions } = this.view;
    const named = [...shares.keys()].flatMap((name) => this.named(revisions.get(name)?.template ?? {}));
    return [...new Set(named)].sort();
  }

  options(more: object = {}): CloudRunConsumerOptions {
    return cloudRunConsumerOptions.parse({
      type: "cloudRun",
      name: "orders",
      project: PROJECT,
      region: REGION,
      service: "orders",
      endpoint: this.run.endpoint,
      secretsEndpoint: this.secretManager.endpoint,
      insecure: true,
      ...MOST_MS,
      ...more,
    });
  }

  consumer(more: object = {}, context: AdapterContext = contextOf()): Consumer {
    return createCloudRunConsumer(this.options(more), context);
  }

  async close(): Promise<void> {
    await this.requests?.stop();
    for (const store of this.stores.values()) await store.close();
    await this.run.stop();
    await this.secretManager.stop();
    await this.issuer.stop();
  }
}

/** Without what proto3 does not tell from absent, and without the marks of gRPC. */
export function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .filter(([key]) => key !== "values")
    .map(([key, inner]) => [key, bare(inner)] as const)
    .filter(([, inner]) => !saysNothing(inner));
  return Object.fromEntries(kept);
}

function saysNothing(value: unknown): boolean {
  if (typeof value === "string") return value === "" || value.endsWith("_UNSPECIFIED");
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === 0 || value === false;
}
