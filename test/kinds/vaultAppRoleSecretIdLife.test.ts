import * as assert from "node:assert/strict";
import { HOUR, Life } from "./life";
import { useAppRoles } from "./vaultAppRoleSecretIdSite";

describe("a secret that is an AppRole secret id", () => {
  const site = useAppRoles();
  let life: Life;
  const kind = (more = {}) => {
    process.env["ROTATION_TEST_TOKEN"] = site.tokens.revoke;
    const token = { from: "env", name: "ROTATION_TEST_TOKEN" };
    return site.options({ auth: { method: "token", token }, ...more });
  };
  const accessors = async () =>
    ((await site.vault.ask("LIST", `auth/approle/role/${site.role}/secret-id`)).body?.data?.keys ?? []) as string[];

  beforeEach(() => (life = new Life(() => kind())));

  it("is superseded, held back while tokens of it live, and destroyed with a proof when they have ended", async () => {
    await life.up();
    const first = life.current().value;
    const { token, accessor } = await site.logIn(first);
    life.event();
    await life.up();
    const second = life.current().value;
    assert.notEqual(second["secretId"], first["secretId"]);
    assert.equal((await accessors()).length, 2);
    life.clock.advance(HOUR + 1000);
    await life.up();
    assert.deepEqual(await life.states(), { v1: "superseded", v2: "active" });
    const held = (await life.ledger()).versions[0]?.putOff?.message ?? "";
    assert.ok(held.includes(`is still used by who has the token with the accessor ${accessor}`), held);
    await site.vault.must("POST", "auth/token/revoke-self", {}, token);
    await life.up();
    assert.deepEqual(await life.states(), { v1: "retired", v2: "active" });
    assert.equal((await accessors()).length, 1);
    assert.match((await life.ledger()).versions[0]?.proof?.detail ?? "", /refuses a log-in with it/);
    await site.logIn(second);
  });

  it("ends with its tokens at once when it is compromised", async () => {
    await life.up();
    const { token } = await site.logIn(life.current().value);
    life.event("suspected-compromise");
    await life.up();
    await life.up();
    assert.deepEqual(await life.states(), { v1: "retired", v2: "active" });
    assert.equal(await site.tokenWorks(token), false);
  });

  it("goes on after a run that was stopped as Vault had the secret id and nobody knew", async () => {
    await life.up();
    life.event();
    site.proxy.fault = ({ path }) =>
      path.endsWith("custom-secret-id") || path.endsWith("secret-id/lookup") ? "lose-answer" : undefined;
    const { error } = await life.run();
    assert.match(String(error), /closed without an answer/);
    site.proxy.fault = () => undefined;
    const before = await accessors();
    assert.equal(before.length, 1, "the lookup comes first, so nothing was made");
    site.proxy.once(({ path }) => path.endsWith("custom-secret-id"), "lose-answer");
    await life.up();
    assert.equal((await accessors()).length, 2);
    await site.logIn(life.current().value);
  });

  it("says when Vault will end it, where the role does that", async () => {
    await site.newRole({ secret_id_ttl: "48h" });
    const before = Date.now();
    await life.up();
    const [version] = (await life.ledger()).versions;
    assert.ok(Math.abs(version!.expiresAt! - before - 48 * HOUR) < 60_000);
  });

  it("leaves nothing at the issuer when it is torn down", async () => {
    await life.up();
    const { error } = await life.stack.destroy();
    assert.ifError(error);
    assert.deepEqual(await accessors(), []);
  });
});
