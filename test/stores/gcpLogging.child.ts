/** Stores and promotes a value, in a process whose environment turns on the log of Google's client. */
import { createGcpSecretManagerStore, gcpSecretManagerOptions } from "../../provider/stores/gcpSecretManager";
import { contextOf, makeVersion, promoteNew } from "./gcpSite";

async function main([endpoint, name, password]: readonly (string | undefined)[]): Promise<void> {
  const options = { type: "gcpSecretManager", project: "shop-prod", name, endpoint, insecure: true };
  const store = createGcpSecretManagerStore(gcpSecretManagerOptions.parse(options), contextOf([]));
  const version = { ...makeVersion(1), value: { password: password ?? "" } };
  await promoteNew(store, version);
  await store.read(version.ref);
  await store.readPayload();
  await store.close();
  process.stdout.write("promoted\n");
}

void main(process.argv.slice(2));
