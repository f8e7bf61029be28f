import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { edge, HOUR } from "./edge";

const isOurs = (type: string) => /rotation:(SecretVersion|Rollout)$/.test(type);
const ORDERS = "organization/shop/dev::orders";

describe("pulumi state delete", () => {
  edge("of the rollout forgets nothing: it is still registered, and takes its place again", async (at) => {
    const program = at.program();
    await at.up();
    await at.site.stack.must("state", "delete", await at.urn("rollout"), "--yes");
    assert.deepEqual((await at.users()).registered, { [ORDERS]: [1] });
    at.site.stack.program(program);
    at.becomeDue();
    await at.up();
    assert.deepEqual(await at.users(), { registered: { [ORDERS]: [2] }, left: {} });

    await at.site.stack.must("state", "delete", await at.urn("rollout"), "--yes");
    at.program({ rollout: null });
    at.advance(HOUR);
    await at.up();
    at.becomeDue();
    await at.up();
    at.advance(3 * HOUR);
    assert.match(await at.up(), /v3 is not confirmed by: rollout orders of organization\/shop\/dev/);
    await at.assertVersions({ v2: "superseded", v3: "active" }, "nobody has told that it is gone");
  });

  edge("of the version that is current, or of one that is pending delete, loses no version", async (at) => {
    await at.up();
    at.becomeDue();
    await at.up("--exclude", await at.urn("rollout"));
    const secret = await at.urn("secret");
    await at.refused(/ambiguously referred to multiple resources/, "state", "delete", secret, "--yes");
    await at.editState((resources) => resources.filter((resource) => !resource.delete));
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v1: "superseded", v2: "active" });
    await at.up();
    await at.assertVersions({ v2: "active" }, "the ledger remembers what is pending");

    at.becomeDue();
    await at.up("--exclude", await at.urn("rollout"));
    await at.editState((resources) => resources.filter((resource) => resource.delete || !isOurs(resource.type)));
    assert.match(await at.up(), /v3: adopts the version that the ledger names/);
    await at.assertVersions({ v2: "superseded", v3: "active" });
    assert.equal(at.site.delivered(), 3);
    at.advance(HOUR);
    await at.up();
    await at.refused(/can't be safely deleted/, "state", "delete", secret, "--yes");
    await at.site.stack.must("state", "delete", secret, "--yes", "--target-dependents");
    await at.up();
    await at.assertVersions({ v3: "superseded", v4: "active" }, "it is taken for a forced replacement");
  });
});

describe("a state from yesterday", () => {
  edge("is brought up to the ledger, and destroys all that there is", async (at) => {
    await at.up();
    const before = await at.exportState("before");
    at.becomeDue();
    await at.up("--exclude", await at.urn("rollout"));
    const amid = await at.exportState("amid");
    await at.importState(before);
    assert.match(await at.up(), /v2: handed out again, the stack still names v1/);
    await at.assertVersions({ v1: "superseded", v2: "active" }, "no third version");
    assert.equal(at.site.delivered(), 2);
    at.advance(HOUR);
    await at.up();
    await at.importState(amid);
    assert.deepEqual(await at.entries(), ["v2#2", "v1#1 pending delete"], "pending deletes of what is long gone");
    await at.up();
    await at.assertVersions({ v2: "active" });
    assert.match(await at.up(), /4 unchanged/);
    await at.importState(before);
    at.consumersEnd();
    await at.destroy();
    await at.assertVersions({});
  });

  edge(
    "has the opposite, a ledger from yesterday, stop every run and every destroy before any side effect",
    async (at) => {
      await at.up();
      const ledger = join(at.site.stack.folder, "secrets/orders-db/ledger");
      const [before, now] = [`${ledger}-before`, `${ledger}-now`];
      cpSync(ledger, before, { recursive: true });
      at.becomeDue();
      await at.up("--exclude", await at.urn("rollout"));
      cpSync(ledger, now, { recursive: true });
      restore(before);
      await at.refused(/the ledger is older than the Pulumi state: .*Nothing was changed/);
      const told =
        /the store has versions that the ledger does not know \(v2\)\..*Nothing was changed\..*rotation adopt/;
      await at.refused(told, "destroy", "--yes", "--skip-preview");
      assert.deepEqual(await at.users(), { registered: { [ORDERS]: [1] }, left: {} }, "the rollout has not left");
      restore(now);
      await at.assertVersions({ v1: "superseded", v2: "active" });
      assert.deepEqual(await at.site.roles(), { live: ["v1", "v2"], disabled: [] });
      await at.up();
      assert.equal(at.site.delivered(), 2);

      function restore(from: string): void {
        rmSync(ledger, { recursive: true });
        cpSync(from, ledger, { recursive: true });
      }
    },
  );
});

describe("a state with a pending delete", () => {
  edge("goes on after an upgrade of the package and a change of the stack's passphrase", async (at) => {
    const { stack } = at.site;
    await stack.must("config", "set", "--secret", "admin", stack.env["PGADMIN_URL"] ?? "");
    Reflect.deleteProperty(stack.env, "PGADMIN_URL");
    at.program({ admin: 'rotation.secretFrom.config("admin")' });
    await at.up();
    at.becomeDue();
    await at.up("--exclude", await at.urn("rollout"));
    // As every version of the package wrote it, and in the shape that the first one gave it.
    const text = 'exports.handler=()=>require("pulumi-rotating-secrets/internal/handler").secretVersion';
    await at.editState((resources) =>
      resources.map((resource) => {
        if (!resource.type.endsWith("SecretVersion")) return resource;
        assert.equal(resource.inputs["__provider"], text);
        const { version, incarnation, epoch: _epoch, inputsDigest: _digest, ...rest } = resource.outputs;
        return { ...resource, outputs: { ...rest, versionId: `v${String(version)}#${String(incarnation)}` } };
      }),
    );
    const { code, output } = await stack.answer("another\nanother\n", "stack", "change-secrets-provider", "passphrase");
    assert.equal(code, 0, output);
    stack.env["PULUMI_CONFIG_PASSPHRASE"] = "another";
    assert.deepEqual(await at.entries(), ["v2#2", "v1#1 pending delete"]);
    await at.up();
    assert.equal(at.site.delivered(), 2);
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" });
    at.consumersEnd();
    await at.destroy();
    await at.assertVersions({});
  });
});

describe("the key of a file store", () => {
  edge("may be read from elsewhere in place; another key is refused, with nothing changed", async (at) => {
    await at.up();
    const { stack } = at.site;
    const store = (name: string) =>
      `store: rotation.fileStore({ path: "${stack.folder}/secrets/orders-db", key: { passphrase: rotation.secretFrom.env("${name}") } }),`;
    stack.env["OTHER_KEY"] = "not the key of this store";
    at.program({ secret: store("OTHER_KEY") });
    await at.refused(/The passphrase does not open the store .* Nothing was changed/);
    stack.env["OTHER_KEY"] = stack.env["STORE_KEY"] ?? "";
    assert.match(await at.up(), /2 updated/);
    await at.assertVersions({ v1: "active" });
    assert.deepEqual(await at.users(), { registered: { [ORDERS]: [1] }, left: {} });
    Reflect.deleteProperty(stack.env, "STORE_KEY");
    at.becomeDue();
    await at.up();
    await at.assertVersions({ v1: "superseded", v2: "active" });
  });
});
