import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Site } from "./site";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("the inputs of a rotating secret", function () {
  this.timeout(180_000);
  let site: Site;
  beforeEach(async () => {
    site = await Site.open();
    site.program();
  });
  afterEach(async () => {
    await site.close();
  });

  async function refused(pattern: RegExp): Promise<void> {
    const { code, output } = await site.stack.up();
    assert.notEqual(code, 0);
    assert.match(output, pattern);
  }

  it("are refused in check(), before anything is touched, with what is wrong and what is allowed", async () => {
    site.program({
      secret:
        'schedule: { every: "90 days" }, retirement: { grace: "1h", soak: "1x" }, events: [{ id: "e1", reason: "boredom", time: "now" }],',
    });
    const { code, output } = await site.stack.up();
    assert.notEqual(code, 0);
    assert.match(output, /schedule\.every: "90 days" is not a duration; write 90s, 15m, 36h, 90d/);
    assert.match(output, /retirement\.soak: "1x" is not a duration/);
    assert.match(output, /events\.0\.reason.*suspected-compromise/);
    assert.match(output, /events\.0\.time: has to be RFC 3339/);
    site.program({ secret: 'schedule: { every: "2h" },' });
    await refused(/schedule\.every: 2h is not longer than retirement\.grace \(1h\) and retirement\.soak \(1h\)/);
    assert.equal(await site.ledger(), null);
    assert.equal(readdirSync(site.stack.folder).includes("secrets"), false);
    site.program({
      rollout: 'checks: [], consumers: [rotation.consumer.process({ name: "app", file: "./app.json" })],',
    });
    await refused(/consumers: app has no way to show which version it uses.*check\.adoption/);
  });

  it("rotate, change in place, or are refused, each as documented", async () => {
    await site.stack.mustUp();
    site.program({ secret: 'schedule: { every: "30d" }, retirement: { grace: "2h", soak: "1h" },' });
    assert.match(await site.stack.mustUp(), /1 updated/);
    assert.deepEqual(await site.states(), { v1: "active" });
    site.program({ secret: 'strategy: "alternating", users: ["a", "b"],' });
    await refused(/kind\.strategy: cannot change from .* to "alternating" while the secret lives/);
    site.program({
      secret:
        'store: rotation.fileStore({ path: "./secrets/elsewhere", key: { passphrase: rotation.secretFrom.env("STORE_KEY") } }),',
    });
    await refused(/store: cannot change .* add migrateFrom/);
    site.program({ secret: "assumeOwner: true, memberOf: undefined," });
    const { output } = await site.stack.up();
    assert.match(output, /v2: policy, inputs that a version is issued from have changed/);
  });

  it("move the secret to another store when that is declared: copied first, confirmed there, removed last", async () => {
    await site.stack.mustUp();
    const key = 'key: { passphrase: rotation.secretFrom.env("STORE_KEY") }';
    const secret = `store: rotation.fileStore({ path: "./secrets/new", ${key} }), migrateFrom: rotation.fileStore({ path: "./secrets/orders-db", ${key} }),`;
    site.program({ secret });
    assert.match(await site.stack.mustUp(), /v1: moves to|moves to file:/);
    assert.equal((await site.ledger("orders-db"))?.status, "moved");
    assert.equal((await site.ledger("new"))?.status, "live");
    assert.equal(
      (await site.store("orders-db").list()).length,
      1,
      "readers of the former store go on for the grace period",
    );
    site.advance(HOUR + 1000);
    await site.stack.mustUp();
    assert.deepEqual(await site.store("orders-db").list(), []);
    site.advance(91 * DAY);
    await site.stack.mustUp();
    assert.deepEqual(
      (await site.ledger("new"))?.versions.map((version) => version.state),
      ["superseded", "active"],
    );
    await site.stack.must("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await site.store("new").list(), []);
  });

  it("adopt a role that is in use, without touching it until its successor is confirmed", async () => {
    await site.superuser.query(
      `CREATE ROLE app_${site.id} LOGIN PASSWORD 'the old password' IN ROLE owner_${site.id}, reader_${site.id}`,
    );
    const before = await passwordOf(site, `app_${site.id}`);
    site.stack.env["OLD_PASSWORD"] = "the old password";
    site.program({
      secret: `adopt: { username: "app_${site.id}", password: rotation.secretFrom.env("OLD_PASSWORD") },`,
    });
    await site.stack.mustUp();
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.equal(await passwordOf(site, `app_${site.id}`), before);
    site.advance(HOUR + 1000);
    await site.stack.mustUp();
    site.advance(HOUR + 1000);
    await site.stack.mustUp();
    assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    assert.equal(await passwordOf(site, `app_${site.id}`), undefined);
  });

  it("make two fixed users take turns with the alternating strategy", async () => {
    const users = [`a_${site.id}`, `b_${site.id}`];
    site.program({ secret: `strategy: "alternating", users: ${JSON.stringify(users)},` });
    await site.stack.mustUp();
    const issued = async () => (await site.stack.entries("SecretVersion"))[0]?.outputs["issued"] as { role: string };
    const first = (await issued()).role;
    for (const expected of [users.find((user) => user !== first), first]) {
      site.advance(91 * DAY);
      await site.stack.mustUp();
      assert.equal((await issued()).role, expected);
      for (const _ of ["disable", "retire"]) {
        site.advance(HOUR + 1000);
        await site.stack.mustUp();
      }
    }
  });

  it("answer an event once, with a version issued after it", async () => {
    await site.stack.mustUp();
    site.advance(DAY);
    const time = new Date(Date.now() + HOUR).toISOString();
    site.program({
      secret: `events: [{ id: "INC-7", reason: "departed-employee", time: "${time}", requestedBy: "alice" }],`,
    });
    assert.match(await site.stack.mustUp(), /v2: departed-employee, event INC-7, asked by alice/);
    assert.match(await site.stack.mustUp(), /4 unchanged/);
  });

  it("are decoded from a state that an older package wrote", async () => {
    await site.stack.mustUp();
    const exported = await site.stack.exported();
    for (const entry of exported.deployment.resources ?? []) {
      if (!entry.type.endsWith("SecretVersion")) continue;
      const { version, incarnation, epoch: _epoch, inputsDigest: _digest, ...rest } = entry.outputs;
      Object.assign(entry, { outputs: { ...rest, versionId: `v${String(version)}#${String(incarnation)}` } });
    }
    const file = join(site.stack.folder, "older.json");
    writeFileSync(file, JSON.stringify(exported));
    await site.stack.must("stack", "import", "--file", file);
    await site.stack.mustUp();
    assert.deepEqual(await site.states(), { v1: "active" });
    assert.equal((await site.stack.entries("SecretVersion"))[0]?.outputs["version"], 1);
    await site.stack.must("stack", "import", "--file", file);
    await site.stack.must("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await site.roles(), { live: [], disabled: [] });
  });
});

async function passwordOf(site: Site, role: string): Promise<string | undefined> {
  const { rows } = await site.superuser.query<{ rolpassword: string }>(
    "SELECT rolpassword FROM pg_authid WHERE rolname = $1",
    [role],
  );
  return rows[0]?.rolpassword;
}
