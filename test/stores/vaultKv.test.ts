import assert from "node:assert/strict";
import type { SecretStore } from "../../provider/contracts/store";
import { ConflictError, StateError } from "../../provider/lifecycle/errors";
import { storeConformance } from "../../testing/storeConformance";
import { VaultServer } from "./servers/vault";
import {
  documentedPolicy,
  makeStored,
  numberOf,
  openVaultStore,
  PASSWORD,
  promoteNew,
  testContext,
} from "./vaultKvSite";

describe("the store in Vault's KV version 2", () => {
  let vault: VaultServer;
  let token = "";
  let path = "";
  let places = 0;

  before(async () => {
    vault = await VaultServer.start();
  });
  after(() => vault.stop());

  /** An empty place, and a token that has the documented policy alone. */
  const fresh = async () => {
    path = `place-${++places}/db`;
    token = await vault.tokenWith(documentedPolicy("pipeline", path));
  };
  const open = (options: Record<string, unknown> = {}): SecretStore =>
    openVaultStore({ address: vault.address, path, ...options }, testContext({ VAULT_TOKEN: token }));
  const native = (query = "") => vault.ask("GET", `secret/data/${path}${query}`);
  const metadata = async () => (await vault.must("GET", `secret/metadata/${path}`)).data;
  const value = (version: number) => makeStored(version).value;
  beforeEach(fresh);

  describe("like every store, under the documented policy alone", () => {
    const harness = {
      capabilities: { fencedLabel: false },
      fresh,
      open: async () => open(),
      readByNumber: async (ref: { version: number; token: string }) =>
        vault.must("GET", `secret/data/${path}?version=${await numberOf(vault, path, ref)}`),
    };
    for (const c of storeConformance(harness)) it(c.name, c.run);
  });

  describe("for a reader with the documented policy, who knows nothing of it", () => {
    it("serves what is promoted and returned to, and nothing when it is torn down", async () => {
      const store = open();
      const reader = await vault.tokenWith(documentedPolicy("consumer", path));
      const current = () => vault.ask("GET", `secret/data/${path}`, undefined, reader);
      const byNumber = (n: number) => vault.ask("GET", `secret/data/${path}?version=${n}`, undefined, reader);
      const fence = await store.commit({}, "0");
      const first = await store.putVersion(makeStored(1));
      assert.equal((await current()).status, 404, "it is only pending");
      await store.promote(first, null, fence, 1);
      assert.deepEqual((await current()).body.data.data, value(1));
      const second = await store.putVersion(makeStored(2));
      assert.deepEqual((await current()).body.data.data, value(1), "the second is only pending");
      await store.promote(second, first, fence, 2);
      assert.deepEqual((await current()).body.data.data, value(2));
      assert.deepEqual((await byNumber(1)).body.data.data, value(1));
      await store.promote(first, second, fence, 3);
      assert.deepEqual((await current()).body.data.data, value(1), "returned");
      assert.equal((await current()).body.data.metadata.version, 3);
      await store.disable?.(second);
      assert.equal((await byNumber(2)).status, 404);
      await store.enable?.(second);
      assert.deepEqual((await byNumber(2)).body.data.data, value(2));
      await store.disable?.(second);
      await store.retire(second);
      assert.equal((await byNumber(2)).body.data.metadata.destroyed, true);
      assert.deepEqual((await current()).body.data.data, value(1));
      await store.clearCurrent(fence);
      assert.equal((await current()).status, 404);
      for (const n of [1, 2, 3]) assert.equal((await byNumber(n)).body.data.metadata.destroyed, true, `version ${n}`);
      await store.retire(first);
      assert.equal((await metadata()).custom_metadata, null);
    });

    it("has no way to the ledger and to the versions", async () => {
      const store = open();
      await promoteNew(store, 1);
      await store.putVersion(makeStored(2));
      const reader = await vault.tokenWith(documentedPolicy("consumer", path), { no_default_policy: false });
      for (const [method, place] of [
        ["GET", `secret/data/${path}-rotation/ledger`],
        ["GET", `secret/data/${path}-rotation/versions/2-token-2`],
        ["GET", `secret/metadata/${path}-rotation/versions?list=true`],
        ["GET", `secret/metadata/${path}`],
        ["POST", `secret/undelete/${path}`],
      ] as const) {
        assert.equal((await vault.ask(method, place, undefined, reader)).status, 403, place);
      }
      assert.equal((await vault.ask("GET", `secret/data/${path}`, undefined, reader)).status, 200);
    });

    it("writes the fields in the wanted format, and anew when the format is another one", async () => {
      const ref = await promoteNew(open({ format: { fields: { url: "pg://${username:uri}:${password:uri}@db" } } }), 1);
      assert.deepEqual((await native()).body.data.data, { url: `pg://orders_v1:${PASSWORD}-1@db` });
      const store = open({ format: { fields: { PASS: "${password}" } } });
      await store.promote(ref, ref, (await store.load()).revision, 1);
      assert.deepEqual(await store.readPayload(), { PASS: `${PASSWORD}-1` });
      await store.promote(ref, ref, (await store.load()).revision, 1);
      assert.equal((await metadata()).current_version, 2, "the right payload is not written again");
    });

    it("stores no version that its format does not fit", async () => {
      const store = open({ format: { fields: { url: "${host}" } } });
      await assert.rejects(store.putVersion(makeStored(1)), /names the field "host"/);
      assert.deepEqual(await store.list(), []);
    });
  });

  it("keeps a ledger of 300 KB", async () => {
    const body = { notes: "ä".repeat(150 * 1024) };
    await open().commit(body, "0");
    assert.deepEqual((await open().load()).body, body);
  });

  describe("beside what others do", () => {
    it("keeps a secret that was there before in its history, and custom metadata of others", async () => {
      await vault.must("POST", `secret/data/${path}`, { data: { legacy: "yes", port: 5432 } });
      await vault.must("PATCH", `secret/metadata/${path}`, {
        custom_metadata: { owner: "orders", "rotation-x": "9:y" },
      });
      const store = open();
      assert.deepEqual(await store.load(), { revision: "0", body: undefined, current: null });
      assert.deepEqual(await store.readPayload(), { legacy: "yes", port: "5432" });
      const first = await promoteNew(store, 1);
      await promoteNew(store, 2);
      await store.retire(first);
      const { custom_metadata: custom } = await metadata();
      assert.deepEqual(custom, { owner: "orders", "rotation-x": "9:y", "rotation-3": "2:token-2" });
      assert.equal((await native("?version=1")).body.data.data.legacy, "yes");
      assert.equal((await native("?version=2")).body.data.metadata.destroyed, true);
    });

    it("sees what was written by hand as nothing of its own, writes over it, and leaves it in the history", async () => {
      const store = open();
      const ref = await promoteNew(store, 1);
      await vault.must("POST", `secret/data/${path}`, { data: { by: "hand" } });
      const { revision, current } = await store.load();
      assert.equal(current, null);
      await assert.rejects(store.read("current"), /No version is current/);
      assert.deepEqual(await store.readPayload(), { by: "hand" });
      await assert.rejects(store.promote(ref, ref, revision, 2), ConflictError);
      await store.promote(ref, null, revision, 2);
      assert.deepEqual((await store.load()).current, ref);
      assert.deepEqual((await native("?version=2")).body.data.data, { by: "hand" });
    });

    it("takes a current version that was deleted by hand for none, and can promote it again", async () => {
      const store = open();
      const ref = await promoteNew(store, 1);
      await vault.must("DELETE", `secret/data/${path}`);
      const { revision, current } = await store.load();
      assert.equal(current, null);
      await store.promote(ref, null, revision, 2);
      assert.deepEqual(await store.readPayload(), value(1));
    });

    it("takes away in a teardown what others wrote last, so that they can have it back", async () => {
      const store = open();
      await promoteNew(store, 1);
      await vault.must("POST", `secret/data/${path}`, { data: { by: "hand" } });
      await store.clearCurrent((await store.load()).revision);
      assert.equal((await native()).status, 404);
      assert.equal((await native("?version=1")).body.data.metadata.destroyed, true);
      await vault.must("POST", `secret/undelete/${path}`, { versions: [2] });
      assert.deepEqual((await native()).body.data.data, { by: "hand" });
    });

    it("says that the ledger was deleted by hand, changes nothing then, and goes on once it is back", async () => {
      const store = open();
      const ref = await promoteNew(store, 1);
      const before = await store.load();
      await vault.must("DELETE", `secret/data/${path}-rotation/ledger`);
      const said = (error: Error) =>
        error instanceof StateError &&
        error.message.includes(`vault kv undelete -versions=1 -mount=secret ${path}-rotation/ledger`);
      await assert.rejects(store.load(), said);
      await assert.rejects(store.commit({}, "0"), said);
      await assert.rejects(store.promote(ref, null, "1", 1), said);
      await vault.must("POST", `secret/undelete/${path}-rotation/ledger`, { versions: [1] });
      assert.deepEqual(await store.load(), before);
    });

    it("heals a ledger that was deleted by hand by the commit of a run that had read it before", async () => {
      const store = open();
      const revision = await store.commit({ run: "first" }, "0");
      await vault.must("DELETE", `secret/data/${path}-rotation/ledger`);
      const next = await store.commit({ run: "goes on" }, revision);
      assert.deepEqual(await open().load(), { revision: next, body: { run: "goes on" }, current: null });
    });

    it("says that a version was deleted by hand, and retires it all the same", async () => {
      const store = open();
      await promoteNew(store, 1);
      const ref = await store.putVersion(makeStored(2));
      await vault.must("DELETE", `secret/data/${path}-rotation/versions/2-token-2`);
      await assert.rejects(store.read(ref), /deleted by hand.*vault kv undelete/);
      await assert.rejects(
        store.putVersion(makeStored(2, { password: "another" })).then(() => store.read(ref)),
        StateError,
      );
      await store.retire(ref);
      assert.equal((await store.list()).length, 1);
    });

    it("keeps within the custom metadata that Vault allows, however often versions take turns", async function () {
      this.timeout(60_000);
      await vault.must("POST", `secret/metadata/${path}`, { max_versions: 100 });
      const others = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`other-${n}`, "x"]));
      await vault.must("PATCH", `secret/metadata/${path}`, { custom_metadata: others });
      const store = open();
      const first = await promoteNew(store, 1);
      const second = await promoteNew(store, 2);
      const { revision } = await store.load();
      for (let turn = 0; turn < 20; turn++) {
        await store.promote(first, second, revision, 3);
        await store.promote(second, first, revision, 4);
      }
      const { custom_metadata: custom, versions } = await metadata();
      const ours = Object.keys(custom).filter((key) => key.startsWith("rotation-"));
      assert.equal(Object.keys(custom).length - ours.length, 40);
      assert.ok(ours.length <= 24, `${ours.length} labels`);
      const readable = Object.keys(versions).filter((number) => versions[number].destroyed === false);
      assert.deepEqual(
        readable.map((number) => `rotation-${number}`).sort(),
        ours.sort(),
        "none is there without a label",
      );
    });
  });
});
