import assert from "node:assert/strict";
import { join } from "node:path";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { ALIAS, FUNCTION, LambdaSite, withCredentials } from "./lambda/site";

describe("the client in a function of AWS Lambda", function () {
  this.timeout(60_000);
  withCredentials();
  let postgres: PostgresServer;
  let site: LambdaSite;
  before(async () => {
    postgres = await startPostgres();
    site = await LambdaSite.open(postgres);
    // As a deployment does it, before the rotation.
    site.fn.release(ALIAS, { code: { file: join(__dirname, "lambda/client.child.cjs"), handler: "handler" } });
  });
  after(async () => {
    await site.close();
    await postgres.stop();
  });

  it("reads its version once at the cold start, and reports it when it is probed", async () => {
    const consumer = site.consumer();
    await consumer.roll(await site.target(2));
    const { adopted, detail } = await consumer.confirm(await site.target(2));
    assert.ok(adopted, detail);
    assert.match(detail, /it uses v2 of "orders-db"/);
    const { payload } = await site.lambda.invoke(FUNCTION, ALIAS, {});
    assert.deepEqual(JSON.parse(payload), { role: site.role(2), reads: 1 });
    const pids = new Set(
      site
        .served()
        .filter(({ version }) => version === "3")
        .map(({ pid }) => pid),
    );
    const cold = site.served().filter(({ version, cold: started }) => version === "3" && started);
    assert.equal(cold.length, pids.size, "each process was started once");
    assert.equal(site.failedRequests(), 0);
  });
});
