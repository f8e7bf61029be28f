import assert from "node:assert/strict";
import { ConfigurationError, ConflictError, StateError } from "../../provider/lifecycle/errors";
import type { Asked } from "./faultyProxy";
import { makeStored, numberOf, openVaultStore, promoteNew, useVault } from "./vaultKvSite";

describe("the store in Vault's KV version 2, stopped, unheard and overtaken", () => {
  const site = useVault();
  const is = (method: string, part: string) => (asked: Asked) =>
    asked.method === method && asked.path.startsWith(`/v1/secret/${part}/${site.path}`);
  const isEntry = (asked: Asked) => is("POST", "data")(asked) && asked.path.endsWith(site.path);

  describe("a run that ends in the middle", () => {
    for (const with_ of ["the same arguments", "what load says now"] as const) {
      it(`between writing the entry and labelling it is completed with ${with_}, without another version`, async () => {
        const first = await promoteNew(site.open(), 1);
        const second = await site.open().putVersion(makeStored(2));
        const { revision } = await site.open().load();
        site.proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
        await assert.rejects(site.open().promote(second, first, revision, 2), ConfigurationError);
        site.proxy.fault = () => undefined;
        const { current } = await site.open().load();
        assert.equal(current, null);
        assert.deepEqual(await site.open().readPayload(), makeStored(2).value, "readers have it");
        await site.open().promote(second, with_ === "the same arguments" ? first : current, revision, 2);
        assert.deepEqual((await site.open().load()).current, second);
        assert.equal((await site.metadata()).current_version, 2);
      });
    }

    it("there leaves nothing of a version that is then not promoted but retired", async () => {
      const first = await promoteNew(site.open(), 1);
      const second = await site.open().putVersion(makeStored(2));
      const { revision } = await site.open().load();
      site.proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
      await assert.rejects(site.open().promote(second, first, revision, 2));
      site.proxy.fault = () => undefined;
      const store = site.open();
      await store.promote(first, null, revision, 3);
      assert.equal((await site.vault.ask("GET", `secret/data/${site.path}?version=2`)).status, 200);
      await store.disable?.(second);
      assert.equal((await site.vault.ask("GET", `secret/data/${site.path}?version=2`)).status, 404, "disabled");
      await store.enable?.(second);
      assert.equal((await site.vault.ask("GET", `secret/data/${site.path}?version=2`)).status, 200, "enabled");
      await store.retire(second);
      assert.equal((await site.metadata()).versions["2"].destroyed, true);
      assert.deepEqual(await store.readPayload(), makeStored(1).value);
    });

    it("there leaves a version that readers get: it cannot be disabled or retired", async () => {
      const store = site.open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      site.proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
      await assert.rejects(store.promote(ref, null, fence, 1));
      site.proxy.fault = () => undefined;
      await assert.rejects(site.open().retire(ref), StateError);
      await assert.rejects(site.open().disable!(ref), StateError);
      assert.deepEqual(await store.readPayload(), makeStored(1).value);
      assert.deepEqual((await store.load()).current, ref, "and it was recognised by the way");
    });

    it("there leaves nothing behind in a teardown", async () => {
      const store = site.open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      site.proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
      await assert.rejects(store.promote(ref, null, fence, 1));
      site.proxy.fault = () => undefined;
      await site.open().clearCurrent(fence);
      assert.equal((await site.metadata()).versions["1"].destroyed, true);
    });
  });

  describe("an answer that gets lost", () => {
    it("of a commit: the commit is recognised as its own, and made once", async () => {
      const store = site.open();
      site.proxy.once(is("POST", "data"), "lose-answer");
      const revision = await store.commit({ n: 1 }, "0");
      assert.equal(revision, "1");
      assert.deepEqual((await store.load()).body, { n: 1 });
      assert.equal(site.proxy.count("POST", /ledger/), 2, "it was sent again");
    });

    it("of a version: the value stored first stays", async () => {
      const store = site.open();
      site.proxy.once(is("POST", "data"), "lose-answer");
      const ref = await store.putVersion(makeStored(1));
      assert.deepEqual(await store.read(ref), makeStored(1));
    });

    it("of a promotion: it is recognised as its own, and made once", async () => {
      const store = site.open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      site.proxy.once(isEntry, "lose-answer");
      await store.promote(ref, null, fence, 1);
      assert.deepEqual((await store.load()).current, ref);
      assert.equal((await site.metadata()).current_version, 1);
    });

    it("of a commit while another one was faster: that one stays, and ours is a conflict", async () => {
      site.proxy.once(is("POST", "data"), "cut");
      const ours = site.open().commit({ by: "us" }, "0");
      await openVaultStore({ address: site.vault.address, path: site.path }).commit({ by: "them" }, "0");
      await assert.rejects(ours, ConflictError);
      assert.deepEqual((await site.open().load()).body, { by: "them" });
    });
  });

  describe("two at once", () => {
    it("promote: exactly one wins, and the entry gets one version", async () => {
      for (let round = 1; round <= 10; round++) {
        site.newPlace();
        const [one, other] = [site.open(), site.open()];
        const first = await promoteNew(one, 1);
        const refs = [await one.putVersion(makeStored(2)), await one.putVersion(makeStored(3))] as const;
        const { revision } = await one.load();
        const results = await Promise.allSettled([
          one.promote(refs[0], first, revision, 2),
          other.promote(refs[1], first, revision, 2),
        ]);
        const won = results.flatMap(({ status }, index) => (status === "fulfilled" ? [refs[index as 0 | 1]] : []));
        assert.equal(won.length, 1);
        assert.ok(results.some((one) => one.status === "rejected" && one.reason instanceof ConflictError));
        assert.deepEqual((await other.load()).current, won[0]);
        assert.equal((await site.metadata()).current_version, 2);
      }
    });

    it("promote the same version: both succeed, and the entry gets one version", async () => {
      const [one, other] = [site.open(), site.open()];
      const fence = await one.commit({}, "0");
      const ref = await one.putVersion(makeStored(1));
      await Promise.all([one.promote(ref, null, fence, 1), other.promote(ref, null, fence, 1)]);
      assert.equal((await site.metadata()).current_version, 1);
      assert.equal(await numberOf(site.vault, site.path, ref), 1);
    });

    it("promote, and the other one there and back again after the first compared the ledger: it changes nothing", async () => {
      const [slow, fast] = [site.open(), openVaultStore({ address: site.vault.address, path: site.path })];
      const first = await promoteNew(fast, 1);
      const [second, third] = [await fast.putVersion(makeStored(2)), await fast.putVersion(makeStored(3))];
      const { revision } = await fast.load();
      let compared = false;
      let overtaken = false;
      site.proxy.fault = async (asked) => {
        const isMetadata = is("GET", "metadata")(asked) && asked.path.endsWith(site.path);
        if (compared && !overtaken && (isEntry(asked) || isMetadata)) {
          overtaken = true;
          await fast.promote(third, first, await fast.commit({ by: "fast" }, revision), 2);
          await fast.promote(first, third, (await fast.load()).revision, 3);
        }
        compared ||= asked.method === "GET" && asked.path.endsWith("/ledger");
        return undefined;
      };
      await assert.rejects(slow.promote(second, first, revision, 2), ConflictError);
      assert.ok(overtaken);
      assert.deepEqual((await fast.load()).current, first);
    });

    it("promote, the other one after a commit that the first did not see: the first changes nothing", async () => {
      const [slow, fast] = [site.open(), openVaultStore({ address: site.vault.address, path: site.path })];
      const first = await promoteNew(fast, 1);
      const [second, third] = [await fast.putVersion(makeStored(2)), await fast.putVersion(makeStored(3))];
      const { revision } = await fast.load();
      // The slow one has checked everything and is about to write: then the other one overtakes it.
      let overtaken = false;
      site.proxy.fault = async (asked) => {
        if (!overtaken && isEntry(asked)) {
          overtaken = true;
          await fast.promote(third, first, await fast.commit({ by: "fast" }, revision), 2);
        }
        return undefined;
      };
      await assert.rejects(slow.promote(second, first, revision, 2), ConflictError);
      assert.deepEqual((await fast.load()).current, third);
    });
  });
});
