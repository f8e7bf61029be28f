/** What a program writes about a store is what its adapter takes. */
import assert from "node:assert/strict";
import { awsSecretsManager, gcpSecretManager, kubernetesSecret, secretFrom, vaultKv, fileStore } from "../../../index";
import type { Descriptor } from "../../../components/options";
import { checkAdapter } from "../../../provider/adapters";
import type { AdapterOptions } from "../../../provider/inputs/common";
import * as registry from "../../../provider/registry";

/** Each with every option that it has, and with the fewest. */
const WRITTEN: Readonly<Record<string, readonly Descriptor[]>> = {
  file: [fileStore({ path: "a", key: { passphrase: secretFrom.env("A") } })],
  vaultKv: [
    vaultKv({ path: "orders/db" }),
    vaultKv({
      address: "https://vault:8200",
      namespace: "team",
      mount: "kv",
      path: "orders/db",
      auth: {
        method: "appRole",
        mount: "approle",
        roleId: "r",
        secretId: secretFrom.store(fileStore({ path: "a", key: { keyFile: "k" } }), "id"),
      },
      format: { fields: { a: "${password}" } },
      caFile: "ca.pem",
      timeout: "5s",
    }),
    vaultKv({ path: "a", auth: { method: "token", token: secretFrom.file("t") } }),
    vaultKv({ path: "a", auth: { method: "kubernetes", mount: "k", role: "r", tokenFile: "t" } }),
    vaultKv({ path: "a", auth: { method: "jwt", mount: "j", role: "r", token: secretFrom.config("t") } }),
  ],
  awsSecretsManager: [
    awsSecretsManager({ name: "orders/db" }),
    awsSecretsManager({
      name: "orders/db",
      region: "eu-west-1",
      profile: "prod",
      assumeRole: { roleArn: "arn:aws:iam::123456789012:role/rotation", externalId: "abc", sessionName: "rotation" },
      format: "rds",
      kmsKeyId: "alias/orders",
      recoveryWindowDays: 7,
      timeout: "5s",
      maxAttempts: 3,
    }),
  ],
  gcpSecretManager: [
    gcpSecretManager({ project: "shop-prod", name: "orders-db" }),
    gcpSecretManager({
      project: "shop-prod",
      name: "orders-db",
      endpoint: "127.0.0.1:1",
      insecure: true,
      replication: ["europe-west1"],
      format: { text: "${password}" },
      timeout: "5s",
    }),
    gcpSecretManager({ project: "shop-prod", name: "orders-db", location: "europe-west1" }),
  ],
  kubernetesSecret: [
    kubernetesSecret({ namespace: "shop", name: "orders-db" }),
    kubernetesSecret({
      namespace: "shop",
      name: "orders-db",
      kubeconfig: { path: "k", context: "c" },
      cluster: "prod",
      secretType: "kubernetes.io/basic-auth",
      stableName: true,
      format: "basic-auth",
      labels: { team: "orders" },
      timeout: "5s",
    }),
    kubernetesSecret({ namespace: "shop", name: "orders-db", kubeconfig: "in-cluster" }),
  ],
};

describe("what a program writes about a store", () => {
  it("is there for each store that there is", () => {
    assert.deepEqual(
      Object.keys(WRITTEN).sort(),
      Object.keys(registry.stores)
        .filter((type) => type !== "memory")
        .sort(),
    );
  });

  for (const [type, descriptors] of Object.entries(WRITTEN))
    it(`is what its adapter takes: ${type}`, async () => {
      const adapter = await registry.stores[type]?.();
      const { shape } = adapter?.options as unknown as { shape: object };
      for (const descriptor of descriptors) {
        assert.equal(descriptor.type, type);
        assert.deepEqual(await checkAdapter(registry.stores, descriptor as AdapterOptions, "store", ["store"]), []);
        assert.deepEqual(
          Object.keys(descriptor).filter((name) => !Object.hasOwn(shape, name)),
          [],
        );
      }
    });
});
