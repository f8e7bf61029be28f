import * as assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ConfigurationError, NotFoundError, StateError, UnreachableError } from "../../provider/lifecycle/errors";
import type { CredentialKind, Issued } from "../../provider/contracts/kind";
import { errorOf } from "../support/errors";
import { draftFor, requestFor } from "./issuerSupport";
import { documentedPolicy, useAppRoles } from "./vaultAppRoleSecretIdSite";

const KEEP = { terminateSessions: false };
const END = { terminateSessions: true };

describe("AppRole secret id", () => {
  const site = useAppRoles();
  const issue = async (kind: CredentialKind, identity: string = randomUUID()): Promise<Issued> =>
    kind.issue(await draftFor(kind, identity));
  const accessors = async () =>
    ((await site.vault.ask("LIST", `auth/approle/role/${site.role}/secret-id`)).body?.data?.keys ?? []) as string[];

  it("carries the secret's identity and the rotation in Vault, and passes them on to its tokens", async () => {
    const kind = site.open();
    const request = await draftFor(kind, "the-identity");
    const { value, ref } = await kind.issue(request);
    assert.deepEqual(ref, {
      ...{ mount: "approle", role: site.role, accessor: (await accessors())[0] },
      ...{ rotation: request.rotationId, version: String(request.version) },
    });
    const { accessor } = await site.logIn(value);
    const { data } = await site.vault.must("POST", "auth/token/lookup-accessor", { accessor });
    assert.equal(data.meta.rotation_identity, "the-identity");
    assert.equal(data.meta.rotation_id, request.rotationId);
  });

  it("leaves no token behind when it is verified, also where the role's tokens may not end themselves", async () => {
    for (const settings of [{}, { token_no_default_policy: true }]) {
      await site.newRole(settings);
      const context = site.context();
      const kind = site.open({}, context);
      const { value, ref } = await issue(kind);
      assert.equal((await kind.verify(value, ref)).works, true);
      assert.equal((await kind.usage(ref)).verdict, "not-seen");
      assert.deepEqual(context.lines, []);
    }
  });

  it("says that a verification's token lives on where nothing lets it be taken back", async () => {
    await site.newRole({ token_no_default_policy: true });
    const context = site.context();
    const kind = site.open({ tokens: "expire" }, context);
    const { value, ref } = await issue(kind);
    assert.equal((await kind.verify(value, ref)).works, true);
    assert.match(context.lines.join("\n"), /could not be revoked, and lives until it expires/);
  });

  describe("a role that cannot be rotated is refused before anything is made:", () => {
    const cases: readonly [string, Record<string, unknown>, Record<string, unknown>, RegExp][] = [
      [
        "no secret id is asked for",
        { bind_secret_id: false, token_bound_cidrs: "127.0.0.0/8" },
        {},
        /bind_secret_id = false/,
      ],
      ["each verification would use it up", { secret_id_num_uses: 10 }, {}, /used 10 times \(secret_id_num_uses\)/],
      ["its secret ids end sooner", { secret_id_ttl: "1h" }, { validFor: "2h" }, /sooner than validFor, 2h/],
      ["batch tokens cannot be found", { token_type: "batch" }, {}, /batch tokens.*tokens: "expire"/],
      ["periodic tokens never end", { token_period: "1h" }, { tokens: "expire" }, /renewed for ever/],
    ];
    for (const [why, settings, options, message] of cases) {
      it(why, async () => {
        await site.newRole(settings);
        const error = await errorOf(issue(site.open(options)));
        assert.ok(error instanceof ConfigurationError, String(error));
        assert.match(error.message, message);
        assert.match(error.message, /Nothing was changed/);
        assert.deepEqual(await accessors(), []);
      });
    }

    it("there is none", async () => {
      await site.vault.must("DELETE", `auth/approle/role/${site.role}`);
      await assert.rejects(issue(site.open()), /The role "orders-\d+" of auth\/approle does not exist/);
    });

    it("nothing is mounted there", async () => {
      const auth = { method: "token", token: { from: "env", name: "ROOT" } };
      await assert.rejects(issue(site.open({ mount: "elsewhere", auth })), /Nothing is mounted at auth\/elsewhere/);
    });
  });

  it("ends by itself where the options say so, and the ledger is told when", async () => {
    const kind = site.open({ validFor: "2h" });
    const { expiresAt } = await issue(kind);
    assert.ok(Math.abs(expiresAt! - Date.now() - 7_200_000) < 30_000);
    assert.equal((await issue(site.open())).expiresAt, undefined);
  });

  describe("tokens that were got with it", () => {
    it("are its uses, told from those of other versions and roles", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const [one, two] = [await issue(kind, identity), await issue(kind, identity)];
      const { accessor } = await site.logIn(one.value);
      const report = await kind.usage(one.ref);
      assert.equal(report.verdict, "used");
      assert.ok(report.uses[0]?.by.includes(accessor));
      assert.ok(Math.abs((report.uses[0]?.since ?? 0) - Date.now()) < 10_000);
      assert.equal((await kind.usage(two.ref)).verdict, "not-seen");
    });

    it("hold the end back, and are named", async () => {
      const kind = site.open();
      const { value, ref } = await issue(kind);
      const { token, accessor } = await site.logIn(value);
      const error = await errorOf(kind.revoke(ref, KEEP));
      assert.ok(error instanceof StateError);
      assert.ok(error.message.includes(accessor), error.message);
      assert.match(error.message, /Nothing was revoked/);
      await site.logIn(value);
      assert.equal(await site.tokenWorks(token), true);
    });

    it("end with it where that is asked for, and no others", async () => {
      const kind = site.open();
      const identity = randomUUID();
      const [one, two] = [await issue(kind, identity), await issue(kind, identity)];
      const ended = [await site.logIn(one.value), await site.logIn(one.value)];
      const kept = await site.logIn(two.value);
      await kind.revoke(one.ref, END);
      for (const { token } of ended) assert.equal(await site.tokenWorks(token), false);
      assert.equal(await site.tokenWorks(kept.token), true);
    });

    it("end also when the run before was stopped between the two", async () => {
      const kind = site.open();
      const { value, ref } = await issue(kind);
      const { token } = await site.logIn(value);
      site.proxy.fault = ({ path }) => (path.endsWith("revoke-accessor") ? "cut" : undefined);
      await assert.rejects(kind.revoke(ref, END), UnreachableError);
      assert.deepEqual(await accessors(), []);
      assert.equal(await site.tokenWorks(token), true);
      site.proxy.fault = () => undefined;
      await kind.revoke(ref, END);
      assert.equal(await site.tokenWorks(token), false);
    });

    it("that were got in the last moment are told, though the secret id is gone by then", async () => {
      const kind = site.open();
      const { value, ref } = await issue(kind);
      site.proxy.fault = async ({ path }) => {
        if (path.endsWith("secret-id-accessor/destroy")) await site.logIn(value);
        return undefined;
      };
      await assert.rejects(
        kind.revoke(ref, KEEP),
        /A token that was got with it is live: .*The secret id is destroyed/,
      );
      assert.deepEqual(await accessors(), []);
    });

    it("are left to expire where the options say so, which is told with the time", async () => {
      const context = site.context();
      const kind = site.open({ tokens: "expire" }, context);
      const { value, ref } = await issue(kind);
      const { token } = await site.logIn(value);
      assert.deepEqual(await kind.usage(ref), {
        verdict: "unknown",
        uses: [],
        detail:
          'tokens that were got with it are not looked for (tokens: "expire"), and live for 1 hour at most (token_max_ttl of the role)',
      });
      await kind.revoke(ref, END);
      assert.equal(await site.tokenWorks(token), true);
      assert.match(
        context.lines.join("\n"),
        /is destroyed\. Tokens that were got with it before live on for 1 hour at most/,
      );
    });
  });

  describe("permissions", () => {
    const rules: Record<string, [RegExp, (kind: CredentialKind, issued: Issued) => Promise<unknown>]> = {
      'auth/approle/role/orders"': [/"read" on the path "auth\/approle\/role\/orders-\d+"/, (kind) => issue(kind)],
      "custom-secret-id": [/"update" on the path ".*\/custom-secret-id"/, (kind) => issue(kind)],
      '/secret-id"': [/"list" on the path ".*\/secret-id"/, (kind) => kind.inspect("x")],
      "secret-id/lookup": [/"update" on the path ".*\/secret-id\/lookup"/, (kind) => issue(kind)],
      "secret-id-accessor/lookup": [
        /"update" on the path ".*\/secret-id-accessor\/lookup"/,
        (kind, { ref }) => kind.revoke(ref, END),
      ],
      "secret-id-accessor/destroy": [
        /"update" on the path ".*\/secret-id-accessor\/destroy"/,
        (kind, { ref }) => kind.revoke(ref, END),
      ],
      "auth/token/accessors": [
        /"list" and "sudo" on the path "auth\/token\/accessors"/,
        (kind, { ref }) => kind.revoke(ref, KEEP),
      ],
      "lookup-accessor": [
        /"update" on the path "auth\/token\/lookup-accessor"/,
        (kind, { ref }) => kind.revoke(ref, KEEP),
      ],
      "revoke-accessor": [
        /"update" on the path "auth\/token\/revoke-accessor"/,
        (kind, { ref }) => kind.revoke(ref, END),
      ],
    };

    for (const [rule, [message, step]] of Object.entries(rules)) {
      it(`names what is missing on ${rule.replace('"', "")}, with the page that has the policy`, async () => {
        const issued = await issue(site.open());
        await site.logIn(issued.value);
        const lines = documentedPolicy(site.role, "revoke").split("\n");
        const path = rule.replace("role/orders", `role/${site.role}`);
        const fewer = lines.filter((line) => !line.includes(`${path}${path.endsWith('"') ? "" : '"'} {`));
        assert.equal(fewer.length, lines.length - 1, "one rule is left out");
        const token = await site.vault.tokenWith(fewer.join("\n"));
        const context = Object.assign(site.context(), { resolveSecret: async () => token });
        await assert.rejects(step(site.open({}, context), issued), (error: Error) => {
          assert.ok(error instanceof ConfigurationError, String(error));
          assert.match(error.message, message);
          assert.match(error.message, /docs\/kinds\/vaultAppRoleSecretId\.md/);
          assert.ok(!error.message.includes(issued.value["secretId"]!));
          return true;
        });
      });
    }

    it("to look for tokens that are missing make it unknown who uses it, with the reason", async () => {
      const issued = await issue(site.open());
      const token = await site.vault.tokenWith(documentedPolicy(site.role, "expire"));
      const context = Object.assign(site.context(), { resolveSecret: async () => token });
      const report = await site.open({}, context).usage(issued.ref);
      assert.equal(report.verdict, "unknown");
      assert.match(report.detail ?? "", /"list" and "sudo" on the path "auth\/token\/accessors"/);
    });
  });

  describe("Vault that fails", () => {
    it("after it registered the secret id is found to have done so", async () => {
      const kind = site.open({}, site.context(true));
      site.proxy.once(({ path }) => path.endsWith("custom-secret-id"), "lose-answer");
      const issued = await issue(kind);
      assert.deepEqual(await accessors(), [issued.ref["accessor"]]);
    });

    it("after it destroyed the secret id is found to have done so", async () => {
      const kind = site.open({}, site.context(true));
      const { ref } = await issue(kind);
      site.proxy.once(({ path }) => path.endsWith("secret-id-accessor/destroy"), "lose-answer");
      await kind.revoke(ref, KEEP);
      assert.deepEqual(await accessors(), []);
    });

    it("or turns away for a moment is asked again", async () => {
      const kind = site.open({}, site.context(true));
      const { value, ref } = await issue(kind);
      let times = 0;
      site.proxy.fault = ({ path }) => (path.endsWith("/login") && ++times <= 2 ? { status: 429 } : undefined);
      assert.equal((await kind.verify(value, ref)).works, true);
      assert.equal(times, 3);
    });

    it("with 5xx at a log-in says nothing of the secret id", async () => {
      const kind = site.open({}, site.context(true));
      const { value, ref } = await issue(kind);
      site.proxy.fault = ({ path }) =>
        path.endsWith("/login") ? { status: 503, body: JSON.stringify({ errors: [value["secretId"]] }) } : undefined;
      const error = await errorOf(kind.verify(value, ref));
      assert.ok(error instanceof UnreachableError);
      assert.ok(!error.message.includes(value["secretId"]!));
    });

    it("by silence ends with the time limit", async () => {
      site.proxy.fault = () => "silence";
      await assert.rejects(site.open({ timeout: "200ms" }).inspect("x"), /no complete answer within 200 ms/);
    });
  });

  it("cannot be told to work or not where the role id is locked out, and says so", async () => {
    const kind = site.open();
    const { value, ref } = await issue(kind);
    for (let time = 0; time < 5; time++) await kind.verify({ ...value, secretId: "wrong" }, ref);
    await assert.rejects(kind.verify(value, ref), (error: Error) => {
      assert.match(error.message, /locked out .*sys\/locked-users/);
      return error instanceof ConfigurationError;
    });
  });

  it("cannot be verified from a machine that the role does not let in, and says so", async () => {
    await site.newRole({ secret_id_bound_cidrs: "10.1.2.3/32" });
    const kind = site.open();
    const { value, ref } = await issue(kind);
    await assert.rejects(kind.verify(value, ref), /not allowed from this machine \(secret_id_bound_cidrs/);
  });

  it("of another role does not pass for one of this", async () => {
    const other = await issue(site.open());
    await site.newRole();
    const kind = site.open();
    const { ref } = await issue(kind);
    const { works, detail } = await kind.verify(other.value, ref);
    assert.deepEqual([works, /as the role orders-\d+, not orders-\d+/.test(detail)], [false, true]);
  });

  it("is gone with its role", async () => {
    const kind = site.open({}, site.context(true));
    const { value, ref } = await issue(kind);
    await site.vault.must("DELETE", `auth/approle/role/${site.role}`);
    assert.deepEqual(await kind.inspect("x"), []);
    await kind.revoke(ref, KEEP);
    assert.equal((await kind.verify(value, ref)).works, false);
  });

  it("that has the value of a version but not its mark is left as it is", async () => {
    const kind = site.open();
    const request = await draftFor(kind, randomUUID());
    const body = { secret_id: request.draft.value!["secretId"] };
    await site.vault.must("POST", `auth/approle/role/${site.role}/custom-secret-id`, body);
    await assert.rejects(kind.issue(request), /was not issued by rotation .* left untouched/);
    assert.equal((await accessors()).length, 1);
  });

  describe("adoption", () => {
    const existing = async (settings = {}) => {
      const { data } = await site.vault.must("POST", `auth/approle/role/${site.role}/secret-id`, settings);
      return { username: site.roleId, password: data.secret_id as string };
    };

    it("takes one that is in use by its accessor, whose tokens cannot be told", async () => {
      const context = site.context();
      const kind = site.open({}, context);
      const given = await existing();
      const { ref, value } = await kind.adopt!(given);
      assert.deepEqual(value, { roleId: given.username, secretId: given.password });
      assert.deepEqual([ref["accessor"], ref["adopted"]], [(await accessors())[0], "true"]);
      assert.equal((await kind.usage(ref)).verdict, "unknown");
      await kind.revoke(ref, END);
      assert.deepEqual(await accessors(), []);
      assert.match(context.lines.join("\n"), /live on for 1 hour/);
    });

    it("refuses what does not exist, is used up by verifying, or was issued", async () => {
      const kind = site.open();
      await assert.rejects(kind.adopt!({ username: site.roleId, password: "hunter2" }), (error: Error) => {
        assert.ok(!error.message.includes("hunter2"));
        return error instanceof NotFoundError;
      });
      await assert.rejects(kind.adopt!({ password: "hunter2" }), ConfigurationError);
      await assert.rejects(kind.adopt!(await existing({ num_uses: 3 })), /may be used 3 times more/);
      await assert.rejects(kind.adopt!((await issue(kind)).value), /was issued by rotation/);
    });
  });

  it("is found by the rotation where the reference has no accessor yet", async () => {
    const kind = site.open();
    const request = await draftFor(kind, randomUUID());
    await kind.issue(request);
    await kind.revoke(request.draft.ref, KEEP);
    assert.deepEqual(await accessors(), []);
    const { ref } = await kind.propose(requestFor(randomUUID()));
    await kind.revoke(ref, END);
    await assert.rejects(kind.disable(ref), StateError);
  });
});
