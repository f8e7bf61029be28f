/** What the tests of the Vault store share: a server, adapters, and the documented policies. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore, StoredVersion, VersionRef } from "../../provider/contracts/store";
import { createVaultKvStore, vaultKvStoreOptions } from "../../provider/stores/vaultKv";
import { FaultyProxy } from "./faultyProxy";
import { ROOT_TOKEN, VaultServer } from "./servers/vault";

export const PASSWORD = "hunter2-must-not-be-printed";
const PAGE = readFileSync(join(__dirname, "../../docs/stores/vault.md"), "utf8");

/** The policies exactly as the page has them, for another path and mount. */
export function documentedPolicy(whose: "pipeline" | "consumer", path: string, mount = "secret"): string {
  const blocks = [...PAGE.matchAll(/```hcl\n(.*?)```/gs)].map(([, block]) => block!);
  if (blocks.length !== 2) throw new Error(`the page has ${blocks.length} policies, not 2`);
  const policy = blocks[whose === "pipeline" ? 0 : 1]!;
  return policy.replaceAll("orders/db", path).replaceAll('path "secret/', `path "${mount}/`);
}

export interface Site {
  readonly vault: VaultServer;
  /** Before the same server. */
  readonly proxy: FaultyProxy;
  /** For the test's own files. */
  readonly folder: string;
  /** An empty place, another one for each test. */
  readonly path: string;
  newPlace(): void;
  /** An adapter that goes through the proxy. */
  open(options?: Readonly<Record<string, unknown>>, context?: AdapterContext): SecretStore;
  metadata(): Promise<any>;
}

/** One server for the tests of a file; call within `describe`. */
export function useVault(): Site {
  let places = 0;
  const site = {
    vault: undefined as unknown as VaultServer,
    proxy: undefined as unknown as FaultyProxy,
    folder: "",
    path: "",
    newPlace: () => void (site.path = `place-${++places}/db`),
    open: (options: Readonly<Record<string, unknown>> = {}, context?: AdapterContext) =>
      openVaultStore({ address: site.proxy.address, path: site.path, ...options }, context),
    metadata: async () => (await site.vault.must("GET", `secret/metadata/${site.path}`)).data,
  };
  before(async () => {
    site.folder = await mkdtemp(join(tmpdir(), "rotation-test-"));
    site.vault = await VaultServer.start();
    site.proxy = await FaultyProxy.start(site.vault.address);
  });
  after(async () => {
    await (site.proxy as FaultyProxy | undefined)?.stop();
    await (site.vault as VaultServer | undefined)?.stop();
    await rm(site.folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    site.newPlace();
    site.proxy.fault = () => undefined;
    site.proxy.asked.length = 0;
  });
  return site;
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

/** All that may be printed of an error. */
export function describeFully(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack} ${JSON.stringify(error)} ${error.cause === undefined ? "" : describeFully(error.cause)}`;
}
