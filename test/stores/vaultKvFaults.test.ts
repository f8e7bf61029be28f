import assert from "node:assert/strict";
import type { SecretStore } from "../../provider/contracts/store";
import {
  CancelledError,
  ConfigurationError,
  ConflictError,
  RotationError,
  UnreachableError,
} from "../../provider/lifecycle/errors";
import { freePort } from "../support/servers";
import { ROOT_TOKEN, VaultServer } from "./servers/vault";
import {
  errorOf,
  FaultyProxy,
  makeStored,
  numberOf,
  openVaultStore,
  PASSWORD,
  promoteNew,
  testContext,
  type Asked,
  type Fault,
} from "./vaultKvSite";

describe("the store in Vault's KV version 2, when things go wrong", () => {
  let vault: VaultServer;
  let proxy: FaultyProxy;
  let path = "";
  let places = 0;

  before(async () => {
    vault = await VaultServer.start();
    proxy = await FaultyProxy.start(vault.address);
  });
  after(async () => {
    await proxy.stop();
    await vault.stop();
  });
  beforeEach(() => {
    path = `faults-${++places}/db`;
    proxy.fault = () => undefined;
    proxy.asked.length = 0;
  });

  const open = (options: Record<string, unknown> = {}, context = testContext()): SecretStore =>
    openVaultStore({ address: proxy.address, path, ...options }, context);
  const metadata = async () => (await vault.must("GET", `secret/metadata/${path}`)).data;
  const is = (method: string, part: string) => (asked: Asked) =>
    asked.method === method && asked.path.startsWith(`/v1/secret/${part}/${path}`);
  const isData = (asked: Asked) => is("POST", "data")(asked) && asked.path.endsWith(path);

  describe("a run that ends in the middle", () => {
    for (const with_ of ["the same arguments", "what load says now"] as const) {
      it(`between writing the entry and labelling it is completed with ${with_}, without another version`, async () => {
        const first = await promoteNew(open(), 1);
        const second = await open().putVersion(makeStored(2));
        const { revision } = await open().load();
        proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
        await assert.rejects(open().promote(second, first, revision, 2), ConfigurationError);
        proxy.fault = () => undefined;
        const { current } = await open().load();
        assert.equal(current, null);
        assert.deepEqual(await open().readPayload(), makeStored(2).value, "readers have it");
        await open().promote(second, with_ === "the same arguments" ? first : current, revision, 2);
        assert.deepEqual((await open().load()).current, second);
        assert.equal((await metadata()).current_version, 2);
      });
    }

    it("there leaves nothing of a version that is then not promoted but retired", async () => {
      const first = await promoteNew(open(), 1);
      const second = await open().putVersion(makeStored(2));
      const { revision } = await open().load();
      proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
      await assert.rejects(open().promote(second, first, revision, 2));
      proxy.fault = () => undefined;
      const store = open();
      await store.promote(first, null, revision, 3);
      assert.equal((await vault.ask("GET", `secret/data/${path}?version=2`)).status, 200);
      await store.disable?.(second);
      assert.equal((await vault.ask("GET", `secret/data/${path}?version=2`)).status, 404, "disabled");
      await store.enable?.(second);
      assert.equal((await vault.ask("GET", `secret/data/${path}?version=2`)).status, 200, "enabled");
      await store.retire(second);
      assert.equal((await metadata()).versions["2"].destroyed, true);
      assert.deepEqual(await store.readPayload(), makeStored(1).value);
    });

    it("there leaves nothing behind in a teardown", async () => {
      const store = open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      proxy.fault = (asked) => (asked.method === "PATCH" ? { status: 403 } : undefined);
      await assert.rejects(store.promote(ref, null, fence, 1));
      proxy.fault = () => undefined;
      await open().clearCurrent(fence);
      assert.equal((await metadata()).versions["1"].destroyed, true);
    });
  });

  describe("an answer that gets lost", () => {
    it("of a commit: the commit is recognised as its own, and made once", async () => {
      const store = open();
      proxy.once(is("POST", "data"), "lose-answer");
      const revision = await store.commit({ n: 1 }, "0");
      assert.equal(revision, "1");
      assert.deepEqual((await store.load()).body, { n: 1 });
      assert.equal(proxy.count("POST", /ledger/), 2, "it was sent again");
    });

    it("of a version: the value stored first stays", async () => {
      const store = open();
      proxy.once(is("POST", "data"), "lose-answer");
      const ref = await store.putVersion(makeStored(1));
      assert.deepEqual(await store.read(ref), makeStored(1));
    });

    it("of a promotion: it is recognised as its own, and made once", async () => {
      const store = open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      proxy.once(isData, "lose-answer");
      await store.promote(ref, null, fence, 1);
      assert.deepEqual((await store.load()).current, ref);
      assert.equal((await metadata()).current_version, 1);
    });

    it("of a commit while another one was faster: that one stays, and ours is a conflict", async () => {
      proxy.once(is("POST", "data"), "cut");
      const ours = open().commit({ by: "us" }, "0");
      await openVaultStore({ address: vault.address, path }).commit({ by: "them" }, "0");
      await assert.rejects(ours, ConflictError);
      assert.deepEqual((await open().load()).body, { by: "them" });
    });
  });

  describe("two at once", () => {
    it("promote: exactly one wins, and the entry gets one version", async () => {
      for (let round = 1; round <= 10; round++) {
        path = `faults-${++places}/db`;
        const [one, other] = [open(), open()];
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
        assert.equal((await metadata()).current_version, 2);
      }
    });

    it("promote the same version: both succeed, and the entry gets one version", async () => {
      const [one, other] = [open(), open()];
      const fence = await one.commit({}, "0");
      const ref = await one.putVersion(makeStored(1));
      await Promise.all([one.promote(ref, null, fence, 1), other.promote(ref, null, fence, 1)]);
      assert.equal((await metadata()).current_version, 1);
      assert.equal(await numberOf(vault, path, ref), 1);
    });

    it("promote, the other one after a commit that the first did not see: the first changes nothing", async () => {
      const [slow, fast] = [open(), openVaultStore({ address: vault.address, path })];
      const first = await promoteNew(fast, 1);
      const [second, third] = [await fast.putVersion(makeStored(2)), await fast.putVersion(makeStored(3))];
      const { revision } = await fast.load();
      // The slow one has checked everything and is about to write: then the other one overtakes it.
      let overtaken = false;
      proxy.fault = async (asked) => {
        if (!overtaken && isData(asked)) {
          overtaken = true;
          await fast.promote(third, first, await fast.commit({ by: "fast" }, revision), 2);
        }
        return undefined;
      };
      await assert.rejects(slow.promote(second, first, revision, 2), ConflictError);
      assert.deepEqual((await fast.load()).current, third);
    });
  });

  describe("a server in trouble", () => {
    const operations = (store: SecretStore): Record<string, () => Promise<unknown>> => ({
      load: () => store.load(),
      commit: () => store.commit({ note: PASSWORD }, "0"),
      putVersion: () => store.putVersion(makeStored(1)),
      promote: () => store.promote(makeStored(1).ref, null, "0", 1),
      read: () => store.read(makeStored(1).ref),
      readPayload: () => store.readPayload(),
      list: () => store.list(),
      disable: () => store.disable!(makeStored(1).ref),
      enable: () => store.enable!(makeStored(1).ref),
      retire: () => store.retire(makeStored(1).ref),
      clearCurrent: () => store.clearCurrent("0"),
    });
    /** Each operation fails with this error, which holds no secret. */
    async function allFail(options: Record<string, unknown>, kind: typeof RotationError, text: RegExp): Promise<void> {
      const context = testContext();
      // Waits between attempts are not what is tested here.
      const hurried = { ...context, clock: { ...context.clock, sleep: async () => undefined } };
      for (const [name, run] of Object.entries(operations(open(options, hurried)))) {
        const error = await errorOf(run());
        assert.ok(error instanceof kind, `${name}: ${error.stack}`);
        assert.match(error.message, text, name);
        for (const secret of [PASSWORD, ROOT_TOKEN]) assert.ok(!describe_(error).includes(secret), describe_(error));
      }
      assert.ok(!context.lines.join("\n").includes(PASSWORD));
    }

    it("that is down is unreachable, for every operation", async () => {
      const address = `http://127.0.0.1:${await freePort()}`;
      await allFail({ address }, UnreachableError, /connection refused \(ECONNREFUSED\)/);
    });

    it("that never answers ends within the timeout, for every operation", async () => {
      proxy.fault = () => "silence";
      await allFail({ timeout: "100ms" }, UnreachableError, /no complete answer within 100 ms \(option timeout\)/);
    });

    it("that does not answer a write: it says that nobody knows, and the next run finds out", async () => {
      proxy.once(is("POST", "data"), "silence");
      const error = await errorOf(open({ timeout: "200ms" }).commit({ n: 1 }, "0"));
      assert.match(error.message, /Whether this was still done is not known/);
      assert.equal(await open().commit({ n: 1 }, (await open().load()).revision), "1");
    });

    it("ends at once when the run is cancelled", async () => {
      proxy.fault = () => "silence";
      const context = testContext();
      const loading = open({}, context).load();
      const reason = new CancelledError("Ctrl-C");
      while (proxy.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
      context.cancel(reason);
      assert.equal(await errorOf(loading), reason);
    });

    for (const [what, fault, kind, text] of [
      [
        "is sealed",
        { status: 503, body: '{"errors":["Vault is sealed"]}' },
        UnreachableError,
        /Vault is sealed.*vault operator unseal/,
      ],
      ["is a secondary for disaster recovery", { status: 472 }, UnreachableError, /HTTP 472/],
      ["is a performance standby", { status: 473 }, UnreachableError, /HTTP 473/],
      ["fails", { status: 500, body: '{"errors":["internal error"]}' }, UnreachableError, /failed with HTTP 500/],
      ["is not Vault", { status: 200, body: "<html>log in</html>" }, UnreachableError, /is not Vault/],
      [
        "says no to everything",
        { status: 403, body: '{"errors":["permission denied"]}' },
        ConfigurationError,
        /"secret\/(data|metadata)\/.*permission denied|must allow "/,
      ],
      [
        "has no such mount",
        { status: 404, body: '{"errors":["no handler for route"]}' },
        ConfigurationError,
        /nothing is mounted|has nothing at/,
      ],
      [
        "echoes what was sent",
        { status: 400, body: JSON.stringify({ errors: [`bad: ${PASSWORD}`] }) },
        RotationError,
        /HTTP 400/,
      ],
      ["sends on again and again", { status: 307, headers: { location: "/v1/again" } }, UnreachableError, /sends on/],
    ] as [string, Fault, typeof RotationError, RegExp][]) {
      it(`that ${what} is told so, for every operation`, async () => {
        const writesOnly = what.startsWith("echoes");
        proxy.fault = (asked) => (writesOnly && !asked.body.includes(PASSWORD) ? undefined : fault);
        if (!writesOnly) return allFail({}, kind, text);
        for (const run of [operations(open()).commit!, operations(open()).putVersion!]) {
          const error = await errorOf(run());
          assert.ok(error instanceof kind && text.test(error.message) && !describe_(error).includes(PASSWORD));
        }
      });
    }

    it("whose storage is too small for what is written says what to raise", async () => {
      const body = '{"errors":["put failed due to value being too large; got 2 bytes, max: 1 bytes"]}';
      proxy.fault = (asked) => (is("POST", "data")(asked) ? { status: 500, body } : undefined);
      await assert.rejects(open().commit({}, "0"), /larger than the storage.*max_entry_size/);
      assert.equal(proxy.count("POST", /ledger/), 1, "it is not tried again");
    });

    it("that is sealed indeed, and then unreachable no more", async function () {
      const other = await VaultServer.start();
      try {
        const store = openVaultStore({ address: other.address, path });
        await store.commit({}, "0");
        await other.must("PUT", "sys/seal");
        await assert.rejects(store.load(), /Vault is sealed/);
      } finally {
        await other.stop();
      }
    });

    it("that limits its rate is asked again after as long as it says", async () => {
      await open().commit({ n: 1 }, "0");
      proxy.once(() => true, {
        status: 429,
        headers: { "retry-after": "1" },
        body: '{"errors":["rate limit quota exceeded"]}',
      });
      const context = testContext();
      const waits: number[] = [];
      const sleep = async (ms: number) => void waits.push(ms);
      const store = open({}, { ...context, clock: { ...context.clock, sleep } });
      assert.deepEqual((await store.load()).body, { n: 1 });
      assert.deepEqual(waits, [1000]);
    });

    it("whose rate limit is real is waited for", async () => {
      await vault.must("POST", "sys/mounts/limited", { type: "kv", options: { version: "2" } });
      await vault.must("POST", "sys/quotas/rate-limit/limited", { rate: 4, interval: "1s", path: "limited/" });
      const store = open({ mount: "limited" });
      await promoteNew(store, 1);
      for (let n = 0; n < 3; n++) assert.deepEqual((await store.load()).current, makeStored(1).ref);
      await vault.must("DELETE", "sys/quotas/rate-limit/limited");
    });

    it("closes kept connections: the next request goes by a new one", async () => {
      const store = open();
      await store.commit({ n: 1 }, "0");
      proxy.once(() => true, "cut");
      assert.deepEqual((await store.load()).body, { n: 1 });
    });
  });
});

/** All that may be printed of an error. */
function describe_(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack} ${JSON.stringify(error)} ${error.cause === undefined ? "" : describe_(error.cause)}`;
}
