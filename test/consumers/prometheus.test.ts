import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPrometheusCheck, prometheusCheckOptions } from "../../provider/checks/prometheus";
import type { Health } from "../../provider/contracts/check";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { watchHealth } from "../../provider/rotation/health";
import {
  makeContext,
  makeFolder,
  noSignal,
  problems,
  Servers,
  targetOf,
  version,
  type TestContext,
} from "./checks/support";
import { selfSigned } from "../support/selfSigned";
import { Prometheus } from "./servers/prometheus";

const PASSWORD = "correct-horse-1";
const PASSWORD_BCRYPT = "$2b$04$nqL1Ep3W2kr9.zCbtgTGMeuEGGSJZccsanbjBxi8oZ2abd/0JqRli";

describe("prometheus check", function () {
  this.timeout(90_000);

  let prometheus: Prometheus;
  let guarded: Prometheus;
  let folder: string;
  let authority: string;
  const servers = new Servers();

  before(async () => {
    folder = makeFolder();
    authority = join(folder, "ca.pem");
    const { certificate, key } = selfSigned("127.0.0.1");
    writeFileSync(authority, certificate);
    [prometheus, guarded] = await Promise.all([
      Prometheus.start(),
      Prometheus.start({ guarded: { certificate, key, user: "rotation", hash: PASSWORD_BCRYPT } }),
    ]);
  });
  after(async () => {
    const started = [prometheus, guarded] as (Prometheus | undefined)[];
    await Promise.all(started.flatMap((server) => (server ? [server.stop()] : [])));
    await servers.closeAll();
    rmSync(folder, { recursive: true });
  });
  afterEach(() => {
    prometheus.metrics.down = false;
  });

  function make(options: object, context: TestContext = makeContext()) {
    return createPrometheusCheck(
      prometheusCheckOptions.parse({ type: "prometheus", url: prometheus.url, query: "errors", ...options }),
      context,
    );
  }

  const target = targetOf(version("orders-db", 7, { password: "hunter2hunter2" }));
  const ask = (options: object, signal = noSignal()): Promise<Health> => make(options).probe(target, signal);

  async function refuses(options: object): Promise<string> {
    const error = await ask(options).then(
      (health) => assert.fail(`it answered: ${health.detail}`),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ConfigurationError, String(error));
    return error.message;
  }

  it("is healthy while the value is on the right side of its threshold, and says what it measured", async () => {
    await prometheus.expose("errors 3", "ready 1");
    const shown = `GET ${prometheus.url}/api/v1/query`;
    assert.deepEqual(await ask({ below: 5 }), {
      healthy: true,
      detail: `${shown}: ${await nameOf("errors")} is 3`,
      value: 3,
    });
    assert.equal((await ask({ above: 2.5 })).healthy, true);
    assert.equal((await ask({ above: 2, below: 4 })).healthy, true);
    assert.equal((await ask({ query: "ready", equals: 1 })).healthy, true);
    assert.deepEqual(await ask({ query: "scalar(errors) * 2", below: 7 }), {
      healthy: true,
      detail: `${shown}: the value is 6`,
      value: 6,
    });
  });

  /** As the check names the only series of a metric. */
  async function nameOf(metric: string): Promise<string> {
    const [only] = (await prometheus.ask(metric)) as { metric: { instance: string } }[];
    return `${metric}{instance="${String(only?.metric.instance)}",job="orders"}`;
  }

  it("is unhealthy for a wrong value, and at the threshold itself", async () => {
    await prometheus.expose("errors 5");
    for (const [options, expected] of [
      [{ below: 5 }, /is 5; expected below 5/],
      [{ above: 5 }, /is 5; expected above 5/],
      [{ below: 9, above: 6 }, /is 5; expected above 6 and below 9/],
      [{ equals: 4 }, /is 5; expected 4/],
    ] as const) {
      const { healthy, detail, value } = await ask(options);
      assert.deepEqual([healthy, value], [false, 5]);
      assert.match(detail, expected);
    }
  });

  it("takes a missing metric for unhealthy, unless it is told that this is well", async () => {
    await prometheus.expose("ready 1");
    const missing = await ask({ below: 5 });
    assert.deepEqual([missing.healthy, missing.blind, missing.value], [false, true, undefined]);
    assert.match(missing.detail, /no series$/);
    assert.equal((await ask({ below: 5, missing: "healthy" })).healthy, true);
    assert.equal((await ask({ expectSeries: 0 })).healthy, true);
  });

  it("notices when the target is down: its metrics are gone, and a computed one is as well", async () => {
    await prometheus.expose("errors 0");
    const check = { below: 1 };
    assert.equal((await ask(check)).healthy, true);
    prometheus.metrics.down = true;
    await prometheus.until(async () => (await prometheus.ask("errors")).length === 0);
    assert.match((await ask(check)).detail, /no series/);
    assert.match((await ask({ query: "sum(errors)", below: 1 })).detail, /no series/);
    assert.match((await ask({ query: "up", equals: 1 })).detail, /is 0; expected 1/);
    // Told that none is well, it needs something else that has to be there.
    const absent = { below: 1, missing: "healthy" };
    assert.equal((await ask(absent)).healthy, true);
    assert.match((await ask({ ...absent, maxAge: "10s", ageOf: "errors" })).detail, /there is no sample of errors/);
  });

  it("is unhealthy when the samples are older than maxAge, though their value is well", async () => {
    // Exposed with a time of its own, as what is passed on by somebody else.
    await prometheus.expose(`passed_on 0 ${Date.now() - 60_000}`, "ready 1");
    const stale = await ask({ query: "passed_on", below: 1, maxAge: "20s" });
    assert.deepEqual([stale.healthy, stale.blind], [false, true]);
    assert.match(stale.detail, /the latest sample of \{instance=.*\} is 6\d seconds old, older than 20 seconds/);
    assert.equal((await ask({ query: "passed_on", below: 1, maxAge: "2m" })).healthy, true);
    assert.equal((await ask({ query: "passed_on", below: 1 })).healthy, true);
    const computed = { query: "sum(passed_on)", below: 1, maxAge: "20s" };
    assert.match((await ask({ ...computed, ageOf: "passed_on" })).detail, /older than 20 seconds/);
    assert.equal((await ask({ ...computed, ageOf: "ready" })).healthy, true);
  });

  it("lets the worst of several series count, and names it by its labels", async () => {
    await prometheus.expose('errors{pod="a"} 1', 'errors{pod="b"} 7', 'errors{pod="c"} 3');
    const high = await ask({ below: 5 });
    assert.equal(high.value, 7);
    assert.match(
      high.detail,
      /errors\{instance=".*",job="orders",pod="b"\} is 7; expected below 5 \(the worst of 3 series\)$/,
    );
    const low = await ask({ above: 2 });
    assert.match(low.detail, /pod="a"\} is 1; expected above 2/);
    assert.match((await ask({ equals: 3 })).detail, /pod="b"/);
    assert.equal((await ask({ below: 8 })).healthy, true);
  });

  it("counts series where it is told to", async () => {
    await prometheus.expose('ready{pod="a"} 1', 'ready{pod="b"} 0');
    const query = "ready == 1";
    assert.equal((await ask({ query, expectSeries: 1 })).healthy, true);
    assert.match((await ask({ query, expectSeries: 2 })).detail, /1 series; expected 2$/);
    assert.match(
      (await ask({ query, expectSeries: { min: 2, max: 4 } })).detail,
      /1 series; expected at least 2 and at most 4/,
    );
    assert.match(
      (await ask({ query: "ready == 2", expectSeries: { min: 1 } })).detail,
      /0 series; expected at least 1/,
    );
    assert.match((await ask({ query: "ready", expectSeries: { min: 2 }, above: 0.5 })).detail, /pod="b"\} is 0/);
  });

  it("takes what is no number, or infinite, for no measurement", async () => {
    await prometheus.expose('errors{pod="a"} 1', 'errors{pod="b"} NaN', "most +Inf", "least -Inf");
    const nan = await ask({ below: 5 });
    assert.deepEqual([nan.healthy, nan.value], [false, undefined]);
    assert.match(nan.detail, /pod="b"\} is NaN, which is no measurement; expected below 5/);
    assert.match((await ask({ query: "most", above: 5 })).detail, /\+Inf, which is no measurement/);
    assert.match((await ask({ query: "least", below: 5 })).detail, /-Inf, which is no measurement/);
    assert.equal((await ask({ query: "sum(most) / sum(most)", below: 5 })).healthy, false);
  });

  it("bounds and cleans labels, and takes the version's values out of them", async () => {
    const labels = ["l1", "l2", "l3", "l4", "l5", "l6"].map((label) => `${label}="${"x".repeat(100)}"`).join(",");
    await prometheus.expose(`errors{a="hunter2hunter2",b="line\\nbreak \\"quoted\\" \u001b[31m",${labels}} 9`);
    const { detail } = await ask({ below: 1 });
    assert.doesNotMatch(detail, /hunter2|\p{C}/u);
    assert.match(detail, /a="\*\*\*",b="line break quoted  ?\[31m"/);
    assert.ok(detail.length < 400, detail);
  });

  it("stops the run for a query that cannot be carried out, with Prometheus' error type and not its text", async () => {
    await prometheus.expose("errors 1");
    const bad = await refuses({ query: 'sum(errors{password="hunter2hunter2"}', below: 1 });
    assert.match(bad, /cannot carry the query out \(400, bad_data\).*correct it/);
    assert.doesNotMatch(bad, /hunter2|unclosed/);
    const failing = await refuses({ query: 'label_replace(errors, "a", "$1", "job", "(")', below: 1 });
    assert.match(failing, /\(422, execution\)/);
    assert.match(await refuses({ query: "errors[1m]", below: 1 }), /answers with a matrix/);
    assert.match(await refuses({ query: '"text"', below: 1 }), /answers with a string/);
    assert.match(await refuses({ url: `${prometheus.url}/elsewhere`, below: 1 }), /no query API there \(404\)/);
  });

  it("stops the run for an answer that is too long to be read", async () => {
    await prometheus.expose(...Array.from({ length: 600 }, (_, index) => `errors{pod="${"p".repeat(40)}${index}"} 1`));
    assert.match(await refuses({ below: 5 }), /more than 64 KB.*aggregate/);
    assert.equal((await ask({ query: "max(errors)", below: 5 })).healthy, true);
  });

  it("is refused without the right credentials, which are read from their source and never shown", async () => {
    const lines: string[] = [];
    const context = { ...makeContext(), lines };
    const basic = `Basic ${Buffer.from(`rotation:${PASSWORD}`).toString("base64")}`;
    const options = { url: guarded.url, caFile: authority, query: "vector(1)", above: 0 };
    const headers = { authorization: { from: "env", name: "PROMETHEUS" } };
    assert.match(await refuses(options), /refuses the check \(401\)/);
    const wrong = make({ ...options, headers }, { ...context, resolveSecret: async () => "Basic d3Jvbmc6d3Jvbmc=" });
    await assert.rejects(wrong.probe(target, noSignal()), (error: Error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /refuses the check \(401\)/);
      assert.doesNotMatch(error.message, /d3Jvbmc6/);
      return true;
    });
    const right = make({ ...options, headers }, { ...context, resolveSecret: async () => basic });
    const health = await right.probe(target, noSignal());
    assert.equal(health.healthy, true);
    assert.doesNotMatch(JSON.stringify([health, lines]), new RegExp(basic));
  });

  it("verifies the certificate", async () => {
    const { healthy, blind, detail } = await ask({ url: guarded.url, query: "vector(1)", above: 0 });
    assert.deepEqual([healthy, blind], [false, true]);
    assert.match(detail, /its certificate is not trusted/);
  });

  it("is unhealthy in time, and blind, when Prometheus hangs or is not there", async () => {
    await prometheus.expose("errors 0");
    prometheus.hang();
    try {
      const started = Date.now();
      const slow = await ask({ below: 1, timeout: "300ms" });
      assert.deepEqual([slow.healthy, slow.blind], [false, true]);
      assert.match(slow.detail, /query: no complete answer within 300 ?m/);
      assert.ok(Date.now() - started < 5000);
      const abort = new AbortController();
      const cancelled = ask({ below: 1 }, abort.signal);
      abort.abort();
      assert.equal((await cancelled).healthy, false);
    } finally {
      prometheus.goOn();
    }
    const { url } = await servers.refusing();
    assert.match((await ask({ url, below: 1 })).detail, /connection refused/);
  });

  it("is unhealthy for an error of the server, and for one that is not Prometheus", async () => {
    // A real one answers 503 when a query is aborted; https://prometheus.io/docs/prometheus/latest/querying/api/
    const busy = await servers.http((_request, response) => {
      response.statusCode = 503;
      response.end(JSON.stringify({ status: "error", errorType: "timeout", error: "query hunter2hunter2 timed out" }));
    });
    const timeout = await ask({ url: busy.url, below: 1 });
    assert.deepEqual([timeout.healthy, timeout.blind], [false, true]);
    assert.match(timeout.detail, /answered 503 \(timeout\)$/);
    const other = await servers.http((_request, response) => response.end("<html>"));
    assert.match((await ask({ url: other.url, below: 1 })).detail, /answered 200, not as Prometheus does/);
  });

  it("says that there were warnings, and not what they say", async () => {
    const warning = await servers.http((_request, response) =>
      response.end(
        JSON.stringify({
          status: "success",
          data: { resultType: "vector", result: [{ metric: {}, value: [1, "2"] }] },
          warnings: ["hunter2hunter2"],
        }),
      ),
    );
    const health = await ask({ url: warning.url, below: 5 });
    assert.match(health.detail, /the value is 2 \(with 1 warnings\)$/);
  });

  it("fails the rollout when the value is worse than before, though below its threshold", async () => {
    const { clock, log } = makeContext();
    const check = make({ below: 50, interval: "50ms", baseline: "compare", tolerance: { factor: 2 } });
    const watch = (baselines: Record<string, { healthy: boolean; value?: number }>) =>
      watchHealth({ checks: [check], target, clock, log, signal: noSignal(), baselines });
    await prometheus.expose("errors 9");
    const [same] = await watch({ [check.name]: { healthy: true, value: 5 } });
    assert.deepEqual([same?.healthy, same?.value, same?.valueBefore], [true, 9, 5]);
    const [worse] = await watch({ [check.name]: { healthy: true, value: 4 } });
    assert.equal(worse?.healthy, false);
    assert.match(worse.lastDetail, /worse than before the rotation: 9, was 4, at most 8 is tolerated/);
    // Red before, and then nothing to be seen: that excuses nothing.
    await prometheus.expose("ready 1");
    const [gone] = await watch({ [check.name]: { healthy: false, value: 70 } });
    assert.notEqual(gone?.failedAt, undefined);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const good = { type: "prometheus", url: "https://prometheus.test/prefix", query: "errors" };
    const refuse = (options: object) => problems(prometheusCheckOptions.safeParse({ ...good, ...options }));
    assert.equal(refuse({ below: 1, canary: true, maxAge: "1m", baseline: "compare", tolerance: { absolute: 3 } }), "");
    for (const [options, expected] of [
      [{}, /needs below, above, equals or expectSeries/],
      [{ equals: 1, below: 2 }, /equals excludes below and above/],
      [{ above: 2, below: 2 }, /above must be less than below/],
      [{ below: Number.NaN }, /below must be a number/],
      [{ below: 1, missing: "fine" }, /missing must be "unhealthy" or "healthy"; it is "fine"/],
      [{ expectSeries: {} }, /expectSeries must have min, max or both/],
      [{ expectSeries: "two" }, /expectSeries must be a number of series or/],
      [{ below: 1, query: "sum(errors)", maxAge: "1m" }, /maxAge needs ageOf/],
      [{ below: 1, ageOf: "errors" }, /ageOf has no effect without maxAge/],
      [{ below: 1, maxAge: "1m", ageOf: "rate(errors[1m])" }, /ageOf must be a single selector/],
      [{ below: 1, url: "https://prometheus.test/?x=1" }, /without \? and #/],
      [{ below: 1, url: "http://prometheus.test", caFile: "/ca.pem" }, /caFile has no effect/],
      [
        { below: 1, url: "http://prometheus.test", headers: { authorization: { from: "env", name: "T" } } },
        /sent by https:\/\/ only/,
      ],
      [{ below: 1, tolerance: { factor: 2 } }, /no effect without "baseline": "compare"/],
      [{ equals: 1, baseline: "compare", tolerance: { factor: 2 } }, /tolerance needs either below or above/],
      [{ below: 1, baseline: "compare", tolerance: {} }, /tolerance must have a factor/],
      [{ below: 1, baseline: "compare", tolerance: { factor: 0.5 } }, /tolerance.factor must be at least 1; it is 0.5/],
      [{ below: 1, baseline: true }, /baseline must be "compare"/],
    ] as const)
      assert.match(refuse(options), expected);
    for (const url of ["http://127.0.0.1:9090", "http://localhost:9090", "http://[::1]:9090"])
      assert.equal(refuse({ below: 1, url, headers: { authorization: { from: "env", name: "T" } } }), "");
  });
});
