/** What the tests of the store in Google Cloud Secret Manager share: an emulator, and adapters on new secrets in it. */
import { randomUUID } from "node:crypto";
import { runClock } from "../../provider/clock";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore, StoredVersion, VersionRef } from "../../provider/contracts/store";
import { createGcpSecretManagerStore, gcpSecretManagerOptions } from "../../provider/stores/gcpSecretManager";
import type { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../testing/gcpSecretManager";
import { accessText, plainClient, PROJECT } from "./servers/gcp";

export type Store = SecretStore & Required<Pick<SecretStore, "disable" | "enable">>;

/** In every value, to look for in errors and logs. */
export const SECRET_MARK = "hunter2-do-not-print";

export interface Site {
  readonly emulator: GcpSecretManagerEmulator;
  /** Of an application. */
  readonly client: SecretManagerServiceClient;
  /** The lines of the log since the secret was named. */
  readonly log: string[];
  /** The secret that is worked on. */
  readonly name: string;
  /** A name that was not used before; everything that was made to fail is healed. */
  fresh(): void;
  /** Waits between two tries take no time until the next secret is named. */
  hurry(): void;
  open(options?: object, signal?: AbortSignal): Store;
  /** The versions of the native secret that were recorded as holding it. */
  nativesOf(ref: VersionRef): readonly number[];
  readNative(version: string | number): Promise<string>;
}

/** Call within `describe`. */
export function gcpSite(): Site {
  let emulator: GcpSecretManagerEmulator | undefined;
  let client: SecretManagerServiceClient | undefined;
  let name = "";
  let names = 0;
  let waits = true;
  const log: string[] = [];
  const opened: SecretStore[] = [];

  before(async () => {
    emulator = await startGcpSecretManager();
    client = plainClient(emulator.endpoint);
  });
  after(async () => {
    for (const store of opened) await store.close();
    await client?.close();
    await emulator?.stop();
  });

  const site: Site = {
    get emulator() {
      return emulator!;
    },
    get client() {
      return client!;
    },
    log,
    get name() {
      return name;
    },
    fresh: () => {
      name = `orders-db-${++names}`;
      log.length = 0;
      waits = true;
      emulator?.heal();
      emulator?.grant();
      emulator?.lag(0);
    },
    hurry: () => (waits = false),
    open: (options = {}, signal) => {
      const own = {
        type: "gcpSecretManager",
        project: PROJECT,
        name,
        endpoint: site.emulator.endpoint,
        insecure: true,
      };
      const parsed = gcpSecretManagerOptions.parse({ ...own, ...options });
      const store = createGcpSecretManagerStore(
        parsed,
        contextOf(log, signal, () => waits),
      ) as Store;
      opened.push(store);
      return store;
    },
    nativesOf: (ref) =>
      Object.entries(site.emulator.secret(`${name}-rotation`)?.annotations ?? {})
        .filter(([key]) => key.startsWith("rotation.version."))
        .map(([, text]) => JSON.parse(text) as { token: string; native: number[] })
        .find(({ token }) => token === ref.token)?.native ?? [],
    readNative: (version) => accessText(site.client, name, version),
  };
  beforeEach(() => site.fresh());
  return site;
}

export function contextOf(
  log: string[],
  signal = new AbortController().signal,
  waits: () => boolean = () => true,
): AdapterContext {
  const clock = runClock();
  return {
    clock: { now: () => clock.now(), sleep: (ms, sleeper) => clock.sleep(waits() ? ms : 0, sleeper) },
    signal,
    log: { info: (line) => log.push(`info ${line}`), warn: (line) => log.push(`warn ${line}`) },
    resolveSecret: () => Promise.reject(new Error("nothing to resolve")),
  };
}

export function makeVersion(version: number, more: Record<string, string> = {}): StoredVersion {
  return {
    secret: "orders-db",
    ref: { version, token: randomUUID() },
    fingerprint: `fp-${version}`,
    issued: { role: `orders_v${version}` },
    value: { username: `orders_v${version}`, password: `${SECRET_MARK}-${version}`, ...more },
  };
}

/** What readers get of it. */
export const payloadOf = (version: StoredVersion) => JSON.stringify(version.value);

/** What a rotation does: commits its intention, stores, promotes. */
export async function promoteNew(store: SecretStore, version: StoredVersion): Promise<string> {
  const { revision, current } = await store.load();
  const fence = await store.commit({ version: version.ref.version }, revision);
  await store.putVersion(version);
  return store.promote(version.ref, current, fence, 1);
}
