import * as assert from "node:assert/strict";
import { ConfigurationError, StateError } from "../../../provider/lifecycle/errors";
import { Rotations, Site } from "./support";

describe("PostgreSQL credential kind: issuing", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  const secretOf = async (role: string) =>
    (
      await site.superuser.query<{ rolpassword: string }>(`SELECT rolpassword FROM pg_authid WHERE rolname = $1`, [
        role,
      ])
    ).rows[0]?.rolpassword;

  it("names the role after prefix, version and rotation, and marks it with identity, rotation and version", async () => {
    const rotations = new Rotations(site.kind());
    const draft = await rotations.draft();
    const { ref, value } = await site.kind().issue(draft);
    assert.equal(ref["role"], `r_${site.id}_v1_${draft.rotationId.slice(0, 8)}`);
    assert.equal(value["username"], ref["role"]);
    const comment = await site.superuser.query<{ comment: string }>(
      `SELECT shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname = $1`,
      [ref["role"]],
    );
    const mark = JSON.parse(comment.rows[0]!.comment) as Record<string, unknown>;
    assert.deepEqual(
      [mark["identity"], mark["rotation"], mark["version"]],
      [rotations.identity, draft.rotationId, "1"],
    );
  });

  it("gives consumers every field as text, and a URL that logs in", async () => {
    const { value } = await new Rotations(site.kind()).issue();
    const { host, port } = site.server;
    assert.equal(
      value["url"],
      `postgres://${value["username"]}:${value["password"]}@${host}:${port}/${site.database}?sslmode=disable`,
    );
    assert.deepEqual([value["host"], value["port"], value["database"]], [host, String(port), site.database]);
  });

  it("makes the server keep a SCRAM-SHA-256 verifier with which the server's own log-in succeeds", async () => {
    const { ref, value } = await new Rotations(site.kind()).issue();
    assert.match((await secretOf(ref["role"]!))!, /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$/);
    await site.use(value);
  });

  it("lets what a version creates belong to the owner, so that the next version can use and drop it", async () => {
    const kind = site.kind();
    const rotations = new Rotations(kind);
    const first = await rotations.issue();
    await (await site.use(first.value)).query(`CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)`);
    const second = await rotations.issue(first.ref);
    const next = await site.use(second.value);
    assert.equal(
      (await next.query(`SELECT tableowner FROM pg_tables WHERE tablename = 'orders'`)).rows[0].tableowner,
      site.owner,
    );
    await next.query(`ALTER TABLE orders ADD note text; DROP TABLE orders`);
  });

  it("makes each version a member of the further groups", async () => {
    await site.superuser.query(`CREATE ROLE group_${site.id} NOLOGIN`);
    await site.superuser.query(`GRANT group_${site.id} TO ${site.admin} WITH ADMIN TRUE`);
    const { ref } = await new Rotations(site.kind({ memberOf: [`group_${site.id}`] })).issue();
    const { rows } = await site.superuser.query(`SELECT pg_has_role($1, $2, 'USAGE') AS member`, [
      ref["role"],
      `group_${site.id}`,
    ]);
    assert.equal(rows[0].member, true);
  });

  it("takes names with quotes, spaces and SQL in them for names", async () => {
    const owner = `Own"er'; DROP ROLE ${site.admin}; -- ${site.id}`;
    await site.superuser.query(`CREATE ROLE ${site.superuser.escapeIdentifier(owner)} NOLOGIN`);
    const kind = site.kind({ owner, admin: { from: "env", name: "SUPER_ADMIN" } });
    const { ref, value } = await new Rotations(kind).issue();
    assert.equal((await kind.verify(value, ref)).works, true);
    assert.ok(await site.roleExists(site.admin));
    await kind.revoke(ref, { terminateSessions: false });
    assert.equal(await site.roleExists(ref["role"]!), false);
  });

  it("leaves a role of the same name that it did not issue untouched", async () => {
    const kind = site.kind();
    const draft = await new Rotations(kind).draft();
    const role = draft.draft.ref["role"]!;
    await site.superuser.query(`CREATE ROLE ${role} LOGIN PASSWORD 'by-hand'`);
    const before = await secretOf(role);
    await assert.rejects(kind.issue(draft), (error) => error instanceof StateError && error.message.includes(role));
    assert.equal(await secretOf(role), before);
    const { rows } = await site.superuser.query(`SELECT pg_has_role($1, $2, 'MEMBER') AS member`, [role, site.owner]);
    assert.equal(rows[0].member, false);
  });

  it("leaves nothing behind when a part of issuing fails", async () => {
    await site.superuser.query(`CREATE ROLE closed_${site.id} NOLOGIN`);
    const kind = site.kind({ memberOf: [`closed_${site.id}`] });
    const draft = await new Rotations(kind).draft();
    await assert.rejects(kind.issue(draft), ConfigurationError);
    assert.equal(await site.roleExists(draft.draft.ref["role"]!), false);
  });

  it("says how to set things up when the admin may not grant the owner", async () => {
    await site.superuser.query(`REVOKE ADMIN OPTION FOR ${site.owner} FROM ${site.admin}`);
    await assert.rejects(
      new Rotations(site.kind()).issue(),
      (error) => error instanceof ConfigurationError && /GRANT .* WITH ADMIN TRUE/.test(error.message),
    );
  });

  it("refuses an owner that is missing, can log in or is a superuser, and a group that is missing", async () => {
    await site.superuser.query(`CREATE ROLE login_${site.id} LOGIN; CREATE ROLE root_${site.id} SUPERUSER`);
    const wrong = {
      "does not exist": { owner: `missing_${site.id}` },
      "can log in": { owner: `login_${site.id}` },
      "is a superuser": { owner: `root_${site.id}` },
      "which does not exist": { memberOf: [`missing_${site.id}`] },
    };
    for (const [why, options] of Object.entries(wrong)) {
      await assert.rejects(
        new Rotations(site.kind(options)).issue(),
        (error) => error instanceof ConfigurationError && error.message.includes(why),
      );
    }
  });

  it("lets the server end a version after validFor, and says when that is", async () => {
    const now = Date.now();
    const clock = { now: () => now, sleep: async () => undefined };
    const kind = site.kind({ validFor: "120d" }, { clock });
    const issued = await new Rotations(kind).issue();
    assert.equal(issued.expiresAt, now + 120 * 86_400_000);
    assert.equal((await kind.verify(issued.value, issued.ref)).works, true);

    const past = { now: () => now - 121 * 86_400_000, sleep: async () => undefined };
    const ended = await new Rotations(site.kind({ validFor: "120d" }, { clock: past })).issue();
    assert.equal((await kind.verify(ended.value, ended.ref)).works, false);
  });

  it("never lets a password reach the server's log, though every statement is logged", async () => {
    const kind = site.kind();
    const rotations = new Rotations(kind);
    const existing = await kind.adopt!(await site.existing());
    const first = await rotations.issue(existing.ref);
    await kind
      .issue({ ...(await rotations.draft()), draft: { ref: first.ref, value: first.value } })
      .catch(() => undefined);
    await kind.verify(first.value, first.ref);
    await kind.verify({ ...first.value, password: "a-wrong-password-of-ours" }, first.ref);
    await kind.disable(first.ref);
    await kind.verify(first.value, first.ref);
    await kind.revoke(first.ref, { terminateSessions: true });
    const log = site.server.log();
    assert.ok(log.includes(`CREATE ROLE ${first.ref["role"]}`), "the log has our statements");
    // The existing credential was made by the test, in plain text.
    for (const secret of [first.value["password"]!, "a-wrong-password-of-ours"]) assert.ok(!log.includes(secret));
  });

  it("does not call functions that users of the database have put in the way", async () => {
    const { value } = await new Rotations(site.kind()).issue();
    const attacker = await site.use(value);
    const body = `RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called as %', session_user; END $$`;
    await attacker.query(`CREATE FUNCTION public.format(text, text[]) ${body}`);
    await attacker.query(`CREATE FUNCTION public.shobj_description(oid, text) ${body}`);
    await site.superuser.query(`ALTER ROLE ${site.admin} SET search_path = public, pg_catalog`);
    const kind = site.kind();
    const { ref } = await new Rotations(kind).issue();
    await kind.revoke(ref, { terminateSessions: false });
  });
});

describe("PostgreSQL credential kind: two users that take turns", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  const kindOf = (s: Site) =>
    s.kind({ strategy: "alternating", users: [`a_${s.id}`, `b_${s.id}`], rolePrefix: undefined });

  it("chooses the one that is not live, in turn", async () => {
    const kind = kindOf(site);
    const rotations = new Rotations(kind);
    const first = await rotations.issue();
    const second = await rotations.issue(first.ref);
    await kind.revoke(first.ref, { terminateSessions: false });
    const third = await rotations.issue(second.ref);
    assert.deepEqual(
      [first, second, third].map(({ ref }) => ref["role"]),
      [`a_${site.id}`, `b_${site.id}`, `a_${site.id}`],
    );
    assert.notEqual(first.value["password"], third.value["password"]);
    assert.equal((await kind.verify(first.value, first.ref)).works, false);
  });

  it("refuses to choose when both are live, and to overwrite one that is not retired", async () => {
    const kind = kindOf(site);
    const rotations = new Rotations(kind);
    const first = await rotations.issue();
    const second = await rotations.issue(first.ref);
    await assert.rejects(rotations.draft(first.ref, second.ref), StateError);
    await assert.rejects(rotations.issue(second.ref), StateError);
    assert.equal((await kind.verify(first.value, first.ref)).works, true);
  });

  it("lets a retired user stay, without log-in, password, mark and rights", async () => {
    const kind = kindOf(site);
    const { ref } = await new Rotations(kind).issue();
    await kind.revoke(ref, { terminateSessions: false });
    const { rows } = await site.superuser.query(
      `SELECT rolcanlogin, rolpassword, shobj_description(oid, 'pg_authid') AS comment,
              pg_has_role(rolname, $2, 'MEMBER') AS member FROM pg_authid WHERE rolname = $1`,
      [ref["role"], site.owner],
    );
    assert.deepEqual(rows, [{ rolcanlogin: false, rolpassword: null, comment: null, member: false }]);
  });

  it("takes a user that was made beforehand only if it cannot log in", async () => {
    const rotations = new Rotations(kindOf(site));
    await site.superuser.query(`CREATE ROLE a_${site.id} LOGIN`);
    await site.superuser.query(`GRANT a_${site.id} TO ${site.admin} WITH ADMIN TRUE`);
    await assert.rejects(rotations.issue(), (e) => e instanceof StateError && e.message.includes("NOLOGIN"));
    await site.superuser.query(`ALTER ROLE a_${site.id} NOLOGIN`);
    const { ref, value } = await rotations.issue();
    assert.equal((await kindOf(site).verify(value, ref)).works, true);
  });

  it("does not switch an earlier version of the same user on or off", async () => {
    const kind = kindOf(site);
    const rotations = new Rotations(kind);
    const first = await rotations.issue();
    await kind.revoke(first.ref, { terminateSessions: false });
    const later = await rotations.issue();
    assert.equal(later.ref["role"], first.ref["role"]);
    await kind.disable(first.ref);
    await assert.rejects(kind.enable(first.ref), Error);
    await kind.revoke(first.ref, { terminateSessions: true });
    assert.equal((await kind.verify(later.value, later.ref)).works, true);
    assert.deepEqual(await kind.usage(first.ref), { verdict: "not-seen", uses: [] });
  });
});
