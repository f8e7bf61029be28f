import assert from "node:assert/strict";
import type { AdapterContext } from "../../provider/contracts/context";
import type { SecretStore, VersionRef } from "../../provider/contracts/store";
import { createGcpSecretManagerStore, gcpSecretManagerOptions } from "../../provider/stores/gcpSecretManager";
import { runClock } from "../../provider/clock";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../testing/gcpSecretManager";
import { storeConformance } from "../../testing/storeConformance";

describe("the store in Google Cloud Secret Manager", () => {
  let emulator: GcpSecretManagerEmulator;
  let secrets = 0;
  let name = "";
  const logged: string[] = [];

  before(async () => {
    emulator = await startGcpSecretManager();
  });
  after(() => emulator.stop());

  const context = (signal = new AbortController().signal): AdapterContext => ({
    clock: runClock(),
    signal,
    log: { info: (line) => logged.push(line), warn: (line) => logged.push(line) },
    resolveSecret: () => Promise.reject(new Error("nothing to resolve")),
  });

  function openStore(more: object = {}, using = context()): SecretStore {
    const options = {
      type: "gcpSecretManager",
      project: "shop-prod",
      name,
      endpoint: emulator.endpoint,
      insecure: true,
    };
    return createGcpSecretManagerStore(gcpSecretManagerOptions.parse({ ...options, ...more }), using);
  }

  async function fresh() {
    name = `orders-db-${++secrets}`;
  }

  describe("like every store", () => {
    const readByNumber = async (ref: VersionRef) => {
      const record = Object.entries(emulator.secret(`${name}-rotation`)?.annotations ?? {})
        .filter(([key]) => key.startsWith("rotation.version."))
        .map(([, text]) => JSON.parse(text) as { token: string; native: number[] })
        .find(({ token }) => token === ref.token);
      const number = record?.native.at(-1);
      const version = emulator.secret(name)?.versions.find((other) => other.number === number);
      if (version?.state !== "ENABLED") throw new Error(`not enabled: ${version?.state}`);
      return version.data;
    };
    const harness = {
      capabilities: { fencedLabel: false, maxPayloadBytes: 65_536 },
      fresh,
      open: async () => openStore(),
      readByNumber,
    };
    for (const c of storeConformance(harness)) it(c.name, c.run);
  });
});
