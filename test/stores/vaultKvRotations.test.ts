/** Whole rotations with the store in Vault: killed at each call, and followed by a reader who knows nothing of us. */
import { Runtime } from "../../provider/runtime";
import { followedByNativeReaders } from "./followed";
import { killedAtEachCall } from "./killed";
import { ROOT_TOKEN, VaultServer } from "./servers/vault";
import type { StoreUnderTest } from "./storeSite";
import { openVaultStore } from "./vaultKvSite";

describe("a secret in Vault", () => {
  let vault: VaultServer;
  let under: StoreUnderTest;
  before(async () => {
    vault = await VaultServer.start();
    process.env["ROTATION_TEST_VAULT"] = ROOT_TOKEN;
    const token = { from: "env", name: "ROTATION_TEST_VAULT" };
    under = {
      options: { type: "vaultKv", address: vault.address, auth: { method: "token", token } },
      nameOption: "path",
      open: (options) => openVaultStore(options, new Runtime(() => undefined).context),
      readNative: async (path) => {
        const { status, body } = await vault.ask("GET", `secret/data/${path}`);
        return status === 200 ? body.data.data : null;
      },
    };
  });
  after(() => vault.stop());

  followedByNativeReaders(() => under);
  killedAtEachCall(() => under);
});
