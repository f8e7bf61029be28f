import assert from "node:assert/strict";
import { Client } from "pg";
import { rotationCommand } from "./rotationCommand";
import { Site } from "./site";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("pulumi up, when something happens outside", function () {
  this.timeout(240_000);
  let site: Site;
  beforeEach(async () => {
    site = await Site.open();
    site.program();
    await site.stack.mustUp();
  });
  afterEach(async () => {
    await site.close();
  });

  const roleOf = async (version: number) => {
    const record = (await site.ledger())?.versions.find((one) => one.version === version);
    return record?.issued?.["role"] ?? "";
  };

  it("repairs by rotating what a refresh has noticed, and gives nobody a former value", async () => {
    assert.match(await site.stack.must("refresh", "--yes"), /4 unchanged/);
    const role = await roleOf(1);
    await site.superuser.query(`ALTER ROLE ${role} PASSWORD 'changed-by-hand'`);
    const refreshed = await site.stack.must("refresh", "--yes", "--diff");
    assert.match(refreshed, /orders-db: v1: .*password authentication failed.* The next pulumi up replaces it/);
    assert.deepEqual(await site.states(), { v1: "active" }, "a refresh changes nothing");
    const preview = await site.stack.must("preview", "--diff");
    assert.match(preview, /"v2: drift, v1 does not work any more/);
    assert.match(await site.stack.mustUp(), /v2: drift, v1 does not work any more/);
    assert.equal(site.delivered(), 2);
    assert.match(await site.stack.must("refresh", "--yes"), /4 unchanged/);
    const { rows } = await site.superuser.query("SELECT rolpassword FROM pg_authid WHERE rolname = $1", [role]);
    assert.match(rows[0].rolpassword, /^SCRAM-SHA-256/, "the role is still there");
    const client = new Client({ ...clientOptions(), user: role, password: "changed-by-hand" });
    await client.connect();
    await client.end();
  });

  it("returns to the predecessor when the role of the active version was dropped, in the up that refreshes", async () => {
    site.advance(91 * DAY);
    await site.stack.mustUp();
    const role = await roleOf(2);
    // The sessions that the app has go on for a moment: a role is dropped only when nobody is logged in any more.
    await site.superuser.query(`ALTER ROLE ${role} NOLOGIN`);
    const failed = await site.stack.up("--refresh");
    assert.match(failed.output, /v1: return from v2, which does not work any more/);
    assert.equal(failed.code, 0, failed.output);
    assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
    assert.equal(site.delivered(), 1);
  });

  it("revokes what leaked before anybody has confirmed its successor, where the event asks for it, and reports", async () => {
    const leaked = new Date(Date.now()).toISOString();
    site.advance(10 * 60_000);
    const stored = await site.store().read("current");
    const { username = "", password = "" } = stored.value;
    const session = new Client({ ...clientOptions(), user: username, password });
    session.on("error", () => undefined);
    await session.connect();
    site.program({
      secret: `events: [{ id: "INC-7", reason: "suspected-compromise", time: "${leaked}", requestedBy: "alice", revokeFirst: true }],`,
    });
    const output = await site.stack.mustUp();
    assert.match(
      output,
      /v2: suspected-compromise, event INC-7, asked by alice; revokes v1 before anybody has confirmed/,
    );
    assert.match(output, /event INC-7 .*done: v1 retired at .*a log-in with it is refused.*answered by v2/);
    await assert.rejects(session.query("SELECT 1"), "the session of whoever had it is ended");
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: [] });
    assert.equal(site.delivered(), 2);
    const report = await rotationCommand(site, ["report", "INC-7"]);
    assert.equal(report.code, 0, report.out + report.err);
    assert.match(report.out, /orders-db: event INC-7 .*done: v1 retired.*answered by v2, confirmed/);
    assert.match((await rotationCommand(site, ["report", "INC-8"])).out, /not matched by event INC-8/);
  });

  function clientOptions() {
    return { host: site.server.host, port: site.server.port, database: site.database };
  }
});
