import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError, UnreachableError } from "../../provider/lifecycle/errors";
import { stores } from "../../provider/registry";
import { addressOf, vaultKvStoreOptions } from "../../provider/stores/vaultKv/options";
import { selfSigned } from "../support/selfSigned";
import { errorOf } from "../support/errors";
import { FaultyProxy } from "./faultyProxy";
import { makeStored, openVaultStore, PASSWORD, promoteNew, useVault } from "./vaultKvSite";

describe("the Vault store's way to the server", () => {
  const site = useVault();

  describe("over the network", () => {
    it("verifies the server's certificate, by caFile where it is given", async () => {
      const tls = selfSigned("127.0.0.1");
      const secure = await FaultyProxy.start(site.vault.address, tls);
      try {
        const address = secure.address;
        const error = await errorOf(site.open({ address }).load());
        assert.ok(error instanceof UnreachableError);
        assert.match(error.message, /certificate is not trusted .*caFile/);
        assert.equal(secure.asked.length, 0, "no token was sent");
        const caFile = join(site.folder, "ca.pem");
        await writeFile(caFile, tls.certificate);
        const store = site.open({ address, caFile });
        await promoteNew(store, 1);
        assert.deepEqual(await store.readPayload(), makeStored(1).value);
        secure.fault = () => ({ status: 307, headers: { location: `${site.vault.address}/v1/secret/data/x` } });
        await assert.rejects(store.load(), /without TLS/);
        await writeFile(caFile, "not a certificate");
        await assert.rejects(site.open({ address, caFile }).load(), ConfigurationError);
      } finally {
        await secure.stop();
      }
    });

    it("follows a standby to the active node, with token and body", async () => {
      site.proxy.fault = ({ path: asked }) => ({ status: 307, headers: { location: site.vault.address + asked } });
      await promoteNew(site.open(), 1);
      site.proxy.fault = () => undefined;
      assert.deepEqual((await site.open().load()).current, makeStored(1).ref);
    });

    it("sends namespace and what a performance standby needs, and asks again when that is behind", async () => {
      let behind = 1;
      site.proxy.fault = ({ headers }) => {
        if (headers["x-vault-index"] === undefined)
          return { status: 404, headers: { "x-vault-index": "mark" }, body: '{"errors":[]}' };
        return behind-- > 0 ? { status: 412, body: '{"errors":["required index state not present"]}' } : undefined;
      };
      const store = site.open({ namespace: "admin/team-a" });
      await store.list();
      // The server of the tests has no namespaces, and says so.
      await store.list().catch(() => undefined);
      assert.deepEqual(
        site.proxy.asked.map(({ headers }) => headers["x-vault-index"]),
        [undefined, "mark", "mark"],
      );
      for (const { headers } of site.proxy.asked) {
        assert.equal(headers["x-vault-namespace"], "admin/team-a");
        assert.equal(headers["x-vault-request"], "true");
      }
    });
  });

  describe("its options", () => {
    const messageOf = (options: Record<string, unknown>) => {
      const parsed = vaultKvStoreOptions.safeParse({ type: "vaultKv", path: "orders/db", ...options });
      return parsed.success ? "" : parsed.error.issues.map(({ message }) => message).join("; ");
    };

    it("are registered, with what is left out filled in", async () => {
      const { options } = await stores.vaultKv!();
      assert.deepEqual(options.parse({ type: "vaultKv", path: "orders/db" }), {
        type: "vaultKv",
        path: "orders/db",
        mount: "secret",
        auth: { method: "token", token: { from: "env", name: "VAULT_TOKEN" } },
        format: "fields",
        timeout: "10s",
      });
    });

    it("are refused where they cannot work, with what is allowed", () => {
      for (const [options, text] of [
        [{ path: "/orders/db" }, /path must be names with "\/" between them.*"\/orders\/db"/],
        [{ path: "orders/../db" }, /no "\." or "\.\."/],
        [{ path: "orders//db" }, /no empty name/],
        [{ path: "orders/db " }, /ends with a space/],
        [{ path: "orders/\u2028" }, /cannot be printed/],
        [{ mount: "" }, /mount must be/],
        [{ address: "vault:8200" }, /must be a whole address/],
        [{ address: "https://vault:8200/?x" }, /must end with its path/],
        [{ format: { text: "${password}" } }, /format must be one of/],
        [{ timeout: "10" }, /timeout must be a duration/],
        [{ region: "x" }, /has no option "region"; allowed are/],
        [{ auth: { method: "ldap" } }, /"token", "appRole", "kubernetes" or "jwt"/],
        [{ auth: { method: "jwt", role: "r" } }, /the JWT must say where it is found/],
      ] as const) {
        assert.match(messageOf(options), text);
      }
    });

    it("never show a credential that was put in the place of its source", () => {
      for (const auth of [
        { method: "token", token: PASSWORD },
        { method: "appRole", roleId: "r", secretId: PASSWORD },
        { method: "jwt", role: "r", token: { from: PASSWORD } },
      ]) {
        const message = messageOf({ auth });
        assert.match(message, /must say where it is found, never what it is/);
        assert.ok(!message.includes(PASSWORD));
      }
    });

    it("take the address from VAULT_ADDR, and tell stores apart", () => {
      const options = vaultKvStoreOptions.parse({ type: "vaultKv", path: "orders/db" });
      assert.equal(addressOf(options, { VAULT_ADDR: "https://Vault.internal:8200/" }), "https://vault.internal:8200");
      assert.throws(() => addressOf(options, {}), /has no address, and the environment variable VAULT_ADDR is not set/);
      assert.throws(() => addressOf(options, { VAULT_ADDR: "vault:8200" }), /VAULT_ADDR cannot be used/);
      const at = (more: Record<string, unknown>) =>
        openVaultStore({ address: "https://v:8200/", path: "a/b", ...more }).location;
      assert.equal(at({}), "vault:https://v:8200/secret/a/b");
      assert.equal(at({ mount: "kv", namespace: "team" }), "vault:https://v:8200/kv/a/b?namespace=team");
    });
  });
});
