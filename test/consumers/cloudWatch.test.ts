import assert from "node:assert/strict";
import { check } from "../../components/checks";
import { cloudWatchCheckOptions, createCloudWatchCheck } from "../../provider/checks/cloudWatch";
import type { Health } from "../../provider/contracts/check";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { runClock } from "../../provider/clock";
import { watchHealth } from "../../provider/rotation/health";
import { startCloudWatch, type CloudWatchEmulator } from "../../testing/cloudWatch";
import { makeContext, noSignal, targetOf, version } from "./checks/support";
import { useCredentials } from "./ecs/site";

const MINUTE = 60_000;
/** 30 seconds after the end of the latest complete period. */
const NOW = Date.UTC(2026, 10, 28, 12, 31, 30);
const LATEST = NOW - 30_000 - MINUTE;
const TARGET = targetOf(version("orders-db", 7, { password: "s3cret-of-version-7" }));
const ERRORS = { namespace: "Orders", metricName: "Errors", dimensions: { Service: "orders" } };

describe("a cloudWatch check", function () {
  this.timeout(20_000);
  useCredentials();
  let cloudWatch: CloudWatchEmulator;

  beforeEach(async () => {
    cloudWatch = await startCloudWatch();
  });
  afterEach(() => cloudWatch.stop());

  function make(more: Record<string, unknown>, now = () => NOW) {
    const given = { type: "cloudWatch", region: "eu-west-1", endpoint: cloudWatch.endpoint, maxAttempts: 1, ...more };
    const context = makeContext();
    const clock = { ...context.clock, now };
    return createCloudWatchCheck(cloudWatchCheckOptions.parse(given), { ...context, clock });
  }

  async function probe(more: Record<string, unknown>): Promise<Health> {
    const made = make(more);
    try {
      const health = await made.probe(TARGET, noSignal());
      assert.doesNotMatch(JSON.stringify(health), /s3cret/);
      return health;
    } finally {
      await made.close();
    }
  }

  describe("of an alarm", () => {
    const alarm = { alarm: "orders-5xx" };

    it("is healthy while the alarm is OK, and says since when and why", async () => {
      cloudWatch.setAlarm("orders-5xx", "OK", "Threshold Crossed: 1 datapoint [0.0] was not greater than 5.0.");
      const { healthy, detail } = await probe(alarm);
      assert.ok(healthy);
      assert.match(detail, /^alarm "orders-5xx" is OK since 20.*Z: Threshold Crossed: 1 datapoint \[0\.0\]/);
    });

    it("is unhealthy while it is red, in the alarm's own words without a secret", async () => {
      cloudWatch.setAlarm("orders-5xx", "ALARM", "set by hand: s3cret-of-version-7");
      assert.deepEqual(
        { ...(await probe(alarm)), detail: "" },
        { healthy: false, detail: "" },
        "what is seen is not blind",
      );
      assert.match((await probe(alarm)).detail, /is ALARM since .*: set by hand: \*\*\*/);
    });

    it("does not take too few data for health, unless it is told to", async () => {
      cloudWatch.setAlarm("orders-5xx", "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation");
      const { healthy, blind, detail } = await probe(alarm);
      assert.deepEqual([healthy, blind], [false, true]);
      assert.match(detail, /INSUFFICIENT_DATA .*Initial alarm creation/);
      assert.equal((await probe({ ...alarm, missing: "healthy" })).healthy, true);
    });

    it("finds composite alarms too", async () => {
      cloudWatch.setAlarm("orders-5xx", "ALARM", "arn:... transitioned to ALARM", true);
      assert.equal((await probe(alarm)).healthy, false);
    });

    it("stops the run where there is no alarm of that name: nothing could be decided by it", async () => {
      await assert.rejects(probe(alarm), (error: Error) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /CloudWatch has no alarm "orders-5xx"\. .*Correct `alarm` or `region`/);
        return true;
      });
    });
  });

  describe("of a metric", () => {
    const metric = { ...ERRORS, statistic: "Sum", below: 5 };
    const put = (value: number, at = LATEST, dimensions: Record<string, string> = ERRORS.dimensions) =>
      cloudWatch.put({ ...ERRORS, dimensions, at, value });

    it("is healthy while the latest complete period is below the threshold, and says value, threshold and time", async () => {
      put(1);
      put(2, LATEST + 59_000);
      assert.deepEqual(await probe(metric), {
        healthy: true,
        detail:
          "Orders Errors (Service=orders): Sum is 3 from 2026-11-28 12:30:00 UTC to 2026-11-28 12:31:00 UTC, below 5",
        value: 3,
      });
    });

    it("is unhealthy at the threshold and beyond it", async () => {
      put(5);
      const { healthy, value, detail } = await probe(metric);
      assert.deepEqual([healthy, value], [false, 5]);
      assert.match(detail, /Sum is 5 from .* 12:31:00 UTC, not below 5$/);
    });

    it("is unhealthy below a threshold that has to be exceeded, and between two", async () => {
      put(5);
      assert.equal((await probe({ ...ERRORS, statistic: "Maximum", above: 5 })).healthy, false);
      assert.equal((await probe({ ...ERRORS, statistic: "Maximum", above: 4, below: 6 })).healthy, true);
      assert.match((await probe({ ...ERRORS, statistic: "Maximum", above: 5, below: 6 })).detail, /not above 5$/);
    });

    it("does not judge by the period that is still going on", async () => {
      put(100, NOW - 10_000);
      put(1);
      assert.equal((await probe(metric)).value, 1);
    });

    it("takes the latest period that has data, while it is not too old", async () => {
      put(1, LATEST - 2 * MINUTE);
      assert.equal((await probe(metric)).value, 1);
      const { healthy, blind, detail } = await probe({ ...metric, maxAge: "1m" });
      assert.deepEqual([healthy, blind], [false, true]);
      assert.match(detail, /no data point in the periods of 1 minute that have ended in the last 1 minute/);
    });

    it("does not take a missing metric for health, unless it is told to", async () => {
      put(1, LATEST, { Service: "others" });
      assert.deepEqual(await probe(metric), {
        healthy: false,
        blind: true,
        detail:
          "Orders Errors (Service=orders): no data point in the periods of 1 minute that have ended in the last 5 minutes",
      });
      const excused = await probe({ ...metric, missing: "healthy" });
      assert.ok(excused.healthy);
      assert.match(excused.detail, /which counts as healthy$/);
    });

    it("asks by period and statistic: percentiles, and longer periods at their own borders", async () => {
      for (let index = 1; index <= 10; index++) put(index, LATEST + index * 1000);
      assert.equal((await probe({ ...ERRORS, statistic: "p90", below: 10 })).value, 9);
      // 12:30 to 12:35 is still going on.
      assert.equal((await probe({ ...ERRORS, statistic: "Sum", below: 10, period: "5m" })).blind, true);
      put(3, LATEST - MINUTE);
      const { value, detail } = await probe({ ...ERRORS, statistic: "Sum", below: 10, period: "5m" });
      assert.equal(value, 3);
      assert.match(detail, /from 2026-11-28 12:25:00 UTC to 2026-11-28 12:30:00 UTC/);
    });

    it("is blind where CloudWatch could not read the metric", async () => {
      put(1);
      cloudWatch.setStatusCode("InternalError");
      const { healthy, blind, detail } = await probe(metric);
      assert.deepEqual([healthy, blind], [false, true]);
      assert.match(detail, /could not read it \(InternalError\)/);
    });

    it("says in which direction it gets worse, for the baseline", () => {
      const tolerance = { baseline: "compare", tolerance: { factor: 2 } } as const;
      assert.equal(make({ ...metric, ...tolerance }).schedule.baseline?.worse, "higher");
      const above = { ...ERRORS, statistic: "Average", above: 1, ...tolerance };
      assert.equal(make(above).schedule.baseline?.worse, "lower");
    });
  });

  for (const [what, options] of Object.entries({
    "an alarm": { alarm: "orders-5xx" },
    "a metric": { ...ERRORS, statistic: "Sum", below: 5 },
  }))
    describe(`of ${what}, where CloudWatch does not answer as it should`, () => {
      beforeEach(() => cloudWatch.setAlarm("orders-5xx", "OK", "well"));

      it("stops the run where the permission is missing, and names it", async () => {
        cloudWatch.fail({ code: "AccessDeniedException" });
        await assert.rejects(probe(options), (error: Error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, /Allow cloudwatch:(DescribeAlarms|GetMetricData) on \*, in the policy/);
          return true;
        });
      });

      it("asks again where it is turned away, and is blind where that goes on", async () => {
        cloudWatch.put({ ...ERRORS, at: LATEST, value: 1 });
        cloudWatch.fail({ code: "ThrottlingException" });
        assert.equal((await probe({ ...options, maxAttempts: 3 })).healthy, true);
        cloudWatch.fail({ code: "ThrottlingException", times: 3 });
        const { healthy, blind, detail } = await probe({ ...options, maxAttempts: 2 });
        assert.deepEqual([healthy, blind], [false, true]);
        assert.match(detail, /AWS turned cloudwatch:\w+ on .* away again and again/);
      });

      it("is blind where it meets an error of the server", async () => {
        cloudWatch.fail({ code: "InternalServiceFault" });
        const { healthy, blind, detail } = await probe(options);
        assert.deepEqual([healthy, blind], [false, true]);
        assert.match(detail, /status 500/);
      });

      it("is blind when it takes longer than its time, and when it is told to stop", async () => {
        cloudWatch.fail({ hang: true });
        const { blind, detail } = await probe({ ...options, timeout: "200ms" });
        assert.equal(blind, true);
        assert.match(detail, /did not answer within 200 ms/);
        cloudWatch.fail({ hang: true });
        const stop = new AbortController();
        const stopped = make(options).probe(TARGET, stop.signal);
        stop.abort();
        assert.match((await stopped).detail, /stopped before CloudWatch answered/);
      });
    });

  it("is unhealthy for a rollout that watches it, when it is slow", async () => {
    cloudWatch.setAlarm("orders-5xx", "OK", "well");
    cloudWatch.fail({ delayMs: 5000, times: 10 });
    const slow = make({ alarm: "orders-5xx", timeout: "100ms", interval: "10ms", failureThreshold: 2 }, Date.now);
    const log = { info: () => undefined, warn: () => undefined };
    const [report] = await watchHealth({
      checks: [slow],
      target: TARGET,
      clock: runClock(),
      signal: noSignal(),
      log,
    });
    assert.equal(report!.healthy, false);
    assert.equal(report!.samples, 2);
    assert.match(report!.lastDetail, /(no answer|did not answer) within 100 ms/);
  });

  it("asks one question for one answer, and names itself by what it asks", async () => {
    cloudWatch.setAlarm("orders-5xx", "OK", "well");
    assert.equal(make({ alarm: "orders-5xx" }).name, 'cloudWatch alarm "orders-5xx"');
    assert.equal(make({ ...ERRORS, statistic: "Sum", below: 1 }).name, "cloudWatch Orders Errors (Service=orders)");
    await probe({ alarm: "orders-5xx" });
    assert.deepEqual(
      cloudWatch.calls.map(({ operation }) => operation),
      ["DescribeAlarms"],
    );
  });
});

describe("the options of a cloudWatch check", () => {
  const problem = (options: Record<string, unknown>) => {
    const parsed = cloudWatchCheckOptions.safeParse({ type: "cloudWatch", ...options });
    return parsed.success ? "" : parsed.error.issues.map(({ message }) => message).join("\n");
  };
  const metric = { ...ERRORS, statistic: "Sum", below: 5 };

  it("are either an alarm or a metric with a threshold", () => {
    assert.equal(problem({ alarm: "orders" }), "");
    assert.equal(problem(metric), "");
    assert.match(problem({}), /needs either alarm, or namespace, metricName and statistic/);
    assert.match(problem({ alarm: "orders", ...metric }), /alarm excludes namespace, metricName/);
    assert.match(problem({ ...ERRORS, statistic: "Sum" }), /needs below or above/);
    assert.match(problem({ ...metric, above: 7 }), /above must be less than below/);
    assert.match(problem({ ...metric, statistic: "sum" }), /statistic must be a statistic of CloudWatch.*"sum"/);
    assert.equal(problem({ ...metric, statistic: "p99.9" }), "");
    assert.match(problem({ ...metric, period: "90s" }), /whole minutes/);
    assert.equal(problem({ ...metric, period: "10s" }), "");
    assert.match(problem({ ...metric, missing: "ok" }), /"unhealthy" or "healthy"; it is "ok"/);
    assert.match(problem({ ...metric, tolerance: { factor: 2 } }), /no effect without "baseline"/);
    assert.match(problem({ alarm: "orders", baseline: "compare", tolerance: { factor: 2 } }), /either below or above/);
  });

  it("are those that a program can write", () => {
    const written = check.cloudWatch({
      ...metric,
      region: "eu-west-1",
      period: "5m",
      missing: "healthy",
      canary: true,
    });
    assert.equal(problem(written), "");
    assert.equal(problem(check.cloudWatch({ alarm: "orders", bake: "5m" })), "");
  });
});
