import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { errorOf } from "../support/errors";
import { documentedPolicy, makeStored, promoteNew, testContext, useVault } from "./vaultKvSite";

const MINUTE = 60_000;
const SECRET_ID = { from: "env", name: "SECRET_ID" } as const;

describe("logging in to Vault", () => {
  const site = useVault();
  let roles = 0;
  before(() => site.vault.must("POST", "sys/auth/approle", { type: "approle" }));

  /** An AppRole with the documented policy, and what logs in as it. */
  async function makeAppRole(settings: Record<string, unknown> = {}) {
    const name = `role-${++roles}`;
    await site.vault.must("PUT", `sys/policies/acl/${name}`, { policy: documentedPolicy("pipeline", site.path) });
    await site.vault.must("POST", `auth/approle/role/${name}`, {
      token_policies: [name],
      token_ttl: "60s",
      ...settings,
    });
    const roleId = (await site.vault.must("GET", `auth/approle/role/${name}/role-id`)).data.role_id as string;
    const secretId = (await site.vault.must("POST", `auth/approle/role/${name}/secret-id`)).data.secret_id as string;
    const auth = { method: "appRole", roleId, secretId: SECRET_ID };
    return { auth, secretId, context: testContext({ SECRET_ID: secretId }) };
  }
  const tokensUsed = () => new Set(site.proxy.asked.flatMap(({ headers }) => headers["x-vault-token"] ?? []));
  const works = (token: unknown) =>
    site.vault.ask("GET", "auth/token/lookup-self", undefined, String(token)).then(({ status }) => status === 200);

  describe("with a token of one's own", () => {
    it("takes it from where it is found, renews it before it ends, and leaves it when it closes", async () => {
      const policy = documentedPolicy("pipeline", site.path);
      const token = await site.vault.tokenWith(policy, { no_default_policy: false, ttl: "120s", renewable: true });
      const context = testContext({ MY_TOKEN: token });
      const store = site.open({ auth: { method: "token", token: { from: "env", name: "MY_TOKEN" } } }, context);
      await promoteNew(store, 1);
      assert.equal(site.proxy.count("GET", /lookup-self/), 0, "most runs are over before it matters");
      context.advance(MINUTE + 1);
      await store.load();
      assert.equal(site.proxy.count("GET", /lookup-self/), 1);
      assert.equal(site.proxy.count("POST", /renew-self/), 0);
      context.advance(85_000);
      await store.load();
      await store.load();
      assert.equal(site.proxy.count("POST", /renew-self/), 1);
      assert.deepEqual([...tokensUsed()], [token]);
      await store.close();
      assert.equal(await works(token), true);
    });

    it("warns once when it ends soon and cannot be renewed, and says so when it has ended", async () => {
      const token = await site.vault.tokenWith(documentedPolicy("pipeline", site.path), {
        no_default_policy: false,
        ttl: "120s",
        renewable: false,
      });
      const context = testContext({ VAULT_TOKEN: token });
      const store = site.open({}, context);
      await store.load();
      context.advance(MINUTE + 1);
      await store.load();
      context.advance(85_000);
      await store.load();
      await store.load();
      assert.equal(context.lines.length, 1);
      assert.match(context.lines[0] ?? "", /ends in .* and cannot be renewed/);
      assert.ok(!context.lines.join().includes(token));
      await site.vault.must("POST", "auth/token/revoke", { token });
      await assert.rejects(store.load(), /does not know the token: it has expired/);
    });

    it("goes on where it may not look itself up", async () => {
      const context = testContext({ VAULT_TOKEN: await site.vault.tokenWith(documentedPolicy("pipeline", site.path)) });
      const store = site.open({}, context);
      await store.load();
      context.advance(MINUTE + 1);
      await promoteNew(store, 1);
      assert.equal(site.proxy.count("GET", /lookup-self/), 1);
      assert.deepEqual(context.lines, []);
    });

    it("refuses one that cannot be a token without sending or showing it", async () => {
      const error = await errorOf(site.open({}, testContext({ VAULT_TOKEN: "hvs.two\nlines" })).load());
      assert.ok(error instanceof ConfigurationError && !error.message.includes("hvs"));
      assert.equal(site.proxy.asked.length, 0);
    });
  });

  describe("by AppRole", () => {
    it("logs in once, rotates under the documented policy, and takes its token back when it closes", async () => {
      const { auth, context } = await makeAppRole();
      const store = site.open({ auth }, context);
      await promoteNew(store, 1);
      assert.deepEqual(await store.readPayload(), makeStored(1).value);
      assert.equal(site.proxy.count("POST", /approle\/login/), 1, "also for requests at the same moment");
      const [token, ...more] = tokensUsed();
      assert.deepEqual(more, []);
      assert.equal(await works(token), true);
      await store.close();
      assert.equal(await works(token), false);
    });

    it("renews its token when a third of its time is left", async () => {
      const { auth, context } = await makeAppRole();
      const store = site.open({ auth }, context);
      await store.load();
      for (let n = 1; n <= 3; n++) {
        context.advance(45_000);
        await store.load();
        assert.deepEqual([site.proxy.count("POST", /renew-self/), site.proxy.count("POST", /login/)], [n, 1]);
      }
      assert.equal(tokensUsed().size, 1);
    });

    it("logs in again where it may not renew its token", async () => {
      const { auth, context } = await makeAppRole({ token_no_default_policy: true });
      const store = site.open({ auth }, context);
      await store.load();
      context.advance(45_000);
      await store.load();
      assert.deepEqual([site.proxy.count("POST", /renew-self/), site.proxy.count("POST", /login/)], [1, 2]);
      assert.equal(tokensUsed().size, 2);
    });

    it("logs in again when its token nears the longest life that it may have", async () => {
      const { auth, context } = await makeAppRole();
      const store = site.open({ auth }, context);
      await store.load();
      context.advance(45_000);
      // What Vault says there: a renewal brings what is left, and no more.
      site.proxy.fault = ({ path }) => {
        const left = { client_token: [...tokensUsed()][0], lease_duration: 16, renewable: true };
        return path.endsWith("renew-self") ? { status: 200, body: JSON.stringify({ auth: left }) } : undefined;
      };
      await store.load();
      assert.deepEqual([site.proxy.count("POST", /renew-self/), site.proxy.count("POST", /login/)], [1, 2]);
    });

    it("logs in again where the token cannot be renewed", async () => {
      const { auth, context } = await makeAppRole({ token_type: "batch" });
      const store = site.open({ auth }, context);
      await store.load();
      context.advance(45_000);
      await store.load();
      assert.deepEqual([site.proxy.count("POST", /renew-self/), site.proxy.count("POST", /login/)], [0, 2]);
    });

    it("logs in once more when its token was revoked, and goes on", async () => {
      const { auth, context } = await makeAppRole();
      const store = site.open({ auth }, context);
      await store.commit({}, "0");
      const [token] = tokensUsed();
      await site.vault.must("POST", "auth/token/revoke", { token });
      assert.deepEqual((await store.load()).body, {});
      assert.equal(site.proxy.count("POST", /login/), 2);
      assert.equal(tokensUsed().size, 2);
    });

    it("does not log in again for what is not allowed", async () => {
      const { auth, context } = await makeAppRole();
      const error = await errorOf(site.open({ auth, path: "somebody/else" }, context).load());
      assert.match(error.message, /must allow "read" on the path "secret\/(data|metadata)\/somebody\/else/);
      assert.equal(site.proxy.count("POST", /login/), 1);
    });

    it("says what to check when the login is refused, and shows no secret id", async () => {
      const { auth, secretId } = await makeAppRole();
      for (const [options, wrong, text] of [
        [auth, "not-the-secret-id", /login by appRole at auth\/approle\/login was refused.*secret id is not used up/],
        [{ ...auth, roleId: "nobody" }, secretId, /was refused/],
        [{ ...auth, mount: "not-there" }, secretId, /auth\/not-there\/login was refused.*vault auth list/],
      ] as const) {
        const error = await errorOf(site.open({ auth: options }, testContext({ SECRET_ID: wrong })).load());
        assert.ok(error instanceof ConfigurationError && text.test(error.message), error.message);
        assert.ok(!error.message.includes(wrong));
      }
    });
  });

  // The server of the tests has neither method: what is sent is looked at here, and answered with a real token.
  describe("by JWT and by Kubernetes, against a stand-in for the login", () => {
    const answerLoginsWith = (token: string) => {
      const auth = { client_token: token, lease_duration: 60, renewable: true };
      site.proxy.fault = ({ path: asked }) =>
        asked.endsWith("/login") ? { status: 200, body: JSON.stringify({ auth }) } : undefined;
    };
    const logins = () => site.proxy.asked.filter(({ path: asked }) => asked.endsWith("/login"));

    it("sends role and JWT, and works with the token that it gets", async () => {
      answerLoginsWith(await site.vault.tokenWith(documentedPolicy("pipeline", site.path)));
      const auth = { method: "jwt", mount: "ci/jwt", role: "rotate", token: { from: "env", name: "JWT" } };
      await promoteNew(site.open({ auth }, testContext({ JWT: "header.claims.signature" })), 1);
      const [login, ...more] = logins();
      assert.equal(more.length, 0);
      assert.equal(login?.path, "/v1/auth/ci/jwt/login");
      assert.equal(login.headers["x-vault-token"], undefined);
      assert.deepEqual(JSON.parse(login.body), { role: "rotate", jwt: "header.claims.signature" });
    });

    it("reads the service account's token from its file, anew for each login", async () => {
      const token = await site.vault.tokenWith(documentedPolicy("pipeline", site.path));
      answerLoginsWith(token);
      const tokenFile = join(site.folder, "token");
      await writeFile(tokenFile, "first.jwt.x\n");
      const store = site.open({ auth: { method: "kubernetes", role: "rotate", tokenFile } });
      await store.load();
      await writeFile(tokenFile, "second.jwt.x\n");
      await site.vault.must("POST", "auth/token/revoke", { token });
      answerLoginsWith(await site.vault.tokenWith(documentedPolicy("pipeline", site.path)));
      await store.load();
      assert.deepEqual(
        logins().map(({ body }) => JSON.parse(body)),
        [
          { role: "rotate", jwt: "first.jwt.x" },
          { role: "rotate", jwt: "second.jwt.x" },
        ],
      );
      assert.equal(logins()[0]?.path, "/v1/auth/kubernetes/login");
      const absent = site.open({
        auth: { method: "kubernetes", role: "rotate", tokenFile: join(site.folder, "absent") },
      });
      await assert.rejects(absent.load(), /token .*absent cannot be read \(ENOENT\)/);
    });
  });
});
