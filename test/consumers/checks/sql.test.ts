import assert from "node:assert/strict";
import { Client } from "pg";
import { loadPg } from "../../../provider/checks/postgresLogin";
import { createSqlCheck, sqlCheckOptions, type SqlCheckOptions } from "../../../provider/checks/sql";
import { ConfigurationError } from "../../../provider/lifecycle/errors";
import { startPostgres, type PostgresServer } from "../../support/postgres";
import { makeContext, noSignal, problems, Servers, targetOf, version } from "./support";

/** With characters that have a meaning in addresses. */
const PASSWORD = "p@ss/w%rd:7?#";

describe("sql check", function () {
  this.timeout(120_000);
  const servers = new Servers();
  let server: PostgresServer;
  let admin: Client;
  before(async () => {
    server = await startPostgres();
    admin = new Client({ connectionString: server.adminUrl });
    await admin.connect();
    await admin.query(`create role orders_v7 login password '${PASSWORD}'`);
    await admin.query("create table public.orders (id int)");
    await admin.query("insert into public.orders values (1), (2)");
    await admin.query("grant select on public.orders to orders_v7");
  });
  afterEach(() => servers.closeAll());
  after(async () => {
    await admin.end();
    await server.stop();
  });

  const login = (further: Record<string, string> = {}) => ({
    username: "orders_v7",
    password: PASSWORD,
    host: server.host,
    port: String(server.port),
    database: "postgres",
    ...further,
  });

  function probe(options: Partial<SqlCheckOptions>, secrets = [version("db", 7, login())], signal = noSignal()) {
    const parsed = sqlCheckOptions.parse({ type: "sql", query: "select 1", timeout: "5s", ...options });
    return createSqlCheck(parsed, makeContext()).probe(targetOf(...secrets), signal);
  }

  it("logs in as the target version, with its fields or its url", async () => {
    const query = "select session_user";
    const byFields = await probe({ query, expectValue: "orders_v7" });
    assert.deepEqual(byFields, {
      healthy: true,
      detail: 'as version 7 of "db": logged in, the query returned 1 row',
    });
    const url = `postgresql://orders_v7:${encodeURIComponent(PASSWORD)}@${server.host}:${server.port}/postgres?sslmode=disable`;
    assert.equal((await probe({ query, expectValue: "orders_v7" }, [version("db", 7, { url })])).healthy, true);
  });

  it("leaves no session behind", async () => {
    await probe({});
    const sessions = "select count(*)::int as n from pg_stat_activity where usename = 'orders_v7'";
    for (let tries = 0; tries < 50; tries++) {
      const { rows } = await admin.query<{ n: number }>(sessions);
      if (rows[0]?.n === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail("the check's session is still open");
  });

  it("is unhealthy when the server refuses the password, and never shows it", async () => {
    const health = await probe({}, [version("db", 7, login({ password: "wrong-password" }))]);
    assert.deepEqual(health, { healthy: false, detail: 'as version 7 of "db": the server refused the log-in (28P01)' });
  });

  it("is unhealthy when the role has lost a right", async () => {
    const health = await probe({ query: "insert into public.orders values (3)" });
    assert.equal(health.healthy, false);
    assert.match(health.detail, /the server answered 42501: permission denied/);
  });

  it("takes the target's values out of what the server says", async () => {
    const health = await probe({ query: `select * from "${PASSWORD}"` });
    assert.equal(health.healthy, false);
    assert.match(health.detail, /42P01: relation "\*\*\*" does not exist/);
  });

  it("compares the number of rows", async () => {
    const query = "select id from public.orders";
    assert.equal((await probe({ query, expectRows: 2 })).healthy, true);
    assert.match((await probe({ query, expectRows: 1 })).detail, /returned 2 rows; expected 1/);
    assert.equal((await probe({ query, expectRows: { min: 2 } })).healthy, true);
    assert.match((await probe({ query, expectRows: { min: 3 } })).detail, /returned 2 rows; expected at least 3/);
  });

  it("compares the first value as psql shows it, and does not show what it found", async () => {
    assert.equal((await probe({ query: "select true, 2", expectValue: "t" })).healthy, true);
    assert.equal(
      (await probe({ query: "select 1; select 12345678901234567890", expectValue: "12345678901234567890" })).healthy,
      true,
    );
    const other = await probe({ query: "select 'private'", expectValue: "ok" });
    assert.equal(other.detail, 'as version 7 of "db": the first value is not "ok": it is another one');
    assert.match((await probe({ query: "select null", expectValue: "ok" })).detail, /it is null/);
    assert.match((await probe({ query: "select 1 where false", expectValue: "ok" })).detail, /there is no row/);
  });

  it("ends in time when the query is slow", async () => {
    const startedAt = Date.now();
    const health = await probe({ query: "select pg_sleep(20)", timeout: "300ms" });
    assert.deepEqual(health, { healthy: false, detail: 'as version 7 of "db": no answer within 300 ms' });
    assert.ok(Date.now() - startedAt < 3000);
  });

  it("ends in time when the server accepts and never answers", async () => {
    const mute = await servers.tcp(() => undefined);
    const startedAt = Date.now();
    const health = await probe({ timeout: "200ms" }, [version("db", 7, login({ port: String(mute.port) }))]);
    assert.match(health.detail, /no answer within 200 ms/);
    assert.ok(Date.now() - startedAt < 3000);
  });

  it("ends at once when the run is cancelled", async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    const startedAt = Date.now();
    const slow = probe({ query: "select pg_sleep(20)", timeout: "10s" }, undefined, abort.signal);
    assert.equal((await slow).healthy, false);
    assert.ok(Date.now() - startedAt < 3000);
  });

  it("is unhealthy when the connection is refused, is closed, or has no TLS where the url asks for it", async () => {
    const { port } = await servers.refusing();
    const refused = await probe({}, [version("db", 7, login({ port: String(port) }))]);
    assert.match(refused.detail, /connection refused/);
    const hangsUp = await servers.tcp((socket) => socket.once("data", () => socket.destroy()));
    assert.equal((await probe({}, [version("db", 7, login({ port: String(hangsUp.port) }))])).healthy, false);
    const url = `postgresql://orders_v7:${encodeURIComponent(PASSWORD)}@${server.host}:${server.port}/postgres?sslmode=verify-full`;
    const plain = await probe({}, [version("db", 7, { url })]);
    assert.match(plain.detail, /does not support SSL/);
  });

  it("needs to know with which of several secrets it logs in", async () => {
    const secrets = [version("db", 7, login()), version("key", 3)];
    await assert.rejects(probe({}, secrets), /its rollout has "db", "key".*option "secret"/);
    assert.equal((await probe({ secret: "db" }, secrets)).healthy, true);
    await assert.rejects(probe({ secret: "cache" }, secrets), /"cache", but its rollout has "db", "key"/);
  });

  it("refuses a secret that does not say how to log in, instead of using what the driver finds elsewhere", async () => {
    await assert.rejects(probe({}, [version("db", 7, { username: "orders_v7", host: server.host })]), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /it has no password, database\./);
      return true;
    });
    await assert.rejects(probe({}, [version("db", 7, login({ port: "none" }))]), /its port is no number/);
    const url = `postgresql://orders_v7:x1@${server.host}/postgres?sslmode=verify-full&sslrootcert=/does/not/exist`;
    await assert.rejects(probe({}, [version("db", 7, { url })]), /cannot use the url .* \(ENOENT\)/);
  });

  it("says how to install the driver where it is missing", async () => {
    const missing = () => Promise.reject(new ConfigurationError("npm install pg"));
    const check = createSqlCheck({ type: "sql", query: "select 1" }, makeContext(), missing);
    await assert.rejects(check.probe(targetOf(version("db", 7, login())), noSignal()), /npm install pg/);
    assert.equal(typeof (await loadPg()).Client, "function");
  });

  it("is a canary unless told otherwise", () => {
    assert.equal(createSqlCheck({ type: "sql", query: "select 1" }, makeContext()).canary, true);
    assert.equal(createSqlCheck({ type: "sql", query: "select 1", canary: false }, makeContext()).canary, false);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const refuse = (options: object) =>
      problems(sqlCheckOptions.safeParse({ type: "sql", query: "select 1", ...options }));
    assert.match(refuse({ query: "" }), /query must be a text .* it is empty/);
    assert.match(refuse({ expectRows: { max: 1 } }), /expectRows must be a number of rows or/);
    assert.match(refuse({ expectRows: -1 }), /from 0 to 1000000; it is -1/);
    assert.match(refuse({ expectValue: 1 }), /expectValue must be a text/);
  });
});
