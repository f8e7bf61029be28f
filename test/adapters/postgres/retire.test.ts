import * as assert from "node:assert/strict";
import { ConfigurationError, StateError } from "../../../provider/lifecycle/errors";
import { Rotations, Site } from "./support";

const KEEP = { terminateSessions: false };
const END = { terminateSessions: true };

describe("PostgreSQL credential kind: evidence of use", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  it("says which application uses a version, from where and since when, whatever role it has assumed", async () => {
    const kind = site.kind();
    const { ref, value } = await new Rotations(kind).issue();
    assert.deepEqual(await kind.usage(ref), { verdict: "not-seen", uses: [] });
    const client = await site.use(value, "orders-api");
    assert.equal((await client.query(`SELECT current_user AS acting`)).rows[0].acting, site.owner);
    const report = await kind.usage(ref);
    assert.equal(report.verdict, "used");
    assert.equal(report.uses.length, 1);
    assert.match(report.uses[0]!.by, /^orders-api from 127\.0\.0\.1 since 20\d\d-\d\d-\d\dT[\d:.]+Z$/);
  });

  it("sees a session of a role whose rights the admin lacks, and takes seeing none for no evidence", async () => {
    const kind = site.kind();
    const given = await site.existing();
    await site.superuser.query(`REVOKE ${given.username} FROM ${site.admin}`);
    const { ref } = await kind.adopt!(given);
    assert.deepEqual(await kind.usage(ref), { verdict: "unknown", uses: [] });
    await site.login(given.username, given.password, site.database, "legacy");
    assert.deepEqual(await kind.usage(ref), {
      verdict: "used",
      uses: [
        {
          by: "legacy (address and time are hidden from the admin)",
          principal: given.username,
          application: "legacy",
        },
      ],
    });
  });

  it("takes seeing none for evidence where the admin may read all statistics", async () => {
    const given = await site.existing();
    await site.superuser.query(`REVOKE ${given.username} FROM ${site.admin}`);
    await site.superuser.query(`GRANT pg_read_all_stats TO ${site.admin}`);
    const kind = site.kind();
    const { ref } = await kind.adopt!(given);
    assert.deepEqual(await kind.usage(ref), { verdict: "not-seen", uses: [] });
  });
});

describe("PostgreSQL credential kind: revoking", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  const ownerOf = async (database: string, table: string) => {
    const client = await site.login(site.server.superuser, site.server.password, database);
    return (await client.query(`SELECT tableowner FROM pg_tables WHERE tablename = $1`, [table])).rows[0]?.tableowner;
  };

  it("refuses while a session is open, says whose, and changes nothing", async () => {
    const kind = site.kind();
    const { ref, value } = await new Rotations(kind).issue();
    await site.use(value, "nightly-report");
    await assert.rejects(
      kind.revoke(ref, KEEP),
      (error) => error instanceof StateError && error.message.includes("nightly-report from 127.0.0.1"),
    );
    assert.equal((await kind.verify(value, ref)).works, true);
  });

  it("ends open sessions where it is told to, also as an admin that is no superuser", async () => {
    const kind = site.kind();
    const { ref, value } = await new Rotations(kind).issue();
    const clients = [await site.use(value), await site.use(value)];
    await kind.revoke(ref, END);
    for (const client of clients) await assert.rejects(client.query("SELECT 1"));
    assert.equal(await site.roleExists(ref["role"]!), false);
  });

  it("hands what a version owns in every database to the owner, and takes its direct rights away", async () => {
    const other = `other_${site.id}`;
    await site.superuser.query(`CREATE DATABASE ${other} OWNER ${site.owner}`);
    const kind = site.kind({ assumeOwner: false });
    const { ref, value } = await new Rotations(kind).issue();
    const here = await site.use(value);
    await here.query(
      `CREATE SCHEMA mine; CREATE TABLE mine.here (id int); CREATE FUNCTION mine.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    );
    await here.query(`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC`);
    await (await site.use({ ...value, database: other })).query(`CREATE SCHEMA mine; CREATE TABLE mine.there (id int)`);
    await kind.revoke(ref, END);
    assert.equal(await site.roleExists(ref["role"]!), false);
    assert.equal(await ownerOf(site.database, "here"), site.owner);
    assert.equal(await ownerOf(other, "there"), site.owner);
  });

  it("names the databases that it cannot enter, leaves the role disabled, and finishes when it can", async () => {
    const closed = `closed_${site.id}`;
    await site.superuser.query(`CREATE DATABASE ${closed} OWNER ${site.owner}`);
    const kind = site.kind({ assumeOwner: false });
    const { ref, value } = await new Rotations(kind).issue();
    await (await site.use({ ...value, database: closed })).query(`CREATE SCHEMA mine; CREATE TABLE mine.t (id int)`);
    await site.superuser.query(`ALTER DATABASE ${closed} ALLOW_CONNECTIONS false`);
    await assert.rejects(
      kind.revoke(ref, END),
      (error) =>
        error instanceof ConfigurationError &&
        error.message.includes(closed) &&
        error.message.includes("REASSIGN OWNED"),
    );
    assert.deepEqual((await kind.verify(value, ref)).works, false);
    assert.ok(await site.roleExists(ref["role"]!));
    await site.superuser.query(`ALTER DATABASE ${closed} ALLOW_CONNECTIONS true`);
    await kind.revoke(ref, KEEP);
    assert.equal(await site.roleExists(ref["role"]!), false);
    assert.equal(await ownerOf(closed, "t"), site.owner);
  });

  it("says what still depends on the role when somebody else granted it rights", async () => {
    const kind = site.kind();
    const { ref } = await new Rotations(kind).issue();
    const root = await site.login(site.server.superuser, site.server.password);
    await root.query(`CREATE TABLE public.secrets_of_others (id int)`);
    await root.query(`GRANT SELECT ON public.secrets_of_others TO ${ref["role"]}`);
    await assert.rejects(
      kind.revoke(ref, KEEP),
      (error) => error instanceof StateError && error.message.includes("secrets_of_others"),
    );
    await root.query(`REVOKE ALL ON public.secrets_of_others FROM ${ref["role"]}`);
    await kind.revoke(ref, KEEP);
    assert.equal(await site.roleExists(ref["role"]!), false);
  });

  it("leaves a role alone whose comment was taken away or names another rotation", async () => {
    const kind = site.kind();
    const { ref, value } = await new Rotations(kind).issue();
    await kind.revoke({ ...ref, rotation: "another-rotation" }, END);
    assert.equal((await kind.verify(value, ref)).works, true);
    await site.superuser.query(`COMMENT ON ROLE ${ref["role"]} IS 'mine'`);
    await assert.rejects(kind.revoke(ref, END), StateError);
    await assert.rejects(kind.disable(ref), StateError);
    assert.equal((await kind.verify(value, ref)).works, true);
  });

  it("refuses to touch a version that was made a superuser meanwhile", async () => {
    const kind = site.kind({ admin: { from: "env", name: "SUPER_ADMIN" } });
    const { ref } = await new Rotations(kind).issue();
    await site.superuser.query(`ALTER ROLE ${ref["role"]} SUPERUSER`);
    await assert.rejects(kind.revoke(ref, END), ConfigurationError);
    assert.ok(await site.roleExists(ref["role"]!));
  });
});

describe("PostgreSQL credential kind: adopting", () => {
  let site: Site;
  beforeEach(async () => void (site = await Site.create()));
  afterEach(() => site.dispose());

  it("changes nothing about the role", async () => {
    const given = await site.existing();
    const everything = () =>
      site.superuser.query(
        `SELECT a.*, shobj_description(a.oid, 'pg_authid') AS comment,
                (SELECT array_agg(m.*::text ORDER BY m.oid) FROM pg_auth_members m WHERE a.oid IN (m.roleid, m.member)) AS members
           FROM pg_authid a WHERE rolname = $1`,
        [given.username],
      );
    const before = (await everything()).rows;
    const { ref, value } = await site.kind().adopt!(given);
    assert.deepEqual((await everything()).rows, before);
    assert.deepEqual([ref["role"], ref["adopted"], ref["rotation"]], [given.username, "true", ""]);
    assert.equal(value["password"], given.password);
    assert.equal(value["database"], site.database);
  });

  it("refuses a superuser, the admin itself, an owner that can log in, and a role that a rotation issued", async () => {
    const kind = site.kind();
    const { superuser, password } = site.server;
    await assert.rejects(kind.adopt!({ username: superuser, password }), /is a superuser/);
    await assert.rejects(kind.adopt!({ username: site.admin, password: site.adminPassword }), /is the admin itself/);
    const given = await site.existing();
    await assert.rejects(site.kind({ owner: given.username }).adopt!(given), /is the owner/);
    const { username, password: issued } = (await new Rotations(kind).issue()).value;
    await assert.rejects(kind.adopt!({ username: username!, password: issued! }), StateError);
  });

  it("refuses a password that does not log in, and fields that are missing, without repeating a value", async () => {
    const { username } = await site.existing();
    await assert.rejects(
      site.kind().adopt!({ username, password: "not-the-right-one" }),
      (error) => error instanceof StateError && !error.message.includes("not-the-right-one"),
    );
    await assert.rejects(
      site.kind().adopt!({ user: username, password: "not-the-right-one" }),
      (error) => error instanceof ConfigurationError && !error.message.includes("not-the-right-one"),
    );
  });

  it("warns at once when the admin will not be able to retire the role, with the SQL that helps", async () => {
    const given = await site.existing();
    await site.superuser.query(`REVOKE ${given.username} FROM ${site.admin}`);
    const kind = site.kind();
    const { ref } = await kind.adopt!(given);
    assert.ok(site.logged.some((line) => line.includes(`GRANT "${given.username}" TO "${site.admin}"`)));
    await assert.rejects(kind.disable(ref), ConfigurationError);
    await site.superuser.query(`GRANT ${given.username} TO ${site.admin} WITH ADMIN TRUE`);
    await kind.revoke(ref, KEEP);
    assert.equal(await site.roleExists(given.username), false);
  });

  it("hands the tables of an adopted role to the owner when it is retired", async () => {
    const given = await site.existing();
    await site.superuser.query(`GRANT CREATE ON DATABASE ${site.database} TO ${given.username}`);
    const kind = site.kind();
    const { ref } = await kind.adopt!(given);
    const legacy = await site.login(given.username, given.password);
    await legacy.query(`CREATE SCHEMA legacy; CREATE TABLE legacy.customers (id int)`);
    await legacy.end();
    const { value } = await new Rotations(kind).issue(ref);
    await kind.revoke(ref, KEEP);
    assert.equal(await site.roleExists(given.username), false);
    await (await site.use(value)).query(`INSERT INTO legacy.customers VALUES (1)`);
  });

  it("does not touch a role of the same name that was made after the adopted one was dropped", async () => {
    const given = await site.existing();
    const kind = site.kind();
    const { ref, value } = await kind.adopt!(given);
    await kind.revoke(ref, KEEP);
    await site.superuser.query(`CREATE ROLE ${given.username} LOGIN PASSWORD '${given.password}'`);
    await kind.revoke(ref, END);
    assert.equal((await kind.verify(value, ref)).works, true);
  });
});
