import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecretStore } from "../../provider/contracts/store";
import { ConfigurationError, UnreachableError } from "../../provider/lifecycle/errors";
import { stores } from "../../provider/registry";
import { retentionTrouble } from "../../provider/stores/vaultKv/preflight";
import { addressOf, vaultKvStoreOptions } from "../../provider/stores/vaultKv/options";
import { selfSigned } from "../adapters/postgres/selfSigned";
import { VaultServer } from "./servers/vault";
import {
  documentedPolicy,
  errorOf,
  FaultyProxy,
  makeStored,
  openVaultStore,
  PASSWORD,
  promoteNew,
  testContext,
  type TestContext,
} from "./vaultKvSite";

const MINUTE = 60_000;
const SECRET_ID = { from: "env", name: "SECRET_ID" } as const;

describe("access to Vault's KV version 2", () => {
  let vault: VaultServer;
  let proxy: FaultyProxy;
  let folder = "";
  let path = "";
  let places = 0;

  before(async () => {
    vault = await VaultServer.start();
    proxy = await FaultyProxy.start(vault.address);
    folder = await mkdtemp(join(tmpdir(), "rotation-test-"));
    await vault.must("POST", "sys/auth/approle", { type: "approle" });
  });
  after(async () => {
    await proxy.stop();
    await vault.stop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    path = `access-${++places}/db`;
    proxy.fault = () => undefined;
    proxy.asked.length = 0;
  });

  const open = (options: Record<string, unknown> = {}, context: TestContext = testContext()): SecretStore =>
    openVaultStore({ address: proxy.address, path, ...options }, context);

  /** An AppRole with the documented policy, and what logs in as it. */
  async function makeAppRole(settings: Record<string, unknown> = {}) {
    const name = `role-${places}`;
    await vault.must("PUT", `sys/policies/acl/${name}`, { policy: documentedPolicy("pipeline", path) });
    await vault.must("POST", `auth/approle/role/${name}`, { token_policies: [name], token_ttl: "60s", ...settings });
    const roleId = (await vault.must("GET", `auth/approle/role/${name}/role-id`)).data.role_id as string;
    const secretId = (await vault.must("POST", `auth/approle/role/${name}/secret-id`)).data.secret_id as string;
    const auth = { method: "appRole", roleId, secretId: SECRET_ID };
    return { auth, secretId, context: testContext({ SECRET_ID: secretId }) };
  }
  const tokensUsed = () => new Set(proxy.asked.flatMap(({ headers }) => headers["x-vault-token"] ?? []));
  const works = (token: unknown) =>
    vault.ask("GET", "auth/token/lookup-self", undefined, String(token)).then(({ status }) => status === 200);

  describe("with a token of one's own", () => {
    it("takes it from where it is found, renews it before it ends, and leaves it when it closes", async () => {
      const policy = documentedPolicy("pipeline", path);
      const token = await vault.tokenWith(policy, { no_default_policy: false, ttl: "120s", renewable: true });
      const context = testContext({ MY_TOKEN: token });
      const store = open({ auth: { method: "token", token: { from: "env", name: "MY_TOKEN" } } }, context);
      await promoteNew(store, 1);
      assert.equal(proxy.count("GET", /lookup-self/), 0, "most runs are over before it matters");
      context.advance(MINUTE + 1);
      await store.load();
      assert.equal(proxy.count("GET", /lookup-self/), 1);
      assert.equal(proxy.count("POST", /renew-self/), 0);
      context.advance(85_000);
      await store.load();
      await store.load();
      assert.equal(proxy.count("POST", /renew-self/), 1);
      assert.deepEqual([...tokensUsed()], [token]);
      await store.close();
      assert.equal(await works(token), true);
    });

    it("warns once when it ends soon and cannot be renewed, and says so when it has ended", async () => {
      const token = await vault.tokenWith(documentedPolicy("pipeline", path), {
        no_default_policy: false,
        ttl: "120s",
        renewable: false,
      });
      const context = testContext({ VAULT_TOKEN: token });
      const store = open({}, context);
      await store.load();
      context.advance(MINUTE + 1);
      await store.load();
      context.advance(85_000);
      await store.load();
      await store.load();
      assert.equal(context.lines.length, 1);
      assert.match(context.lines[0] ?? "", /ends in .* and cannot be renewed/);
      assert.ok(!context.lines.join().includes(token));
      await vault.must("POST", "auth/token/revoke", { token });
      await assert.rejects(store.load(), /does not know the token: it has expired/);
    });

    it("goes on where it may not look itself up", async () => {
      const context = testContext({ VAULT_TOKEN: await vault.tokenWith(documentedPolicy("pipeline", path)) });
      const store = open({}, context);
      await store.load();
      context.advance(MINUTE + 1);
      await promoteNew(store, 1);
      assert.equal(proxy.count("GET", /lookup-self/), 1);
      assert.deepEqual(context.lines, []);
    });

    it("refuses one that cannot be a token without sending or showing it", async () => {
      const error = await errorOf(open({}, testContext({ VAULT_TOKEN: "hvs.two\nlines" })).load());
      assert.ok(error instanceof ConfigurationError && !error.message.includes("hvs"));
      assert.equal(proxy.asked.length, 0);
    });
  });

  describe("by AppRole", () => {
    it("logs in once, rotates under the documented policy, and takes its token back when it closes", async () => {
      const { auth, context } = await makeAppRole();
      const store = open({ auth }, context);
      await promoteNew(store, 1);
      assert.deepEqual(await store.readPayload(), makeStored(1).value);
      assert.equal(proxy.count("POST", /approle\/login/), 1, "also for requests at the same moment");
      const [token, ...more] = tokensUsed();
      assert.deepEqual(more, []);
      assert.equal(await works(token), true);
      await store.close();
      assert.equal(await works(token), false);
    });

    it("renews its token, and logs in again when that is no use any more", async () => {
      const { auth, context } = await makeAppRole({ token_ttl: "60s", token_max_ttl: "61s" });
      const store = open({ auth }, context);
      await store.load();
      context.advance(45_000);
      await store.load();
      assert.deepEqual([proxy.count("POST", /renew-self/), proxy.count("POST", /login/)], [1, 1]);
      // The server's clock did not move: to it the token is new, and can be had for a second more at most.
      context.advance(45_000);
      await store.load();
      assert.ok(proxy.count("POST", /renew-self/) >= 2);
      await store.close();
    });

    it("logs in again where the token cannot be renewed", async () => {
      const { auth, context } = await makeAppRole({ token_type: "batch" });
      const store = open({ auth }, context);
      await store.load();
      context.advance(45_000);
      await store.load();
      assert.deepEqual([proxy.count("POST", /renew-self/), proxy.count("POST", /login/)], [0, 2]);
    });

    it("logs in once more when its token was revoked, and goes on", async () => {
      const { auth, context } = await makeAppRole();
      const store = open({ auth }, context);
      await store.commit({}, "0");
      const [token] = tokensUsed();
      await vault.must("POST", "auth/token/revoke", { token });
      assert.deepEqual((await store.load()).body, {});
      assert.equal(proxy.count("POST", /login/), 2);
      assert.equal(tokensUsed().size, 2);
    });

    it("does not log in again for what is not allowed", async () => {
      const { auth, context } = await makeAppRole();
      const error = await errorOf(open({ auth, path: "somebody/else" }, context).load());
      assert.match(error.message, /must allow "read" on the path "secret\/(data|metadata)\/somebody\/else/);
      assert.equal(proxy.count("POST", /login/), 1);
    });

    it("says what to check when the login is refused, and shows no secret id", async () => {
      const { auth, secretId } = await makeAppRole();
      for (const [options, wrong, text] of [
        [auth, "not-the-secret-id", /login by appRole at auth\/approle\/login was refused.*secret id is not used up/],
        [{ ...auth, roleId: "nobody" }, secretId, /was refused/],
        [{ ...auth, mount: "not-there" }, secretId, /auth\/not-there\/login was refused.*vault auth list/],
      ] as const) {
        const error = await errorOf(open({ auth: options }, testContext({ SECRET_ID: wrong })).load());
        assert.ok(error instanceof ConfigurationError && text.test(error.message), error.message);
        assert.ok(!error.message.includes(wrong));
      }
    });
  });

  // The server of the tests has neither method: what is sent is looked at here, and answered with a real token.
  describe("by JWT and by Kubernetes, against a stand-in for the login", () => {
    const answerLoginsWith = (token: string) => {
      const auth = { client_token: token, lease_duration: 60, renewable: true };
      proxy.fault = ({ path: asked }) =>
        asked.endsWith("/login") ? { status: 200, body: JSON.stringify({ auth }) } : undefined;
    };
    const logins = () => proxy.asked.filter(({ path: asked }) => asked.endsWith("/login"));

    it("sends role and JWT, and works with the token that it gets", async () => {
      answerLoginsWith(await vault.tokenWith(documentedPolicy("pipeline", path)));
      const auth = { method: "jwt", mount: "ci/jwt", role: "rotate", token: { from: "env", name: "JWT" } };
      await promoteNew(open({ auth }, testContext({ JWT: "header.claims.signature" })), 1);
      const [login, ...more] = logins();
      assert.equal(more.length, 0);
      assert.equal(login?.path, "/v1/auth/ci/jwt/login");
      assert.equal(login.headers["x-vault-token"], undefined);
      assert.deepEqual(JSON.parse(login.body), { role: "rotate", jwt: "header.claims.signature" });
    });

    it("reads the service account's token from its file, anew for each login", async () => {
      const token = await vault.tokenWith(documentedPolicy("pipeline", path));
      answerLoginsWith(token);
      const tokenFile = join(folder, "token");
      await writeFile(tokenFile, "first.jwt.x\n");
      const store = open({ auth: { method: "kubernetes", role: "rotate", tokenFile } });
      await store.load();
      await writeFile(tokenFile, "second.jwt.x\n");
      await vault.must("POST", "auth/token/revoke", { token });
      answerLoginsWith(await vault.tokenWith(documentedPolicy("pipeline", path)));
      await store.load();
      assert.deepEqual(
        logins().map(({ body }) => JSON.parse(body)),
        [
          { role: "rotate", jwt: "first.jwt.x" },
          { role: "rotate", jwt: "second.jwt.x" },
        ],
      );
      assert.equal(logins()[0]?.path, "/v1/auth/kubernetes/login");
      const absent = open({ auth: { method: "kubernetes", role: "rotate", tokenFile: join(folder, "absent") } });
      await assert.rejects(absent.load(), /token .*absent cannot be read \(ENOENT\)/);
    });
  });

  describe("before the first write", () => {
    it("says everything that the policy lacks, and stores nothing", async () => {
      const policy = documentedPolicy("pipeline", path)
        .replaceAll('["read", "patch"]', '["read"]')
        .replaceAll('["list", "delete"]', '["list"]');
      const token = await vault.tokenWith(policy, { no_default_policy: false });
      const store = open({}, testContext({ VAULT_TOKEN: token }));
      const error = await errorOf(store.putVersion(makeStored(1)));
      assert.ok(error instanceof ConfigurationError);
      assert.match(
        error.message,
        new RegExp(
          `path "secret/metadata/${path}" lacks "patch"; path "secret/metadata/${path}-rotation/versions/1-token-1" lacks "delete"`,
        ),
      );
      assert.deepEqual(await store.list(), []);
    });

    it("finds nothing missing in the documented policy", async () => {
      const token = await vault.tokenWith(documentedPolicy("pipeline", path), { no_default_policy: false });
      await open({}, testContext({ VAULT_TOKEN: token })).putVersion(makeStored(1));
      assert.equal(proxy.count("POST", /capabilities-self/), 1);
    });

    it("names path and capability when a request is refused that could not be foreseen", async () => {
      const whole = documentedPolicy("pipeline", path);
      const store = open(
        {},
        testContext({ VAULT_TOKEN: await vault.tokenWith(whole.replace('["read", "patch"]', '["read"]')) }),
      );
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      const error = await errorOf(store.promote(ref, null, fence, 1));
      assert.ok(error instanceof ConfigurationError && !error.message.includes(PASSWORD));
      assert.match(error.message, new RegExp(`must allow "patch" on the path "secret/metadata/${path}"`));
    });

    it("refuses a mount of version 1 before it writes anything", async () => {
      await vault.must("POST", `sys/mounts/v1-${places}`, { type: "kv", options: { version: "1" } });
      const store = open({ mount: `v1-${places}` });
      for (const write of [store.commit({}, "0"), store.putVersion(makeStored(1))])
        await assert.rejects(write, /is not a KV engine of version 2.*vault kv enable-versioning v1-/);
      assert.equal((await vault.ask("GET", `v1-${places}/data?list=true`)).status, 404);
    });

    it("says that nothing is mounted there, and where the mount ends", async () => {
      await assert.rejects(
        open({ mount: "nowhere" }).load(),
        /nothing is mounted that serves "nowhere\/.*vault secrets enable -path=nowhere/,
      );
      await assert.rejects(
        open({ mount: "secret/team" }).commit({}, "0"),
        /there is no mount "secret\/team", but one "secret"/,
      );
    });

    it("works in a mount with another name that was made this moment, with check-and-set required", async () => {
      const mount = `teams/kv-${places}`;
      await vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
      const token = await vault.tokenWith(`${documentedPolicy("pipeline", path, mount)}`);
      const store = open({ mount }, testContext({ VAULT_TOKEN: token }));
      await promoteNew(store, 1);
      await vault.must("POST", `${mount}/config`, { cas_required: true });
      await promoteNew(store, 2);
      assert.deepEqual((await vault.must("GET", `${mount}/data/${path}`)).data.data, makeStored(2).value);
    });

    it("stores nothing where Vault would delete or drop versions that are needed", async () => {
      const mount = `kept-${places}`;
      await vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
      const refusal = async () => {
        const store = open({ mount });
        const error = await errorOf(store.putVersion(makeStored(1)));
        assert.ok(error instanceof ConfigurationError);
        assert.deepEqual(await store.list(), []);
        return error.message;
      };
      await untilMade(mount);
      await vault.must("POST", `${mount}/config`, { max_versions: 2 });
      assert.match(await refusal(), /keeps 2 versions of the entry \(max_versions\)/);
      await vault.must("POST", `${mount}/config`, { max_versions: 0, delete_version_after: "3h" });
      assert.match(await refusal(), /the mount deletes each version 3h0m0s after it was written/);
      await vault.must("POST", `${mount}/config`, { delete_version_after: "0s" });
      await vault.must("POST", `${mount}/metadata/${path}`, { max_versions: 1, delete_version_after: "1h" });
      assert.match(await refusal(), /the entry deletes each version 1h0m0s after/);
      await vault.must("POST", `${mount}/metadata/${path}`, { max_versions: 1, delete_version_after: "0s" });
      assert.match(await refusal(), /keeps 1 version of the entry/);
      await vault.must("POST", `${mount}/config`, { max_versions: 5 });
      await open({ mount }).putVersion(makeStored(1));
    });

    it("finds out also without the right to read the mount's settings that versions would vanish", async () => {
      const mount = `blind-${places}`;
      await vault.must("POST", `sys/mounts/${mount}`, { type: "kv", options: { version: "2" } });
      await untilMade(mount);
      await vault.must("POST", `${mount}/config`, { delete_version_after: "3h" });
      const policy = documentedPolicy("pipeline", path, mount).replace(/path "[^"]*\/config" \{[^}]*\}/, "");
      const store = open({ mount }, testContext({ VAULT_TOKEN: await vault.tokenWith(policy) }));
      await assert.rejects(
        store.putVersion(makeStored(1)),
        /deletes what is written .* by itself.*nothing was issued/s,
      );
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
      while ((await vault.ask("GET", `${mount}/config`)).status !== 200)
        await new Promise((done) => setTimeout(done, 20));
    }
  });

  describe("over the network", () => {
    it("verifies the server's certificate, by caFile where it is given", async () => {
      const tls = selfSigned("127.0.0.1");
      const secure = await FaultyProxy.start(vault.address, tls);
      try {
        const address = secure.address;
        const error = await errorOf(open({ address }).load());
        assert.ok(error instanceof UnreachableError);
        assert.match(error.message, /certificate is not trusted .*caFile/);
        assert.equal(secure.asked.length, 0, "no token was sent");
        const caFile = join(folder, "ca.pem");
        await writeFile(caFile, tls.certificate);
        const store = open({ address, caFile });
        await promoteNew(store, 1);
        assert.deepEqual(await store.readPayload(), makeStored(1).value);
        secure.fault = () => ({ status: 307, headers: { location: `${vault.address}/v1/secret/data/x` } });
        await assert.rejects(store.load(), /without TLS/);
        await writeFile(caFile, "not a certificate");
        await assert.rejects(open({ address, caFile }).load(), ConfigurationError);
      } finally {
        await secure.stop();
      }
    });

    it("follows a standby to the active node, with token and body", async () => {
      proxy.fault = ({ path: asked }) => ({ status: 307, headers: { location: vault.address + asked } });
      await promoteNew(open(), 1);
      proxy.fault = () => undefined;
      assert.deepEqual((await open().load()).current, makeStored(1).ref);
    });

    it("sends namespace and what a performance standby needs, and asks again when that is behind", async () => {
      let behind = 1;
      proxy.fault = ({ headers }) => {
        if (headers["x-vault-index"] === undefined)
          return { status: 404, headers: { "x-vault-index": "mark" }, body: '{"errors":[]}' };
        return behind-- > 0 ? { status: 412, body: '{"errors":["required index state not present"]}' } : undefined;
      };
      const store = open({ namespace: "admin/team-a" });
      await store.list();
      // The server of the tests has no namespaces, and says so.
      await store.list().catch(() => undefined);
      assert.deepEqual(
        proxy.asked.map(({ headers }) => headers["x-vault-index"]),
        [undefined, "mark", "mark"],
      );
      for (const { headers } of proxy.asked) {
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
