/** What the tests of the Vault store share: adapters, the documented policies, and a proxy that misbehaves. */
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore, StoredVersion, VersionRef } from "../../provider/contracts/store";
import { createVaultKvStore, vaultKvStoreOptions } from "../../provider/stores/vaultKv";
import { ROOT_TOKEN, type VaultServer } from "./servers/vault";

export const PASSWORD = "hunter2-must-not-be-printed";
const PAGE = readFileSync(join(__dirname, "../../docs/stores/vault.md"), "utf8");

/** The policies exactly as the page has them, for another path and mount. */
export function documentedPolicy(whose: "pipeline" | "consumer", path: string, mount = "secret"): string {
  const blocks = [...PAGE.matchAll(/```hcl\n(.*?)```/gs)].map(([, block]) => block!);
  if (blocks.length !== 2) throw new Error(`the page has ${blocks.length} policies, not 2`);
  const policy = blocks[whose === "pipeline" ? 0 : 1]!;
  return policy.replaceAll("orders/db", path).replaceAll('path "secret/', `path "${mount}/`);
}

export interface TestContext extends AdapterContext {
  /** What was logged. */
  readonly lines: string[];
  /** Moves the clock forward. */
  advance(ms: number): void;
  cancel(reason: Error): void;
}

/** Waits are as long as they would be, unless the clock is moved. Resolves `{ from: "env", name }` from `secrets`. */
export function testContext(secrets: Readonly<Record<string, string>> = { VAULT_TOKEN: ROOT_TOKEN }): TestContext {
  const lines: string[] = [];
  const controller = new AbortController();
  let ahead = 0;
  return {
    lines,
    advance: (ms) => void (ahead += ms),
    cancel: (reason) => controller.abort(reason),
    clock: {
      now: () => Date.now() + ahead,
      sleep: (ms) => setTimeout(ms, undefined, { signal: controller.signal }),
    },
    signal: controller.signal,
    log: { info: (line) => void lines.push(line), warn: (line) => void lines.push(line) },
    resolveSecret: async (source) => {
      const value = source.from === "env" ? secrets[source.name] : undefined;
      if (value === undefined) throw new Error(`no such secret: ${JSON.stringify(source)}`);
      return value;
    },
  };
}

export function openVaultStore(
  options: Readonly<Record<string, unknown>>,
  context: AdapterContext = testContext(),
): SecretStore {
  return createVaultKvStore(vaultKvStoreOptions.parse({ type: "vaultKv", ...options }), context);
}

export function makeStored(version: number, value?: Record<string, string>): StoredVersion {
  return {
    secret: "orders-db",
    ref: { version, token: `token-${version}` },
    fingerprint: `fp-${version}`,
    issued: { role: `orders_v${version}` },
    value: value ?? { username: `orders_v${version}`, password: `${PASSWORD}-${version}` },
  };
}

/** Stores a version and makes it current, as a rotation does. */
export async function promoteNew(store: SecretStore, version: number): Promise<VersionRef> {
  const { revision, current } = await store.load();
  const fence = await store.commit({ version }, revision);
  const ref = await store.putVersion(makeStored(version));
  await store.promote(ref, current, fence, version);
  return ref;
}

/** The newest version of the entry that holds `ref`, by the labels that the page describes. */
export async function numberOf(vault: VaultServer, path: string, ref: VersionRef): Promise<number> {
  const { custom_metadata: custom } = (await vault.must("GET", `secret/metadata/${path}`)).data;
  const numbers = Object.entries((custom ?? {}) as Record<string, string>)
    .filter(([key, value]) => key.startsWith("rotation-") && value === `${ref.version}:${ref.token}`)
    .map(([key]) => Number(key.slice("rotation-".length)));
  if (numbers.length === 0) throw new Error(`no version of the entry holds version ${ref.version}`);
  return Math.max(...numbers);
}

export async function errorOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it succeeded");
}

export type Fault =
  /** Answers itself. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Never answers. */
  | "silence"
  /** What was asked never reaches the server. */
  | "cut"
  /** What was asked is done; the answer never comes. */
  | "lose-answer"
  | undefined;

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Stands before a real Vault, and does to a request what `fault` says. */
export class FaultyProxy {
  readonly asked: Asked[] = [];
  fault: (asked: Asked) => Fault | Promise<Fault> = () => undefined;

  private constructor(
    private readonly server: http.Server,
    private readonly scheme: "http" | "https",
  ) {}

  static async start(target: string, tls?: { certificate: string; key: string }): Promise<FaultyProxy> {
    const server = tls ? https.createServer({ cert: tls.certificate, key: tls.key }) : http.createServer();
    const proxy = new FaultyProxy(server, tls ? "https" : "http");
    server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
      void proxy.serve(request, response, target).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Does `fault` to the first request that fits, and then nothing more. */
  once(fits: (asked: Asked) => boolean, fault: Fault): void {
    let done = false;
    this.fault = (asked) => {
      if (done || !fits(asked)) return undefined;
      done = true;
      return fault;
    };
  }

  count(method: string, path: RegExp): number {
    return this.asked.filter((asked) => asked.method === method && path.test(asked.path)).length;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse, target: string): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { method = "", url: path = "", headers } = request;
    const asked = { method, path, headers, body: body.toString("utf8") };
    this.asked.push(asked);
    const fault = await this.fault(asked);
    if (fault === "silence") return;
    if (fault === "cut") return void request.socket.destroy();
    if (typeof fault === "object") return void response.writeHead(fault.status, fault.headers).end(fault.body);
    const { host: _host, connection: _connection, "content-length": _length, ...passed } = headers;
    const answer = await fetch(target + path, {
      method,
      headers: passed as Record<string, string>,
      redirect: "manual",
      ...(body.length === 0 ? {} : { body }),
    });
    const text = await answer.text();
    if (fault === "lose-answer") return void request.socket.destroy();
    const kept = ["content-type", "date", "location"].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(answer.status, Object.fromEntries(kept)).end(text);
  }
}
