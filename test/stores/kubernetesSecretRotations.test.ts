/** Whole rotations with the store in Kubernetes: killed at each call, and followed by a reader who knows nothing of us. */
import { Runtime } from "../../provider/runtime";
import { createKubernetesSecretStore, kubernetesSecretStoreOptions } from "../../provider/stores/kubernetesSecret";
import { followedByNativeReaders } from "./followed";
import { killedAtEachCall } from "./killed";
import { NAMESPACE, Site } from "./kubernetesSecret/site";
import type { StoreUnderTest } from "./storeSite";

describe("a secret in Kubernetes", () => {
  let site: Site;
  let under: StoreUnderTest;
  before(async function () {
    this.timeout(60_000);
    site = await Site.start();
    under = {
      options: {
        type: "kubernetesSecret",
        namespace: NAMESPACE,
        kubeconfig: { path: await site.server.kubeconfig("pipeline") },
        stableName: true,
      },
      nameOption: "name",
      open: (options) =>
        createKubernetesSecretStore(kubernetesSecretStoreOptions.parse(options), new Runtime(() => undefined).context),
      // What a pod gets that mounts it.
      readNative: async (name) => (await site.mount(name)) ?? null,
    };
  });
  after(() => site.stop());

  followedByNativeReaders(() => under);
  killedAtEachCall(() => under);
});
