import assert from "node:assert/strict";
import { ConfigurationError, ConsumerError } from "../../provider/lifecycle/errors";
import { versionIdOf } from "../../provider/net/aws/versionId";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { ALIAS, contextFor, FUNCTION, LambdaSite, referenceOf, withCredentials } from "./lambda/site";

describe("a function of AWS Lambda behind an alias", function () {
  this.timeout(60_000);
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

  const open = async (more: object = {}, random?: () => number) => {
    site = await LambdaSite.open(postgres, more, random);
    return site.consumer();
  };
  const latestId = async (version: number) => versionIdOf((await site.version(version)).ref);

  async function fails(work: Promise<unknown>, message: RegExp, type: new (m: string) => Error = ConsumerError) {
    const error = await work.then(
      () => assert.fail("it was expected to fail"),
      (reason: Error) => reason,
    );
    assert.ok(error instanceof type, String(error.stack));
    assert.match(error.message, message);
    assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /an-api-key/);
    return error.message;
  }

  it("starts a new process with the new credential, and moves the requests to it when it is well", async () => {
    const consumer = await open();
    assert.equal(await site.ask(), site.role(1));
    const { alias } = site.record();
    assert.deepEqual(alias, { "1": 1 });

    await consumer.roll(await site.target(2));

    assert.deepEqual(site.record(), { alias: { "2": 1 }, latest: await latestId(2) });
    assert.equal(await site.ask(), site.role(2));
    const pids = (version: string) =>
      new Set(
        site
          .served()
          .filter((one) => one.version === version)
          .map((one) => one.pid),
      );
    assert.equal([...pids("2")].filter((pid) => pids("1").has(pid)).length, 0, "another process");
    const done = site.lambda.calls.map(({ operation }) => operation);
    assert.ok(done.indexOf("invoke") < done.indexOf("updateAlias"), done.join());
    const published = site.fn.version("2").settings;
    assert.equal(published.description, 'Rotation for live: v2 of "orders-db"');
    assert.deepEqual(published.variables, { ...published.variables, ...referenceOf(await site.version(2)) });
    assert.equal(published.variables["API_KEY"], "an-api-key-of-the-function", "all else is as it was");
  });

  it("gives the alias back to the version that it named before, which runs still, before anything else", async () => {
    const consumer = await open();
    await consumer.roll(await site.target(2));
    const before = site.lambda.calls.length;
    await consumer.roll(await site.target(1));
    assert.deepEqual(site.record(), { alias: { "1": 1 }, latest: await latestId(1) });
    assert.equal(await site.ask(), site.role(1));
    assert.equal(site.served().at(-1)?.cold, false);
    const done = site.lambda.calls.slice(before).map(({ operation }) => operation);
    const changes = done.filter((operation) => /^(update|publish|invoke)/.test(operation));
    assert.deepEqual(changes, ["updateAlias", "updateFunctionConfiguration"]);
  });

  it("waits while Lambda is at it, and publishes what has come to an end", async () => {
    const consumer = await open();
    site.fn.progress.updateLooks = 4;
    site.fn.progress.pendingLooks = 3;
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
    const looks = site.lambda.calls.filter(({ operation }) => operation === "getFunctionConfiguration");
    assert.ok(looks.length >= 4 + 3 + 2, String(looks.length));
  });

  it("waits for an update that somebody else has begun", async () => {
    const consumer = await open();
    site.fn.progress.updateLooks = 3;
    site.fn.updateConfiguration({ Description: "by somebody else" });
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
  });

  it("says when Lambda takes longer than it may, and what state things are in", async () => {
    const consumer = await open({ readyTimeout: "150ms" });
    site.fn.progress.updateLooks = Infinity;
    const message = await fails(consumer.roll(await site.target(2)), /\$LATEST of the function orders was not ready/);
    assert.match(message, /within 150 ms; it is Active, its last update InProgress.*live was not moved/);
    assert.deepEqual(site.record().alias, { "1": 1 });
  });

  it("says at once why an update failed, in Lambda's words, and tries it anew the next time", async () => {
    const consumer = await open();
    site.fn.progress.nextUpdateFails = {
      code: "DisabledKMSKey",
      reason: "Lambda cannot use the key for an-api-key-of-the-function",
    };
    const message = await fails(
      consumer.roll(await site.target(2)),
      /could not update .*DisabledKMSKey: Lambda cannot use/,
    );
    assert.match(message, /for \*\*\*\. Nothing was published .* alias live was not moved/);
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
  });

  it("says at once why a version cannot run, and gives it no request", async () => {
    const consumer = await open();
    site.fn.progress.nextVersionFails = { code: "SubnetOutOfIPAddresses", reason: "The subnet has no addresses left." };
    await fails(consumer.roll(await site.target(2)), /version 2 .* cannot run: SubnetOutOfIPAddresses: The subnet has/);
    assert.deepEqual(site.record().alias, { "1": 1 });
    await consumer.roll(await site.target(1));
    assert.deepEqual(site.record(), { alias: { "1": 1 }, latest: await latestId(1) });
  });

  describe("with steps", () => {
    const STEPS = { weights: [10, 50], stepInterval: "60ms" };

    /** What the alias names, each time that it changed. */
    function watch(): Readonly<Record<string, number>>[] {
      const seen: Readonly<Record<string, number>>[] = [];
      site.lambda.fault = () => {
        const now = site.fn.versionsBehind(ALIAS);
        if (JSON.stringify(seen.at(-1)) !== JSON.stringify(now)) seen.push(now);
        return undefined;
      };
      return seen;
    }

    it("gives the new version a share of the requests first, step by step", async () => {
      const consumer = await open(STEPS);
      const seen = watch();
      await consumer.roll(await site.target(2));
      assert.deepEqual(seen, [{ "1": 1 }, { "1": 0.9, "2": 0.1 }, { "1": 0.5, "2": 0.5 }, { "2": 1 }]);
    });

    it("meets both versions while a step lasts, each with its own credential", async () => {
      let next = 0;
      const consumer = await open({ weights: [50], stepInterval: "1s" }, () => (next++ % 2 === 0 ? 0.1 : 0.9));
      await consumer.roll(await site.target(2));
      const roles = new Set(
        site.served().map(({ payload, version }) => `${version} ${(JSON.parse(payload) as { role: string }).role}`),
      );
      assert.deepEqual([...roles].sort(), [`1 ${site.role(1)}`, `2 ${site.role(2)}`]);
      const twice = site
        .served()
        .map(({ version }) => version)
        .join("");
      assert.match(twice, /212|121/, "in turn");
    });

    it("goes on with the step at which it was killed", async () => {
      await open(STEPS);
      const abort = new AbortController();
      const killed = await site.start(contextFor(site.lines, abort.signal));
      let moved: () => void = () => undefined;
      const reached = new Promise<void>((resolve) => (moved = resolve));
      const poll = setInterval(() => Object.keys(site.record().alias).length === 2 && moved(), 1);
      const end = killed.roll(await site.target(2)).catch(() => "ended");
      await reached;
      clearInterval(poll);
      abort.abort(new Error("killed"));
      assert.equal(await end, "ended");
      const versions = site.fn.versionNames().length;
      const seen = watch();
      await site.consumer().roll(await site.target(2));
      assert.deepEqual(seen.at(-1), { "2": 1 });
      assert.deepEqual(seen[0], { "1": 0.9, "2": 0.1 }, "not from the start");
      assert.equal(site.fn.versionNames().length, versions);
    });

    it("returns at once, from the end and out of the middle of a step", async () => {
      const consumer = await open(STEPS);
      await consumer.roll(await site.target(2));
      const seen = watch();
      await consumer.roll(await site.target(1));
      assert.deepEqual(seen, [{ "2": 1 }, { "1": 1 }]);
      site.fn.updateAlias(ALIAS, { RoutingConfig: { AdditionalVersionWeights: { "2": 0.5 } } });
      await consumer.roll(await site.target(1));
      assert.deepEqual(site.record(), { alias: { "1": 1 }, latest: await latestId(1) });
    });

    it("notices that somebody else changes the alias in the middle of a step, and leaves it to them", async () => {
      const consumer = await open({ weights: [10], stepInterval: "10m" });
      let steps = 0;
      site.lambda.fault = ({ operation }) => {
        const step = Object.keys(site.fn.versionsBehind(ALIAS)).length === 2;
        if (operation === "getAlias" && step && steps++ === 0)
          site.fn.updateAlias(ALIAS, { RoutingConfig: { AdditionalVersionWeights: {} } });
        return undefined;
      };
      await fails(
        consumer.roll(await site.target(2)),
        /somebody else changed the alias live .* names version 1 alone, and was to name version 1, and version 2 for 10%/,
      );
      assert.deepEqual(site.record().alias, { "1": 1 });
    });
  });

  describe("that others change as well", () => {
    it("looks again where it was changed in between, and loses nothing of what they did", async () => {
      const consumer = await open();
      let changed = 0;
      site.lambda.fault = ({ operation }) => {
        if (/^(updateFunctionConfiguration|publishVersion|updateAlias)$/.test(operation) && changed++ < 3)
          if (operation === "updateAlias") site.fn.updateAlias(ALIAS, { Description: "theirs" });
          else site.fn.change({ description: `theirs ${changed}` });
        return undefined;
      };
      await consumer.roll(await site.target(2));
      assert.deepEqual(site.record().alias, { "2": 1 });
      assert.match(site.fn.version("$LATEST").settings.description, /theirs/);
      assert.match(site.lines.infos.join("\n"), /was changed by somebody else meanwhile; looking again/);
    });

    it("does not release code that was deployed in between", async () => {
      const consumer = await open();
      site.lambda.fault = ({ operation }) => {
        if (operation === "publishVersion")
          site.fn.change({ code: { ...site.fn.version("1").settings.code, handler: "stubborn" } });
        return undefined;
      };
      await fails(
        consumer.roll(await site.target(2)),
        /\$LATEST .* differs from version 1, .*: code, handler\. Nothing was published/,
      );
      assert.deepEqual(site.record().alias, { "1": 1 });
      assert.deepEqual(site.fn.versionNames(), ["1"]);
    });

    it("does not release what nobody has released, and says what that is without its value", async () => {
      const consumer = await open();
      const { variables } = site.fn.version("1").settings;
      site.fn.change({ memory: 256, variables: { ...variables, API_KEY: "an-api-key-that-is-new" } });
      await fails(consumer.roll(await site.target(2)), /memory, the variable API_KEY\. Nothing was published/);
      assert.deepEqual(site.fn.versionNames(), ["1"]);
      await site.consumer(contextFor(site.lines), undefined, { unreleased: "publish" }).roll(await site.target(2));
      assert.equal(site.fn.version("2").settings.memory, 256);
    });

    it("keeps out while somebody deploys it step by step", async () => {
      const consumer = await open();
      site.fn.change({ memory: 256 });
      const { Version: canary } = site.fn.publish({ Description: "a release" }) as { Version: string };
      site.fn.updateAlias(ALIAS, { RoutingConfig: { AdditionalVersionWeights: { [canary]: 0.1 } } });
      const changes = site.changes();
      await fails(
        consumer.roll(await site.target(2)),
        /version 1, and version 2 for 10% of the requests: somebody deploys/,
      );
      assert.equal(site.changes(), changes);
      assert.equal((await consumer.confirm(await site.target(1))).adopted, true, "both have the version");
    });

    it("gives up where they never stop", async () => {
      const consumer = await open();
      site.lambda.fault = ({ operation }) => {
        if (operation === "updateFunctionConfiguration")
          site.fn.change({ description: String(site.lambda.calls.length) });
        return undefined;
      };
      await fails(
        consumer.roll(await site.target(2)),
        /PreconditionFailedException\): somebody else changes the function/,
      );
    });
  });

  it("refuses an alias of $LATEST, to which nothing could return", async () => {
    const consumer = await open();
    site.fn.updateAlias(ALIAS, { FunctionVersion: "$LATEST" });
    await fails(consumer.roll(await site.target(2)), /live of the function orders names \$LATEST/, ConfigurationError);
  });

  it("moves several secrets by one version of the function", async () => {
    const consumer = await open({
      environment: {
        "orders-db": { ORDERS_DB_VERSION_ID: "{versionId}", ORDERS_DB_FINGERPRINT: "{fingerprint}" },
        mail: { MAIL: "{secret}@v{version}/{token}" },
      },
      probe: undefined,
    });
    const mail = { ...(await site.version(3)), secret: "mail" };
    const target = { secrets: [await site.version(2), mail] };
    const changes = site.changes();
    await consumer.roll(target);
    assert.equal(site.changes(), changes + 3, "one update, one version, one move");
    const { variables, description } = site.fn.version("2").settings;
    assert.equal(variables["MAIL"], `mail@v3/${mail.ref.token}`);
    assert.equal(description, 'Rotation for live: v2 of "orders-db", v3 of "mail"');
    assert.equal((await consumer.confirm(target)).adopted, true);
    assert.equal(
      (await consumer.confirm({ secrets: [await site.version(2), { ...mail, ref: target.secrets[0]!.ref }] })).adopted,
      false,
    );
  });

  describe("with provisioned concurrency", () => {
    it("waits until the environments of the new version are ready", async () => {
      const consumer = await open();
      site.fn.provisioned.set(ALIAS, { requested: 2, status: "READY" });
      site.fn.progress.provisionLooks = 3;
      await consumer.roll(await site.target(2));
      assert.equal(site.fn.provisioned.get(ALIAS)?.status, "READY");
    });

    it("says why they cannot be had, with what the alias names now", async () => {
      const consumer = await open();
      site.fn.provisioned.set(ALIAS, { requested: 2, status: "READY" });
      site.fn.progress.nextProvisionFails = "FUNCTION_ERROR_INIT_FAILURE";
      await fails(
        consumer.roll(await site.target(2)),
        /alias live was moved .* could not provide .*FUNCTION_ERROR_INIT_FAILURE/,
      );
      await consumer.roll(await site.target(1));
      assert.deepEqual(site.record().alias, { "1": 1 });
    });
  });

  it("wakes a version that was idle for long before requests return to it", async () => {
    const consumer = await open();
    await consumer.roll(await site.target(2));
    site.fn.version("1").state = "Inactive";
    await consumer.roll(await site.target(1));
    assert.equal(site.fn.version("1").state, "Active");
    assert.equal(await site.ask(), site.role(1));
  });

  it("keeps as many of its own versions as it is told to, and none that is not its own goes", async () => {
    const consumer = await open({ keepVersions: 1 });
    const old = site.fn.release("old", { memory: 256 });
    site.fn.change({ memory: 128 });
    for (const version of [2, 3, 4, 5]) await consumer.roll(await site.target(version));
    // The first two were released by others; of those of its own one is kept beside that of the alias.
    assert.deepEqual(site.fn.versionNames(), ["1", old, "5", "6"]);
    await consumer.roll(await site.target(4));
    assert.deepEqual(site.record().alias, { "5": 1 });
  });

  it("goes on where versions cannot be deleted, and says so", async () => {
    const consumer = await open({ keepVersions: 1 });
    site.lambda.deny("lambda:DeleteFunction");
    for (const version of [2, 3, 4]) await consumer.roll(await site.target(version));
    assert.match(site.lines.warnings.join(), /still there\. .*Allow lambda:DeleteFunction on .*function:orders:\*/);
  });

  it("finds its version among more than one page of them", async () => {
    const consumer = await open();
    await consumer.roll(await site.target(2));
    await consumer.roll(await site.target(1));
    site.fn.pageSize = 1;
    await consumer.roll(await site.target(2));
    assert.deepEqual(site.record().alias, { "2": 1 });
    assert.deepEqual(site.fn.versionNames(), ["1", "2"]);
  });

  it("does not go back to old code: a version is made of what the alias names now", async () => {
    const consumer = await open();
    await consumer.roll(await site.target(2));
    site.fn.release(ALIAS, { memory: 256 });
    await consumer.roll(await site.target(1));
    const [name = ""] = Object.keys(site.record().alias);
    assert.equal(name, "4");
    assert.equal(site.fn.version(name).settings.memory, 256);
  });

  describe("by its probe", () => {
    it("finds out that a version cannot log in, in PostgreSQL's words, and gives it no request", async () => {
      const consumer = await open();
      await site.breakVersion(2);
      const message = await fails(
        consumer.roll(await site.target(2)),
        /version 2 .* made for v2 of "orders-db", is not well/,
      );
      assert.match(message, /it failed \(Unhandled\): error: role "orders_\d+_v2" is not permitted to log in/);
      assert.match(message, /live was not moved to it, and names version 1 alone as before.*log \/aws\/lambda\/orders/);
      assert.deepEqual(site.record().alias, { "1": 1 });
      assert.equal(site.served().filter(({ version }) => version === "2").length, 2, "as often as it may");
    });

    it("takes a version that is well at the second attempt", async () => {
      const consumer = await open();
      await site.breakVersion(2);
      let probes = 0;
      site.lambda.fault = ({ operation }) => {
        if (operation === "invoke" && ++probes === 1) void site.mendVersion(2);
        return undefined;
      };
      await consumer.roll(await site.target(2));
      assert.deepEqual(site.record().alias, { "2": 1 });
    });

    it("shows neither the credential nor a variable of the function, whatever it fails with", async () => {
      const consumer = await open({ probe: { payload: { leak: true }, attempts: 1 } });
      const { value } = await site.version(2);
      const message = await fails(consumer.roll(await site.target(2)), /Error: cannot use \*\*\* \*\*\*/);
      for (const secret of [value["password"], value["url"]]) assert.ok(!message.includes(String(secret)));
    });

    it("says that the process of a version ended", async () => {
      const consumer = await open({ probe: { payload: { crash: true }, attempts: 1 } });
      await fails(consumer.roll(await site.target(2)), /it failed \(Unhandled\): Runtime\.ExitError/);
    });

    it("finds out that a version uses another secret than its variables name", async () => {
      const consumer = await open();
      const { code } = site.fn.version("1").settings;
      site.fn.change({ code: { ...code, handler: "stubborn" } });
      const stubborn = site.consumer(contextFor(site.lines), undefined, { unreleased: "publish" });
      await fails(
        stubborn.roll(await site.target(2)),
        /is not well; invoked by its number, it uses the fingerprints another/,
      );
      site.fn.change({ code });
      await consumer.roll(await site.target(1));
    });

    it("takes an answer for API Gateway with a server's error for unwell", async () => {
      await open();
      const { code } = site.fn.version("1").settings;
      site.fn.change({ code: { ...code, handler: "apiGateway" } });
      const more = { unreleased: "publish", probe: { payload: {}, attempts: 1 } };
      await fails(site.consumer(contextFor(site.lines), undefined, more).roll(await site.target(2)), /status 503/);
    });
  });

  it("without a probe, moves the alias and invokes nothing: whether it is well is for the rollout's checks to say", async () => {
    const consumer = await open({ probe: undefined });
    await site.version(2);
    await consumer.roll(await site.target(2));
    assert.equal(site.lambda.calls.filter(({ operation }) => operation === "invoke").length, 0);
    assert.deepEqual(await consumer.confirm(await site.target(2)), {
      adopted: true,
      detail: 'the alias live names version 2 alone, whose variables name v2 of "orders-db"',
    });
    assert.deepEqual(site.record().alias, { "2": 1 });
  });

  it("confirms by an answer of the version that the alias names, and by no other", async () => {
    const consumer = await open({ adoptionTimeout: "100ms" });
    await consumer.roll(await site.target(2));
    const { adopted, detail } = await consumer.confirm(await site.target(2));
    assert.ok(adopted, detail);
    assert.match(detail, /names version 2 alone.*invoked through the alias, it uses v2 of "orders-db"/);
    assert.equal(site.lambda.calls.at(-1)?.qualifier, ALIAS);
    assert.equal(site.lambda.fleet(FUNCTION).running()["2"]! > 0, true);
  });

  it("says what it is: pinned, with evidence, and a cache of five minutes", async () => {
    const consumer = await open({ wave: 2 });
    const { name, wave, pinned, hasEvidence, readersCacheMs } = consumer;
    assert.deepEqual(
      { name, wave, pinned, hasEvidence, readersCacheMs },
      { name: "orders", wave: 2, pinned: true, hasEvidence: true, readersCacheMs: 300_000 },
    );
  });
});
