import assert from "node:assert/strict";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { retentionTrouble } from "../../provider/stores/vaultKv/preflight";
import { errorOf } from "../support/errors";
import { documentedPolicy, makeStored, PASSWORD, promoteNew, testContext, useVault } from "./vaultKvSite";

describe("before the first write to Vault, the store", () => {
  const site = useVault();
  let mounts = 0;

  it("says everything that the policy lacks, and stores nothing", async () => {
    const policy = documentedPolicy("pipeline", site.path)
      .replaceAll('["read", "patch"]', '["read"]')
      .replaceAll('["list", "delete"]', '["list"]');
    const token = await site.vault.tokenWith(policy, { no_default_policy: false });
    const store = site.open({}, testContext({ VAULT_TOKEN: token }));
    const error = await errorOf(store.putVersion(makeStored(1)));
    assert.ok(error instanceof ConfigurationError);
    assert.match(
      error.message,
      new RegExp(
        `path "secret/metadata/${site.path}" lacks "patch"; path "secret/metadata/${site.path}-rotation/versions/1-token-1" lacks "delete"`,
      ),
    );
    assert.deepEqual(await store.list(), []);
  });

  it("finds nothing missing in the documented policy", async () => {
    const token = await site.vault.tokenWith(documentedPolicy("pipeline", site.path), { no_default_policy: false });
    await site.open({}, testContext({ VAULT_TOKEN: token })).putVersion(makeStored(1));
    assert.equal(site.proxy.count("POST", /capabilities-self/), 1);
  });

  it("names path and capability when a request is refused that could not be foreseen", async () => {
    const whole = documentedPolicy("pipeline", site.path);
    const store = site.open(
      {},
      testContext({ VAULT_TOKEN: await site.vault.tokenWith(whole.replace('["read", "patch"]', '["read"]')) }),
    );
    const fence = await store.commit({}, "0");
    const ref = await store.putVersion(makeStored(1));
    const error = await errorOf(store.promote(ref, null, fence, 1));
    assert.ok(error instanceof ConfigurationError && !error.message.includes(PASSWORD));
    assert.match(error.message, new RegExp(`must allow "patch" on the path "secret/metadata/${site.path}"`));
  });

  it("refuses a mount of version 1 before it writes anything", async () => {
    const mount = `v1-${++mounts}`;
    await site.vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "1" } });
    const store = site.open({ mount });
    for (const write of [store.commit({}, "0"), store.putVersion(makeStored(1))])
      await assert.rejects(write, /is not a KV engine of version 2.*vault kv enable-versioning v1-/);
    assert.equal((await site.vault.ask("GET", `${mount}/data?list=true`)).status, 404);
  });

  it("says that nothing is mounted there, and where the mount ends", async () => {
    await assert.rejects(
      site.open({ mount: "nowhere" }).load(),
      /nothing is mounted that serves "nowhere\/.*vault secrets enable -path=nowhere/,
    );
    await assert.rejects(
      site.open({ mount: "secret/team" }).commit({}, "0"),
      /there is no mount "secret\/team", but one "secret"/,
    );
  });

  it("works in a mount with another name that was made this moment, with check-and-set required", async () => {
    const mount = `teams/kv-${++mounts}`;
    await site.vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
    const token = await site.vault.tokenWith(documentedPolicy("pipeline", site.path, mount));
    const store = site.open({ mount }, testContext({ VAULT_TOKEN: token }));
    await promoteNew(store, 1);
    await site.vault.must("POST", `${mount}/config`, { cas_required: true });
    await promoteNew(store, 2);
    assert.deepEqual((await site.vault.must("GET", `${mount}/data/${site.path}`)).data.data, makeStored(2).value);
  });

  it("stores nothing where Vault would delete or drop versions that are needed", async () => {
    const mount = `kept-${++mounts}`;
    await site.vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
    const refusal = async () => {
      const store = site.open({ mount });
      const error = await errorOf(store.putVersion(makeStored(1)));
      assert.ok(error instanceof ConfigurationError);
      assert.deepEqual(await store.list(), []);
      return error.message;
    };
    await untilMade(mount);
    await site.vault.must("POST", `${mount}/config`, { max_versions: 2 });
    assert.match(await refusal(), /keeps 2 versions of the entry \(max_versions\)/);
    await site.vault.must("POST", `${mount}/config`, { max_versions: 0, delete_version_after: "3h" });
    assert.match(await refusal(), /the mount deletes each version 3h0m0s after it was written/);
    await site.vault.must("POST", `${mount}/config`, { delete_version_after: "0s" });
    await site.vault.must("POST", `${mount}/metadata/${site.path}`, { max_versions: 1, delete_version_after: "1h" });
    assert.match(await refusal(), /the entry deletes each version 1h0m0s after/);
    await site.vault.must("POST", `${mount}/metadata/${site.path}`, { max_versions: 1, delete_version_after: "0s" });
    assert.match(await refusal(), /keeps 1 version of the entry/);
    await site.vault.must("POST", `${mount}/config`, { max_versions: 5 });
    await site.open({ mount }).putVersion(makeStored(1));
  });

  it("finds out also without the right to read the mount's settings that versions would vanish", async () => {
    const mount = `blind-${++mounts}`;
    await site.vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
    await untilMade(mount);
    await site.vault.must("POST", `${mount}/config`, { delete_version_after: "3h" });
    const policy = documentedPolicy("pipeline", site.path, mount).replace(/path "[^"]*\/config" \{[^}]*\}/, "");
    const store = site.open({ mount }, testContext({ VAULT_TOKEN: await site.vault.tokenWith(policy) }));
    await assert.rejects(store.putVersion(makeStored(1)), /deletes what is written .* by itself.*nothing was issued/s);
  });

  it("counts as Vault counts", () => {
    const keeps = (maxVersions: number, deleteVersionAfter = "0s") => ({ maxVersions, deleteVersionAfter });
    assert.equal(retentionTrouble(keeps(0), undefined), undefined);
    assert.equal(retentionTrouble(keeps(5), keeps(2)), undefined, "the larger one counts");
    assert.equal(retentionTrouble(undefined, keeps(2)), undefined, "the mount's is not known");
    assert.equal(retentionTrouble(keeps(0, "-1s"), keeps(0, "1h")), undefined, "the mount switched it off");
    assert.ok(retentionTrouble(keeps(2), keeps(1)));
    assert.ok(retentionTrouble(undefined, keeps(0, "1h")));
  });

  /** A new mount answers with an error for a moment; the store waits for it, these tests' own requests do not. */
  async function untilMade(mount: string): Promise<void> {
    while ((await site.vault.ask("GET", `${mount}/config`)).status !== 200)
      await new Promise((done) => setTimeout(done, 20));
  }
});
