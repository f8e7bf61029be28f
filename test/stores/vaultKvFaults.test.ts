import assert from "node:assert/strict";
import type { SecretStore } from "../../provider/contracts/store";
import { CancelledError, ConfigurationError, RotationError, UnreachableError } from "../../provider/lifecycle/errors";
import { freePort } from "../support/servers";
import { errorOf } from "../support/errors";
import type { Asked, Fault } from "./faultyProxy";
import { ROOT_TOKEN, VaultServer } from "./servers/vault";
import { describeFully, makeStored, openVaultStore, PASSWORD, promoteNew, testContext, useVault } from "./vaultKvSite";

describe("the store in Vault's KV version 2, when the server is in trouble", () => {
  const site = useVault();
  const is = (method: string, part: string) => (asked: Asked) =>
    asked.method === method && asked.path.startsWith(`/v1/secret/${part}/${site.path}`);
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
    for (const [name, run] of Object.entries(operations(site.open(options, hurried)))) {
      const error = await errorOf(run());
      assert.ok(error instanceof kind, `${name}: ${error.stack}`);
      assert.match(error.message, text, name);
      for (const secret of [PASSWORD, ROOT_TOKEN])
        assert.ok(!describeFully(error).includes(secret), describeFully(error));
    }
    assert.ok(!context.lines.join("\n").includes(PASSWORD));
  }

  it("that is down is unreachable, for every operation", async () => {
    const address = `http://127.0.0.1:${await freePort()}`;
    await allFail({ address }, UnreachableError, /connection refused \(ECONNREFUSED\)/);
  });

  it("that never answers ends within the timeout, for every operation", async () => {
    site.proxy.fault = () => "silence";
    await allFail({ timeout: "100ms" }, UnreachableError, /no complete answer within 100 ms \(option timeout\)/);
  });

  it("that does not answer a write: it says that nobody knows, and the next run finds out", async () => {
    site.proxy.once(is("POST", "data"), "silence");
    const error = await errorOf(site.open({ timeout: "200ms" }).commit({ n: 1 }, "0"));
    assert.match(error.message, /Whether this was still done is not known/);
    assert.equal(await site.open().commit({ n: 1 }, (await site.open().load()).revision), "1");
  });

  it("ends at once when the run is cancelled", async () => {
    site.proxy.fault = () => "silence";
    const context = testContext();
    const loading = site.open({}, context).load();
    const reason = new CancelledError("Ctrl-C");
    while (site.proxy.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
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
    ["says 404 to everything, and nothing else", { status: 404 }, RotationError, /is not Vault|has nothing at/],
    ["sends on again and again", { status: 307, headers: { location: "/v1/again" } }, UnreachableError, /sends on/],
  ] as [string, Fault, typeof RotationError, RegExp][]) {
    it(`that ${what} is told so, for every operation`, async () => {
      site.proxy.fault = () => fault;
      await allFail({}, kind, text);
    });
  }

  it("that says 404 to everything, and nothing else, is not taken for an empty store", async () => {
    site.proxy.fault = () => ({ status: 404 });
    await assert.rejects(site.open().load(), /is not Vault/);
    await assert.rejects(site.open().list(), /is not Vault/);
  });

  for (const status of [400, 403, 404, 413, 418, 500, 503]) {
    it(`that echoes what was sent, with HTTP ${status}, is not echoed by the errors`, async () => {
      const body = JSON.stringify({ errors: [`no: ${PASSWORD}`] });
      site.proxy.fault = (asked) => (asked.body.includes(PASSWORD) ? { status, body } : undefined);
      const store = site.open();
      for (const run of [operations(store).commit!, operations(store).putVersion!]) {
        const error = await errorOf(run());
        assert.ok(error instanceof RotationError);
        assert.match(error.message, new RegExp(`HTTP ${status}|permission denied`));
        assert.ok(!describeFully(error).includes(PASSWORD), describeFully(error));
      }
    });
  }

  it("whose storage is too small for what is written says what to raise", async () => {
    const body = '{"errors":["put failed due to value being too large; got 2 bytes, max: 1 bytes"]}';
    site.proxy.fault = (asked) => (is("POST", "data")(asked) ? { status: 500, body } : undefined);
    await assert.rejects(site.open().commit({}, "0"), /larger than the storage.*max_entry_size/);
    assert.equal(site.proxy.count("POST", /ledger/), 1, "it is not tried again");
  });

  it("that is sealed in earnest says so", async () => {
    const other = await VaultServer.start();
    try {
      const store = openVaultStore({ address: other.address, path: site.path });
      await store.commit({}, "0");
      await other.must("PUT", "sys/seal");
      await assert.rejects(store.load(), /Vault is sealed/);
    } finally {
      await other.stop();
    }
  });

  it("that limits its rate is asked again after as long as it says", async () => {
    await site.open().commit({ n: 1 }, "0");
    site.proxy.once(() => true, {
      status: 429,
      headers: { "retry-after": "1" },
      body: '{"errors":["rate limit quota exceeded"]}',
    });
    const context = testContext();
    const waits: number[] = [];
    const sleep = async (ms: number) => void waits.push(ms);
    const store = site.open({}, { ...context, clock: { ...context.clock, sleep } });
    assert.deepEqual((await store.load()).body, { n: 1 });
    assert.deepEqual(waits, [1000]);
  });

  it("whose rate limit is real is waited for", async () => {
    await site.vault.must("POST", "sys/mounts/limited", { type: "kv", options: { version: "2" } });
    await site.vault.must("POST", "sys/quotas/rate-limit/limited", { rate: 4, interval: "1s", path: "limited/" });
    const store = site.open({ mount: "limited" });
    await promoteNew(store, 1);
    for (let n = 0; n < 3; n++) assert.deepEqual((await store.load()).current, makeStored(1).ref);
    await site.vault.must("DELETE", "sys/quotas/rate-limit/limited");
  });

  it("closes kept connections: the next request goes by a new one", async () => {
    const store = site.open();
    await store.commit({ n: 1 }, "0");
    site.proxy.once(() => true, "cut");
    assert.deepEqual((await store.load()).body, { n: 1 });
  });
});
