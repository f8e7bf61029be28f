import assert from "node:assert/strict";
import { loadLambda } from "../../provider/consumers/lambda/sdk";
import { ConfigurationError, ConsumerError, UnreachableError } from "../../provider/lifecycle/errors";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { ALIAS, contextFor, LambdaSite, withCredentials } from "./lambda/site";

/** All that a roll needs, and what `keepVersions` and `probe` need beside. */
const ACTIONS = [
  "lambda:GetAlias",
  "lambda:GetFunctionConfiguration",
  "lambda:GetProvisionedConcurrencyConfig",
  "lambda:InvokeFunction",
  "lambda:ListVersionsByFunction",
  "lambda:PublishVersion",
  "lambda:UpdateAlias",
  "lambda:UpdateFunctionConfiguration",
];

describe("what fails while a function of AWS Lambda is moved", function () {
  this.timeout(90_000);
  withCredentials();
  let postgres: PostgresServer;
  let site: LambdaSite;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());
  afterEach(async () => {
    const failed = site.failedRequests();
    await site.close();
    assert.equal(failed, 0, "requests failed");
  });

  const open = async (more: object = {}) => {
    site = await LambdaSite.open(postgres, more);
    return site.consumer();
  };

  /** An error with none of the values of the target, of the function's variables or of the credentials. */
  async function fails(work: Promise<unknown>, type: new (m: string) => Error, message: RegExp): Promise<string> {
    const error = await work.then(
      () => assert.fail("it was expected to fail"),
      (reason: unknown) => reason as Error,
    );
    assert.ok(error instanceof type, String(error.stack));
    assert.match(error.message, message);
    const shown = `${error.stack} ${JSON.stringify(error)} ${site.lines.infos.join()} ${site.lines.warnings.join()}`;
    for (const version of [1, 2]) {
      const { value } = await site.version(version);
      assert.ok(!shown.includes(String(value["password"])), "the credential is shown");
    }
    assert.doesNotMatch(shown, /an-api-key|AKIA/);
    return error.message;
  }

  for (const moment of ["before", "after"] as const) {
    it(`arrives with one version of its own, where its first roll is killed ${moment} each call`, async function () {
      // Each time another function, with processes of its own.
      this.timeout(240_000);
      const operations: string[] = [];
      for (let call = 1; ; call++) {
        site = await LambdaSite.open(postgres, { weights: [50], stepInterval: "20ms" });
        const abort = new AbortController();
        const killed = await site.start(contextFor(site.lines, abort.signal));
        const reached = site.cutAt(call, moment);
        const target = await site.target(2);
        const end = killed.roll(target).then(
          () => "rolled",
          () => "killed",
        );
        const first = await Promise.race([reached.then(() => "reached"), end]);
        abort.abort(new Error("killed"));
        assert.equal(await end, first === "rolled" ? "rolled" : "killed");
        const again = await site.start(contextFor(site.lines));
        await again.roll(target);
        assert.deepEqual(site.record().alias, { "2": 1 }, `after call ${call}`);
        assert.deepEqual(site.fn.versionNames(), ["1", "2"], `after call ${call}`);
        assert.equal((await again.confirm(target)).adopted, true);
        operations.push(first);
        assert.equal(site.failedRequests(), 0);
        if (first === "rolled") break;
        await site.close();
      }
      // Two looks, the list, the update, looks, publish, look, probe, three of the alias, provisioned, the last look.
      assert.ok(operations.length > 12, `${operations.length} calls`);
    });
  }

  it("needs every one of its permissions, and the error names the one that is missing", async () => {
    const consumer = await open();
    for (const [index, action] of ACTIONS.entries()) {
      site.lambda.allow();
      await consumer.roll(await site.target(1));
      site.lambda.deny(action);
      const qualified = action === "lambda:InvokeFunction" ? ":\\*" : " and arn:.*:function:orders:\\*";
      const message = new RegExp(`Allow ${action} on arn:.*:function:orders${qualified}`);
      // Each time a version that was never rolled, so that all has to be done for it.
      await fails(consumer.roll(await site.target(index + 2)), ConfigurationError, message);
    }
  });

  it("asks for no permission that it does not need", async () => {
    const consumer = await open({ keepVersions: 1 });
    for (const version of [2, 3, 1, 4]) await consumer.roll(await site.target(version));
    const asked = new Set(site.lambda.calls.map(({ operation }) => operation));
    const actions = [...asked].map((operation) =>
      operation === "invoke"
        ? "lambda:InvokeFunction"
        : `lambda:${operation.charAt(0).toUpperCase()}${operation.slice(1)}`,
    );
    assert.deepEqual(actions.sort(), [...ACTIONS, "lambda:DeleteFunction", "lambda:ListAliases"].sort());
  });

  it("is turned away a few times for too many calls, and goes on", async () => {
    const consumer = await open({ maxAttempts: 4, timeout: "10s" });
    const refused = new Map<string, number>();
    site.lambda.fault = ({ operation }) => {
      if (!/^(getAlias|publishVersion|invoke|updateAlias)$/.test(operation)) return undefined;
      const times = (refused.get(operation) ?? 0) + 1;
      refused.set(operation, times);
      return times <= 1 ? { code: "TooManyRequestsException", message: "Rate exceeded" } : undefined;
    };
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
  });

  it("says that it is turned away again and again, and what state things are in", async () => {
    const consumer = await open();
    site.lambda.fault = ({ operation }) =>
      operation === "updateAlias" ? { code: "TooManyRequestsException" } : undefined;
    await fails(
      consumer.roll(await site.target(2)),
      UnreachableError,
      /too many calls .*alias names is unchanged.*maxAttempts/,
    );
    assert.deepEqual(site.record().alias, { "1": 1 });
  });

  it("goes on after a change of which the answer was lost, and makes it once", async () => {
    const consumer = await open({ maxAttempts: 3, timeout: "10s" });
    const lost = new Set<string>();
    site.lambda.fault = ({ operation }) => {
      if (!/^(update|publish)/.test(operation) || lost.has(operation)) return undefined;
      lost.add(operation);
      return { when: "after", code: "ServiceException", message: "lost" };
    };
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
    assert.deepEqual(site.fn.versionNames(), ["1", "2"]);
    assert.equal(lost.size, 3);
  });

  it("says that AWS does not answer as it should, and that of a change nothing is known", async () => {
    const consumer = await open();
    site.lambda.fault = () => ({ code: "ServiceException" });
    await fails(consumer.roll(await site.target(2)), UnreachableError, /answered with status 500 \(ServiceException\)/);
    await fails(consumer.confirm(await site.target(2)), UnreachableError, /status 500/);
  });

  it("says that a server does not answer in time", async () => {
    const consumer = await open({ timeout: "200ms" });
    site.lambda.fault = () => ({});
    const message = await fails(
      consumer.roll(await site.target(2)),
      UnreachableError,
      /AWS Lambda did not answer within 200 ms/,
    );
    assert.match(message, /consumer "orders", getAlias/);
  });

  it("says that nothing listens there", async () => {
    await open();
    const nowhere = site.consumer(contextFor(site.lines), "http://127.0.0.1:1");
    await fails(nowhere.roll(await site.target(2)), UnreachableError, /AWS Lambda could not be reached .*ECONNREFUSED/);
  });

  it("says that there is no such function, and no such alias", async () => {
    await open();
    const other = (more: object) => site.consumer(contextFor(site.lines), undefined, more);
    const target = await site.target(2);
    await fails(
      other({ functionName: "mail" }).roll(target),
      ConfigurationError,
      /lambda:GetAlias on the function mail .*`functionName`, `alias`/,
    );
    await fails(
      other({ alias: "blue" }).roll(target),
      ConfigurationError,
      /ResourceNotFoundException\): the function, its alias/,
    );
  });

  it("says that the variables are too large, and does not repeat them as AWS does", async () => {
    await open();
    const long = "x".repeat(480);
    const environment = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`LONG_${index}`, `{versionId}${long}`]),
    );
    const consumer = site.consumer(contextFor(site.lines), undefined, { environment });
    await fails(
      consumer.roll(await site.target(2)),
      ConsumerError,
      /function is unchanged\. All its variables may have 4 KB/,
    );
    assert.deepEqual(site.record().alias, { "1": 1 });
  });

  it("says that the account may store no more code", async () => {
    const consumer = await open();
    site.fn.mostVersions = 1;
    await fails(
      consumer.roll(await site.target(2)),
      ConsumerError,
      /CodeStorageExceededException.*alias is unchanged.*keepVersions/,
    );
  });

  it("takes an environment that cannot be started for a version that does not come up", async () => {
    const consumer = await open();
    site.lambda.fault = ({ operation }) => (operation === "invoke" ? { code: "KMSDisabledException" } : undefined);
    await fails(
      consumer.roll(await site.target(2)),
      ConsumerError,
      /could not start an environment .*KMSDisabledException/,
    );
    assert.deepEqual(site.record().alias, { "1": 1 });
  });

  it("waits for a version that cannot be invoked yet", async () => {
    const consumer = await open();
    let invoked = 0;
    site.lambda.fault = ({ operation }) =>
      operation === "invoke" && invoked++ < 4 ? { code: "ResourceConflictException" } : undefined;
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
  });

  it("ends within a second when it is cancelled, whatever it waits for", async () => {
    for (const prepare of [
      () => void (site.fn.progress.updateLooks = Infinity),
      () => void (site.lambda.fault = () => ({})),
      () => void site.fn.provisioned.set(ALIAS, { requested: 1, status: "READY" }),
    ]) {
      await open({ weights: [10], stepInterval: "10m", timeout: "1m", readyTimeout: "10m" });
      prepare();
      const abort = new AbortController();
      const rolled = site.consumer(contextFor(site.lines, abort.signal)).roll(await site.target(2));
      rolled.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 400));
      const at = performance.now();
      abort.abort(new Error("the run was cancelled"));
      await assert.rejects(rolled, /cancelled/);
      assert.ok(performance.now() - at < 1000);
      await site.close();
    }
    await open();
  });

  it("says which package to install where the SDK is missing", async () => {
    await open();
    const missing = () => Promise.reject(Object.assign(new Error("gone"), { code: "ERR_MODULE_NOT_FOUND" }));
    await assert.rejects(
      loadLambda(missing),
      /consumer lambda needs the package "@aws-sdk\/client-lambda", which is not installed\. Run: npm install @aws-sdk\/client-lambda/,
    );
  });
});
