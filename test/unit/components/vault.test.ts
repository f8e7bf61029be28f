import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { VaultKvSecret, type VaultKvSecretArgs } from "../../../components/vault";
import { assertPlain } from "../../../components/vault/policies";
import { isKnown, namesBefore, run, valueOf } from "./support";

const CONNECTION = {
  address: "https://vault.internal:8200",
  auth: { method: "kubernetes", role: "rotation" },
} as const;

const CONSUMER = `path "kv/team/data/orders/db" {
  capabilities = ["read"]
}
`;

const PIPELINE = `path "kv/team/data/orders/db" {
  capabilities = ["create", "read", "update"]
}

path "kv/team/metadata/orders/db" {
  capabilities = ["read", "patch"]
}

path "kv/team/delete/orders/db" {
  capabilities = ["update"]
}

path "kv/team/undelete/orders/db" {
  capabilities = ["update"]
}

path "kv/team/destroy/orders/db" {
  capabilities = ["update"]
}

path "kv/team/data/orders/db-rotation/ledger" {
  capabilities = ["create", "read", "update"]
}

path "kv/team/data/orders/db-rotation/versions/*" {
  capabilities = ["create", "read", "update"]
}

path "kv/team/metadata/orders/db-rotation/versions/*" {
  capabilities = ["list", "delete"]
}

path "kv/team/config" {
  capabilities = ["read"]
}
`;

function make(args: VaultKvSecretArgs, world = {}) {
  return run((opts) => new VaultKvSecret("orders-db", args, opts), world);
}

const COMPONENT = { type: "rotation:vault:VaultKvSecret", name: "orders-db", inputs: {} };

describe("VaultKvSecret", () => {
  it("makes one policy for the pipeline and one for each consumer, on a mount that exists", async () => {
    const { made, lookups } = await make({ mount: "kv/team", path: "orders/db", consumers: ["web", "Jobs"] });
    assert.deepEqual(lookups, []);
    assert.deepEqual(made, [
      COMPONENT,
      {
        type: "vault:index/policy:Policy",
        name: "orders-db-pipeline",
        inputs: { name: "orders-db-pipeline", policy: PIPELINE },
      },
      {
        type: "vault:index/policy:Policy",
        name: "orders-db-read-Jobs",
        inputs: { name: "orders-db-read-jobs", policy: CONSUMER },
      },
      {
        type: "vault:index/policy:Policy",
        name: "orders-db-read-web",
        inputs: { name: "orders-db-read-web", policy: CONSUMER },
      },
    ]);
  });

  it("makes the mount, as KV v2, and with another number of versions than Vault's own only where it is told", async () => {
    const mounts = async (create: object) =>
      (await make({ mount: { create: { path: "team", ...create } }, path: "db" })).made.filter(
        ({ type }) => !/Policy|rotation/.test(type),
      );
    assert.deepEqual(await mounts({}), [
      {
        type: "vault:index/mount:Mount",
        name: "orders-db",
        inputs: { path: "team", type: "kv", options: { version: "2" } },
      },
    ]);
    assert.deepEqual(await mounts({ description: "of the team", maxVersions: 20 }), [
      {
        type: "vault:index/mount:Mount",
        name: "orders-db",
        inputs: { path: "team", type: "kv", options: { version: "2" }, description: "of the team" },
      },
      {
        type: "vault:kv/secretBackendV2:SecretBackendV2",
        name: "orders-db",
        inputs: { mount: "team", maxVersions: 20 },
      },
    ]);
  });

  it("gives the store as data, which names the mount and holds nothing that is absent", async () => {
    const { value } = await make({ path: "orders/db", connection: CONNECTION, format: "basic-auth" });
    assert.deepEqual(await valueOf(value.store), {
      type: "vaultKv",
      ...CONNECTION,
      mount: "secret",
      path: "orders/db",
      format: "basic-auth",
    });
    const plain = await make({ path: pulumi.output("orders/db") });
    assert.deepEqual(await valueOf(plain.value.store), { type: "vaultKv", mount: "secret", path: "orders/db" });
  });

  it("has mount, limit and policy there before the first version, and until the last one is gone", async () => {
    const { value } = await make({
      mount: { create: { path: "team", maxVersions: 20 } },
      path: "db",
      consumers: ["web"],
    });
    assert.deepEqual(await namesBefore(value.store), [
      "vault:index/mount:Mount orders-db",
      "vault:index/policy:Policy orders-db-pipeline",
      "vault:kv/secretBackendV2:SecretBackendV2 orders-db",
    ]);
  });

  it("does not say in a preview where the store is, while mount and policy are still to be made", async () => {
    const { value } = await make({ mount: { create: { path: "team" } }, path: "db" }, { preview: true });
    assert.equal(await isKnown(value.store), false);
  });

  it("names the entry for each kind of reader", async () => {
    const { value } = await make({ mount: "kv", path: "orders/db" });
    assert.deepEqual(await valueOf(value.references), {
      externalSecret: { dataFrom: [{ extract: { key: "kv/orders/db" } }] },
      secretProviderClass: { objects: '- objectName: "orders-db"\n  secretPath: "kv/data/orders/db"\n' },
      vaultStaticSecret: { type: "kv-v2", mount: "kv", path: "orders/db" },
      agentTemplate: '{{ with secret "kv/data/orders/db" }}{{ .Data.data | toJSON }}{{ end }}',
    });
  });

  it("names each field that the format, or the program, says there is", async () => {
    const objects = async (args: Partial<VaultKvSecretArgs>) =>
      (await valueOf((await make({ mount: "kv", path: "db", ...args })).value.references))!.secretProviderClass.objects;
    assert.equal(
      await objects({ format: "basic-auth" }),
      '- objectName: "username"\n  secretPath: "kv/data/db"\n  secretKey: "username"\n' +
        '- objectName: "password"\n  secretPath: "kv/data/db"\n  secretKey: "password"\n',
    );
    assert.equal(
      await objects({ fields: ["url"] }),
      '- objectName: "url"\n  secretPath: "kv/data/db"\n  secretKey: "url"\n',
    );
    assert.equal(
      await objects({ format: { fields: { dsn: "${url}" } } }),
      '- objectName: "dsn"\n  secretPath: "kv/data/db"\n  secretKey: "dsn"\n',
    );
  });
});

describe("the text of a policy of Vault", () => {
  it("is refused for whatever would mean other paths, too", () => {
    for (const path of [
      "db*",
      "+/db",
      "a/{{identity.entity.id}}",
      "a//b",
      "/a",
      "a/",
      "",
      'a"b',
      "a\\b",
      "a\nb",
      "${x}",
    ])
      assert.throws(
        () => assertPlain({ mount: "secret", path }),
        (error: Error) => error.message.includes(JSON.stringify(path)) && /Nothing was made/.test(error.message),
        path,
      );
    assert.throws(() => assertPlain({ mount: "+", path: "db" }), /^Error: mount must be/);
    assert.doesNotThrow(() => assertPlain({ mount: "kv/team-a", path: "orders/db.v2 (main)" }));
  });
});
