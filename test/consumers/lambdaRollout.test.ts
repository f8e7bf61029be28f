/**
 * The real handler rotates a role of a real PostgreSQL, and a function of Lambda that logs in with it is rolled along:
 * from end to end, and back where a version is no good.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { versionIdOf } from "../../provider/net/aws/versionId";
import { Runtime } from "../../provider/runtime";
import { resetMemoryStores } from "../../provider/stores/memory";
import { startLambda, type EmulatedLambdaFunction, type LambdaEmulator } from "../../testing";
import { DAY, HOUR, MachineClock } from "../faults/site";
import { MiniStack, type Properties } from "../support/miniEngine";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { ALIAS, FUNCTION, HANDLER, SecretsEndpoint, withCredentials } from "./lambda/site";

const STORE = { type: "memory", name: "lambda-rollout" };

describe("a rotation that rolls a function of AWS Lambda", function () {
  this.timeout(120_000);
  withCredentials();
  let postgres: PostgresServer;
  let lambda: LambdaEmulator;
  let fn: EmulatedLambdaFunction;
  let stack: MiniStack;
  let front: Server;
  let secrets: SecretsEndpoint;
  let clock: MachineClock;
  /** The number of the version that the function may not read. */
  let unreadable: number | undefined;
  let failed: string[];
  let ended: boolean;
  let traffic: Promise<void> | undefined;
  let roles = 0;

  before(async () => {
    postgres = await startPostgres();
    process.env["PGADMIN_LAMBDA"] = postgres.adminUrl;
  });
  after(async () => {
    Reflect.deleteProperty(process.env, "PGADMIN_LAMBDA");
    await postgres.stop();
  });

  beforeEach(async () => {
    resetMemoryStores();
    clock = new MachineClock();
    stack = new MiniStack(clock);
    unreadable = undefined;
    failed = [];
    ended = false;
    traffic = undefined;
    await sql(`CREATE ROLE owner_${++roles} NOLOGIN`);
    secrets = new SecretsEndpoint(valueOf);
    lambda = await startLambda();
    const variables = { SECRETS_URL: await secrets.open() };
    fn = lambda.create({ name: FUNCTION, alias: ALIAS, file: HANDLER, timeout: 15, variables });
    // As the function's URL answers (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html).
    front = createServer((_, response) => {
      void lambda
        .invoke(FUNCTION, ALIAS)
        .then(({ functionError }) => response.writeHead(functionError === undefined ? 200 : 502).end());
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  });
  afterEach(async () => {
    ended = true;
    await traffic;
    front.closeAllConnections();
    await new Promise<void>((resolve) => front.close(() => resolve()));
    await lambda.stop();
    await secrets.close();
  });

  async function sql<Row extends object>(text: string): Promise<Row[]> {
    const client = new Client({ connectionString: postgres.adminUrl });
    await client.connect();
    try {
      return (await client.query<Row & Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** What Secrets Manager would give. */
  async function valueOf(versionId: string): Promise<object | undefined> {
    const store = await new Runtime(() => undefined, clock).store(STORE);
    const ref = (await store.list()).find((one) => versionIdOf(one) === versionId);
    if (ref === undefined || ref.version === unreadable) return undefined;
    return (await store.read(ref)).value;
  }

  const secretArgs = (): Properties => ({
    name: "orders-db",
    kind: {
      type: "postgresRole",
      host: postgres.host,
      port: postgres.port,
      database: "postgres",
      admin: { from: "env", name: "PGADMIN_LAMBDA" },
      owner: `owner_${roles}`,
    },
    store: STORE,
    schedule: { every: "90d" },
    retirement: { grace: "1h", soak: "1h" },
  });

  const rolloutArgs = (more: Properties) => (link: Properties) => ({
    name: "orders",
    secrets: [link],
    consumers: [
      {
        type: "lambda",
        name: "orders",
        functionName: FUNCTION,
        alias: ALIAS,
        region: "eu-west-1",
        endpoint: lambda.endpoint,
        interval: "20ms",
        propagation: "0s",
        ...more,
      },
    ],
    checks: [
      {
        type: "http",
        name: "orders-url",
        url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
        interval: "20ms",
        timeout: "15s",
        failureThreshold: 2,
      },
    ],
  });

  async function up(more: Properties = {}): Promise<Error | undefined> {
    clock.startRun();
    return (await stack.up(secretArgs(), rolloutArgs(more))).error;
  }

  function underLoad(): void {
    traffic = (async () => {
      while (!ended) {
        const { functionError, payload } = await lambda.invoke(FUNCTION, ALIAS);
        if (functionError !== undefined) failed.push(payload);
        await delay(15);
      }
    })();
  }

  async function loggedInAs(): Promise<string> {
    const { payload } = await lambda.invoke(FUNCTION, ALIAS);
    return (JSON.parse(payload) as { role: string }).role;
  }

  const liveRoles = async () =>
    (
      await sql<{ rolname: string }>(
        `SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'orders_db_v%'
           AND pg_has_role(rolname, 'owner_${roles}', 'MEMBER') AND NOT rolsuper ORDER BY 1`,
      )
    ).map(({ rolname }) => rolname);

  it("goes from end to end without a failed request, and the old credential is gone afterwards", async () => {
    assert.ifError(await up({ probe: { payload: {}, adoption: true } }));
    assert.deepEqual(fn.versionsBehind(ALIAS), { "2": 1 });
    const first = await loggedInAs();
    underLoad();
    clock.advance(91 * DAY);
    assert.ifError(await up({ probe: { payload: {}, adoption: true } }));
    assert.deepEqual(fn.versionsBehind(ALIAS), { "3": 1 });
    const second = await loggedInAs();
    assert.notEqual(second, first);
    for (let run = 0; run < 3; run++) {
      clock.advance(HOUR + 1000);
      assert.ifError(await up({ probe: { payload: {}, adoption: true } }));
    }
    assert.deepEqual(await liveRoles(), [second]);
    assert.deepEqual(failed, []);
  });

  it("rolls back in the same run where only the checks find out, with the alias as it was", async () => {
    assert.ifError(await up());
    const first = await loggedInAs();
    const before = { alias: fn.versionsBehind(ALIAS), variables: fn.version("$LATEST").settings.variables };
    clock.advance(91 * DAY);
    unreadable = 2;
    const error = await up();
    assert.match(String(error?.message), /check orders-url: .*502.*Rolled back in this run to orders-db v1/);
    assert.ok(fn.versionNames().includes("3"), "it was moved to the new version");
    const after = { alias: fn.versionsBehind(ALIAS), variables: fn.version("$LATEST").settings.variables };
    assert.deepEqual(after, before);
    assert.equal(await loggedInAs(), first);
    assert.doesNotMatch(String(error?.message), /postgres:\/\//);
  });

  it("gives no request to a version that the probe finds unwell, and rolls back without a failed request", async () => {
    const probe = { payload: {}, attempts: 2 };
    assert.ifError(await up({ probe }));
    underLoad();
    const moves = () => lambda.calls.filter(({ operation }) => operation === "updateAlias").length;
    const movesBefore = moves();
    clock.advance(91 * DAY);
    unreadable = 2;
    const error = await up({ probe });
    assert.match(String(error?.message), /version 3 of the function orders.*is not well.*cannot be read: 404/);
    assert.match(String(error?.message), /Rolled back in this run to orders-db v1/);
    assert.equal(moves(), movesBefore);
    assert.deepEqual(fn.versionsBehind(ALIAS), { "2": 1 });
    assert.deepEqual(failed, []);
  });

  it("is refused before anything happens where its readers' cache is longer than the grace", async () => {
    assert.match(String((await up({ readersCache: "2h" }))?.message), /orders goes on with what it has read for 2 h/);
    assert.deepEqual(fn.versionsBehind(ALIAS), { "1": 1 });
  });
});
