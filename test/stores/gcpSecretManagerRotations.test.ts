/** Whole rotations with the store in Google Cloud: killed at each call, and followed by a reader who knows nothing of us. */
import type { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { Runtime } from "../../provider/runtime";
import { createGcpSecretManagerStore, gcpSecretManagerOptions } from "../../provider/stores/gcpSecretManager";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../testing/gcpSecretManager";
import { followedByNativeReaders } from "./followed";
import { killedAtEachCall } from "./killed";
import { accessText, plainClient, PROJECT } from "./servers/gcp";
import type { StoreUnderTest } from "./storeSite";

describe("a secret in Google Cloud Secret Manager", () => {
  let emulator: GcpSecretManagerEmulator;
  let reader: SecretManagerServiceClient;
  let under: StoreUnderTest;
  before(async () => {
    emulator = await startGcpSecretManager();
    reader = plainClient(emulator.endpoint);
    under = {
      options: { type: "gcpSecretManager", project: PROJECT, endpoint: emulator.endpoint, insecure: true },
      nameOption: "name",
      open: (options) =>
        createGcpSecretManagerStore(gcpSecretManagerOptions.parse(options), new Runtime(() => undefined).context),
      readNative: async (name) => JSON.parse(await accessText(reader, name, "latest")) as Record<string, string>,
    };
  });
  after(async () => {
    await reader.close();
    await emulator.stop();
  });

  followedByNativeReaders(() => under);
  killedAtEachCall(() => under);
});
