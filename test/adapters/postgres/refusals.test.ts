import * as assert from "node:assert/strict";
import { type PostgresServer, startPostgres } from "../../support/postgres";
import { refusalOf } from "../../../provider/kinds/postgres/refusals";
import { login, Rotations, Site } from "./support";

const LOGGING = { logging_collector: "on", log_destination: "jsonlog", log_timezone: "Europe/Berlin" };

/** Rights on functions are each database's own. */
async function letAdminReadLog(site: Site): Promise<void> {
  const there = await site.login(site.server.superuser, site.server.password);
  await there.query(`GRANT pg_monitor TO ${site.admin}`);
  await there.query(`GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint, boolean) TO ${site.admin}`);
}

describe("PostgreSQL credential kind: refused log-ins", () => {
  let server: PostgresServer;
  let site: Site;
  before(async () => void (server = await startPostgres({ settings: LOGGING })));
  after(() => server.stop());
  beforeEach(async () => void (site = await Site.create(server)));
  afterEach(() => site.dispose());

  const kindThatSees = () => site.kind({ refusedLogins: { from: "serverLog" } });

  it("are told with who tried, from where and when, out of the server's log in whatever time zone", async () => {
    await letAdminReadLog(site);
    const kind = kindThatSees();
    const { ref, value } = await new Rotations(kind).issue();
    const since = Date.now();
    await kind.disable(ref);
    assert.deepEqual(await kind.refusals!(ref, since), { verdict: "none", uses: [] });
    await assert.rejects(login(value as never, value["username"]!, value["password"]!, site.database), /not permitted/);
    const { verdict, uses } = await kind.refusals!(ref, since);
    assert.equal(verdict, "refused");
    assert.equal(uses.length, 1);
    const [use] = uses;
    assert.deepEqual([use?.principal, use?.client], [value["username"], "127.0.0.1"]);
    assert.ok(Math.abs((use?.since ?? 0) - Date.now()) < 60_000, use?.by);
    assert.equal((await kind.refusals!(ref, Date.now() + 60_000)).verdict === "refused", false);
  });

  it("of another role are nobody's but that one's", async () => {
    await letAdminReadLog(site);
    const kind = kindThatSees();
    const rotations = new Rotations(kind);
    const first = await rotations.issue();
    const second = await rotations.issue();
    const since = Date.now();
    await kind.disable(first.ref);
    await kind.disable(second.ref);
    const { username, password } = second.value;
    await assert.rejects(login(second.value as never, username!, password!, site.database));
    assert.equal((await kind.refusals!(first.ref, since)).verdict, "none");
    assert.equal((await kind.refusals!(second.ref, since)).verdict, "refused");
  });

  it("cannot be told without the right to read the log, and the answer says which right", async () => {
    const kind = kindThatSees();
    const { ref } = await new Rotations(kind).issue();
    await kind.disable(ref);
    const report = await kind.refusals!(ref, Date.now());
    assert.equal(report.verdict, "unknown");
    assert.match(report.detail ?? "", /GRANT pg_monitor .* GRANT EXECUTE ON FUNCTION pg_read_binary_file/);
  });

  it("cannot be told for a time before the log begins", async () => {
    await letAdminReadLog(site);
    const kind = kindThatSees();
    const { ref } = await new Rotations(kind).issue();
    await kind.disable(ref);
    const report = await kind.refusals!(ref, Date.now() - 86_400_000);
    assert.deepEqual([report.verdict, report.uses], ["unknown", []]);
    assert.match(report.detail ?? "", /does not reach back/);
  });

  it("are not looked for where the program does not ask for it", () => {
    assert.equal(site.kind().capabilities.seesRefusals, false);
  });

  it("are read from lines of the log that are about authorization, and from nothing else", () => {
    const line = (more: object) =>
      JSON.stringify({ timestamp: "2026-11-23 20:00:00.000 CET", user: "app", state_code: "28000", ...more });
    assert.equal(refusalOf(line({}), "app", "Europe/Berlin")?.since, Date.UTC(2026, 10, 23, 19));
    assert.equal(refusalOf(line({ remote_host: "[local]" }), "app", "UTC")?.client, "local");
    assert.equal(refusalOf(line({ user: "application" }), "app", "UTC"), undefined);
    assert.equal(refusalOf(line({ state_code: "42501" }), "app", "UTC"), undefined);
    assert.equal(refusalOf(line({}).slice(10), "app", "UTC"), undefined);
  });
});

describe("PostgreSQL credential kind: refused log-ins, on a server that writes no JSON log", () => {
  it("cannot be told, and the answer says what to set", async () => {
    const site = await Site.create();
    try {
      await letAdminReadLog(site);
      const kind = site.kind({ refusedLogins: { from: "serverLog" } });
      const { ref } = await new Rotations(kind).issue();
      const report = await kind.refusals!(ref, Date.now());
      assert.equal(report.verdict, "unknown");
      assert.match(report.detail ?? "", /logging_collector = on .*jsonlog/);
    } finally {
      await site.dispose();
    }
  });
});
