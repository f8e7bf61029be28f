import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CheckSchedule, Health, HealthCheck } from "../../provider/contracts/check";
import type { Clock } from "../../provider/contracts/context";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import {
  probeCanaries,
  takeBaselines,
  watchHealth,
  type HealthReport,
  type HealthSample,
  type HealthWatch,
} from "../../provider/rotation/health";
import { healthTable } from "../../provider/rotation/healthTable";

/** Time moves only to the next sleeper, and only when nothing else can happen. */
class TestClock implements Clock {
  private time = 1_000_000;
  private sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      const sleeper = { at: this.time + ms, wake };
      const leave = () => {
        this.sleepers = this.sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason as Error);
      };
      if (signal?.aborted) {
        leave();
        return;
      }
      this.sleepers.push(sleeper);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  get sleeping(): number {
    return this.sleepers.length;
  }

  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const isSettled = () => settled;
    const end = () => (settled = true);
    work.then(end, end);
    for (let turns = 0; turns < 100_000; turns++) {
      await nextTurn();
      if (isSettled()) return work;
      const next = this.sleepers.reduce((first, other) => (other.at < first.at ? other : first), {
        at: Infinity,
        wake: () => undefined,
      });
      if (next.at === Infinity) continue;
      this.time = Math.max(this.time, next.at);
      this.sleepers = this.sleepers.filter((other) => other !== next);
      next.wake();
    }
    throw new Error("the work does not come to an end");
  }
}

const SCHEDULE: CheckSchedule = { intervalMs: 1000, timeoutMs: 5000, failureThreshold: 3, bakeMs: 0, withinMs: 0 };

describe("health watch", () => {
  let clock: TestClock;
  let startedAt: number;
  let lines: string[];
  beforeEach(() => {
    clock = new TestClock();
    startedAt = clock.now();
    lines = [];
  });

  const elapsed = () => clock.now() - startedAt;

  function check(
    name: string,
    schedule: Partial<CheckSchedule>,
    answer: (sample: number, signal: AbortSignal) => boolean | Health | Promise<Health>,
    canary = false,
  ): HealthCheck & { readonly asked: number[] } {
    const asked: number[] = [];
    return {
      name,
      asked,
      schedule: { ...SCHEDULE, ...schedule },
      canary,
      isEvidence: false,
      async probe(_target, signal) {
        asked.push(elapsed());
        const health = await answer(asked.length, signal);
        return typeof health === "boolean" ? { healthy: health, detail: health ? "well" : "ill" } : health;
      },
      close: () => Promise.resolve(),
    };
  }

  function watch(checks: HealthCheck[], further: Partial<HealthWatch> = {}, run = watchHealth) {
    return clock.drive(
      run({
        checks,
        target: { secrets: [] },
        clock,
        signal: new AbortController().signal,
        log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
        ...further,
      }),
    );
  }

  async function watchOne(checks: [HealthCheck]): Promise<HealthReport> {
    const [report] = await watch(checks);
    return report ?? assert.fail("there is no report");
  }

  it("ends at the first healthy answer without a bake time", async () => {
    const report = await watchOne([check("a", {}, () => true)]);
    assert.deepEqual(report, {
      name: "a",
      healthy: true,
      samples: 1,
      unhealthySamples: 0,
      lastDetail: "well",
      firstHealthyAt: startedAt,
      lastAt: startedAt,
    });
    assert.equal(elapsed(), 0);
  });

  it("has nothing to wait for without checks", async () => {
    assert.deepEqual(await watch([]), []);
  });

  it("asks on the check's interval until health has held for the bake time", async () => {
    const a = check("a", { intervalMs: 2000, bakeMs: 5000 }, () => true);
    const report = await watchOne([a]);
    assert.equal(report.healthy, true);
    assert.deepEqual(a.asked, [0, 2000, 4000, 5000]);
  });

  it("fails after the threshold of unhealthy answers in a row", async () => {
    const report = await watchOne([check("a", { bakeMs: 60_000 }, (sample) => sample <= 2)]);
    assert.equal(report.healthy, false);
    assert.equal(report.samples, 5);
    assert.equal(report.unhealthySamples, 3);
    assert.equal(report.lastDetail, "ill");
    assert.equal(report.firstHealthyAt, startedAt);
    assert.equal(report.failedAt, startedAt + 4000);
  });

  it("forgives fewer unhealthy answers than the threshold, but lets the bake time start anew", async () => {
    const report = await watchOne([check("a", { bakeMs: 5000 }, (sample) => sample !== 3 && sample !== 4)]);
    assert.equal(report.healthy, true);
    assert.equal(report.unhealthySamples, 2);
    assert.equal(elapsed(), 4000 + 5000);
  });

  it("fails a check that flaps and so cannot hold its bake time", async () => {
    const report = await watchOne([check("a", { bakeMs: 10_000 }, (sample) => sample % 3 === 0)]);
    assert.equal(report.healthy, false);
    assert.notEqual(report.failedAt, undefined);
    assert.match(report.lastDetail, /health came and went: \d+ of \d+ answers unhealthy/);
    assert.ok(elapsed() <= 30_000);
  });

  it("does not count unhealthy answers while consumers may still be moving, and bakes from the first healthy one", async () => {
    const a = check("a", { withinMs: 60_000, bakeMs: 5000 }, (sample) => sample > 20);
    const report = await watchOne([a]);
    assert.equal(report.healthy, true);
    assert.equal(report.unhealthySamples, 20);
    assert.equal(report.firstHealthyAt, startedAt + 20_000);
    assert.equal(elapsed(), 25_000);
  });

  it("fails when consumers have not moved in the time they were given", async () => {
    const report = await watchOne([check("a", { withinMs: 60_000 }, () => false)]);
    assert.equal(report.healthy, false);
    assert.equal(report.failedAt, startedAt + 62_000);
  });

  it("stops all checks as soon as one has failed", async () => {
    const bad = check("bad", { failureThreshold: 2 }, () => false);
    const good = check("good", { bakeMs: 60_000 }, () => true);
    let ended = false;
    const hangs = check("hangs", { timeoutMs: 50_000 }, (_sample, signal) => {
      return new Promise(() => signal.addEventListener("abort", () => (ended = true)));
    });
    const reports = await watch([good, bad, hangs]);
    assert.deepEqual(
      reports.map(({ name, healthy, failedAt }) => [name, healthy, failedAt]),
      [
        ["good", false, undefined],
        ["bad", false, startedAt + 1000],
        ["hangs", false, undefined],
      ],
    );
    assert.equal(elapsed(), 1000);
    assert.equal(ended, true);
    assert.equal(reports[2]?.lastDetail, "not asked");
    assert.equal(clock.sleeping, 0);
  });

  it("counts a probe that does not end in time as unhealthy, whatever the check does", async () => {
    const a = check("a", { timeoutMs: 3000 }, () => new Promise<Health>(() => undefined));
    const report = await watchOne([a]);
    assert.equal(report.healthy, false);
    assert.equal(report.lastDetail, "no answer within 3 seconds");
    assert.deepEqual(a.asked, [0, 4000, 8000]);
  });

  it("asks at most eight checks at once, and every one of them", async () => {
    let now = 0;
    let most = 0;
    const checks = Array.from({ length: 20 }, (_, index) =>
      check(`c${index}`, { bakeMs: 3000 }, async () => {
        now += 1;
        most = Math.max(most, now);
        await clock.sleep(100);
        now -= 1;
        return { healthy: true, detail: "well" };
      }),
    );
    const reports = await watch(checks);
    assert.equal(most, 8);
    assert.ok(reports.every((report) => report.healthy && report.samples >= 2));
  });

  it("takes an unexpected error for unhealthy, without its message", async () => {
    const report = await watchOne([
      check("a", {}, () => {
        throw new TypeError("password=hunter2");
      }),
    ]);
    assert.equal(report.healthy, false);
    assert.equal(report.lastDetail, "the check itself failed with an unexpected TypeError");
  });

  it("stops the run for a wrong configuration", async () => {
    const wrong = check("wrong", {}, () => Promise.reject(new ConfigurationError("no such file")));
    const other = check("other", { bakeMs: 60_000 }, () => true);
    await assert.rejects(watch([other, wrong]), ConfigurationError);
    await nextTurn();
    assert.equal(clock.sleeping, 0);
  });

  it("rejects with the reason when the run is cancelled", async () => {
    const abort = new AbortController();
    const reason = new Error("cancelled by the user");
    const a = check("a", { bakeMs: 60_000 }, (sample) => {
      if (sample === 3) abort.abort(reason);
      return true;
    });
    await assert.rejects(watch([a], { signal: abort.signal }), reason);
    assert.equal(a.asked.length, 3);
    await assert.rejects(watch([a], { signal: abort.signal }), reason);
    assert.equal(a.asked.length, 3);
  });

  it("reports each answer", async () => {
    const samples: HealthSample[] = [];
    await watch([check("a", {}, (sample) => sample === 2)], { onSample: (sample) => samples.push(sample) });
    assert.deepEqual(samples, [
      { name: "a", at: startedAt, healthy: false, detail: "ill" },
      { name: "a", at: startedAt + 1000, healthy: true, detail: "well" },
    ]);
  });

  it("says every ten seconds what it waits for, how long and what is left, also between rare questions", async () => {
    await watch([
      check("orders", { bakeMs: 60_000, intervalMs: 60_000 }, () => true),
      check("adoption", { withinMs: 40_000 }, (sample) => sample > 25),
      check("quick", {}, () => true),
    ]);
    assert.equal(lines.length, 6);
    assert.equal(
      lines[1],
      'Waiting for 2 of 3 health checks for 20 seconds: "orders" healthy for 20 seconds, 40 seconds left of 1 minute; ' +
        '"adoption" unhealthy (ill), 20 seconds left until this counts.',
    );
  });

  it("takes as many healthy answers in a row as it is told to", async () => {
    const a = check("a", { successThreshold: 3 }, (sample) => sample !== 3);
    const report = await watchOne([a]);
    assert.deepEqual([report.healthy, report.samples, report.unhealthySamples], [true, 6, 1]);
    const baking = check("b", { successThreshold: 3, bakeMs: 1000, intervalMs: 5000 }, () => true);
    assert.equal((await watchOne([baking])).samples, 3);
  });

  it("does not let fewer healthy answers than that break a row of unhealthy ones", async () => {
    const flapping = (sample: number) => sample % 2 === 0;
    const report = await watchOne([check("a", { successThreshold: 2 }, flapping)]);
    assert.deepEqual([report.healthy, report.unhealthySamples, report.samples], [false, 3, 5]);
    const patient = check("b", { successThreshold: 2, failureThreshold: 100 }, flapping);
    const failed = await watchOne([patient]);
    assert.match(failed.lastDetail, /health came and went.*cannot be healthy 2 times in a row within 3 times/);
  });

  it("says how many of the healthy answers it has when it waits for more", async () => {
    await watch([check("a", { successThreshold: 3, intervalMs: 9000 }, () => true)]);
    assert.match(lines.join("\n"), /"a" healthy 2 of 3 times in a row/);
  });

  describe("with a baseline", () => {
    const plan = (more: object = {}) => ({ baseline: { samples: 3, worse: "higher" as const, ...more } });
    const ill = (value?: number): Health => ({
      healthy: false,
      detail: "ill",
      ...(value === undefined ? {} : { value }),
    });
    const well = (value?: number): Health => ({
      healthy: true,
      detail: "well",
      ...(value === undefined ? {} : { value }),
    });
    async function compare(before: { healthy: boolean; value?: number }, one: HealthCheck): Promise<HealthReport> {
      const [report] = await watch([one], { baselines: { [one.name]: before } });
      return report ?? assert.fail("there is no report");
    }

    it("asks before, as often as it is told to, whatever the answers are, and only checks that are compared", async () => {
      const red = check("red", { ...plan() }, () => ill());
      const measured = check("measured", { ...plan({ samples: 5 }) }, (sample) =>
        well([100, 900, 120, 80, 110][sample - 1]),
      );
      const blind = check("blind", { ...plan() }, () => ({ ...ill(), blind: true }));
      const mixed = check("mixed", { ...plan() }, (sample) => (sample === 2 ? well() : ill()));
      const other = check("other", {}, () => false);
      const adoption = { ...check("adoption", { ...plan() }, () => false), isEvidence: true };
      const seen = await clock.drive(
        takeBaselines({
          checks: [red, measured, blind, mixed, other, adoption],
          target: { secrets: [] },
          clock,
          signal: new AbortController().signal,
          log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
        }),
      );
      assert.deepEqual(
        seen.map(({ name, healthy, value, samples, unhealthySamples, blind: isBlind }) => [
          ...[name, healthy, value, samples, unhealthySamples, isBlind],
        ]),
        [
          ["red", false, undefined, 3, 3, false],
          ["measured", true, 110, 5, 0, false],
          ["blind", false, undefined, 3, 3, true],
          ["mixed", true, undefined, 3, 2, false],
        ],
      );
      assert.equal(elapsed(), 4000);
      assert.deepEqual([other.asked, adoption.asked], [[], []]);
    });

    it("does not fail for what was unhealthy before, and does not call it healthy", async () => {
      const other = check("other", { bakeMs: 10_000 }, () => true);
      const red = check("red", plan(), () => ill());
      const reports = await watch([red, other], { baselines: { red: { healthy: false } } });
      assert.deepEqual(
        reports.map(({ name, healthy, unhealthyBefore, failedAt }) => [name, healthy, unhealthyBefore, failedAt]),
        [
          ["red", false, true, undefined],
          ["other", true, undefined, undefined],
        ],
      );
      assert.equal(red.asked.length, 3);
    });

    it("watches for the whole bake time that it does not get worse", async () => {
      const value = (sample: number) => (sample <= 8 ? 50 : 200);
      const tolerance = { factor: 1.5 };
      const failing = check("a", { ...plan({ tolerance }), bakeMs: 20_000 }, (sample) => ill(value(sample)));
      const failed = await compare({ healthy: false, value: 50 }, failing);
      assert.notEqual(failed.failedAt, undefined);
      assert.match(failed.lastDetail, /ill; worse than before the rotation: 200, was 50, at most 75 is tolerated/);
      const same = check("b", { ...plan({ tolerance }), bakeMs: 20_000 }, () => ill(60));
      const report = await compare({ healthy: false, value: 50 }, same);
      assert.deepEqual([report.unhealthyBefore, report.failedAt, report.samples], [true, undefined, 21]);
      assert.deepEqual([report.value, report.valueBefore], [60, 50]);
    });

    it("is healthy when it has become so, and fails when it was healthy before", async () => {
      const mended = check("a", { ...plan(), bakeMs: 5000 }, (sample) => (sample > 2 ? well() : ill()));
      const report = await compare({ healthy: false }, mended);
      assert.deepEqual([report.healthy, report.unhealthyBefore], [true, undefined]);
      assert.notEqual(
        (
          await compare(
            { healthy: true },
            check("b", plan(), () => ill()),
          )
        ).failedAt,
        undefined,
      );
    });

    it("has an end where what was unhealthy before comes and goes, or gets worse and better", async () => {
      const flapping = check("a", { ...plan(), bakeMs: 10_000 }, (sample) => (sample % 2 === 0 ? well() : ill()));
      assert.equal((await compare({ healthy: false }, flapping)).unhealthyBefore, true);
      const tolerance = { absolute: 10 };
      const wavering = (sample: number) => ill(sample % 2 === 0 ? 100 : 1);
      for (const bakeMs of [0, 10_000]) {
        const report = await compare(
          { healthy: false, value: 1 },
          check("b", { ...plan({ tolerance }), bakeMs }, wavering),
        );
        assert.notEqual(report.failedAt, undefined);
        assert.equal(report.unhealthyBefore, undefined);
      }
    });

    it("calls a value unhealthy that is worse than before by more than is tolerated, only where that is asked for", async () => {
      const slow = (more: object) => check("a", plan(more), () => well(200));
      const before = { healthy: true, value: 100 };
      for (const [more, healthy] of [
        [{}, true],
        [{ tolerance: { factor: 2 } }, true],
        [{ tolerance: { factor: 1.9 } }, false],
        [{ tolerance: { absolute: 99 } }, false],
        [{ tolerance: { factor: 1.1, absolute: 100 } }, true],
        [{ tolerance: { factor: 1.1 }, worse: "lower" }, true],
      ] as const)
        assert.equal((await compare(before, slow(more))).healthy, healthy, JSON.stringify(more));
      const falling = { tolerance: { factor: 2 }, worse: "lower" as const };
      assert.equal((await compare({ healthy: true, value: 500 }, slow(falling))).healthy, false);
      assert.equal((await compare({ healthy: true, value: 400 }, slow(falling))).healthy, true);
      assert.equal((await compare({ healthy: true }, slow({ tolerance: { factor: 1 } }))).healthy, true);
    });

    it("takes what cannot be measured or seen any more for worse", async () => {
      const gone = check("a", plan({ tolerance: { factor: 2 } }), () => ill());
      const report = await compare({ healthy: false, value: 7 }, gone);
      assert.match(report.lastDetail, /ill; before the rotation it measured 7/);
      assert.notEqual(report.failedAt, undefined);
      const blind = check("b", plan(), () => ({ ...ill(), blind: true }));
      assert.notEqual((await compare({ healthy: false }, blind)).failedAt, undefined);
    });

    it("never excuses what is evidence", async () => {
      const adoption = { ...check("a", plan(), () => ill()), isEvidence: true };
      assert.notEqual((await compare({ healthy: false }, adoption)).failedAt, undefined);
    });

    it("leaves consumers their time to move before it says that it is as before", async () => {
      const late = check("a", { ...plan(), withinMs: 30_000 }, (sample) => (sample > 20 ? well() : ill()));
      assert.equal((await compare({ healthy: false }, late)).healthy, true);
    });
  });

  it("is shown as a table, with plain lines", () => {
    const base = { samples: 3, unhealthySamples: 0, lastDetail: "well" };
    const table = healthTable("orders", [
      { ...base, name: "api", healthy: true, value: 12, valueBefore: 10.04 },
      {
        ...base,
        name: "a much longer name",
        healthy: false,
        unhealthySamples: 3,
        lastDetail: "ill\n".repeat(99),
        failedAt: 1,
      },
      { ...base, name: "red", healthy: false, unhealthyBefore: true, lastDetail: "503" },
      { ...base, name: "other", healthy: false, samples: 0, lastDetail: "not asked" },
    ]);
    assert.deepEqual(
      table.split("\n").map((line) => line.slice(0, 90)),
      [
        "orders: 1 of 4 health checks healthy",
        "  check               is                    answers  unhealthy  value           last",
        "  api                 healthy               3        0          12 (was 10.04)  well",
        "  a much longer name  unhealthy             3        3                          ill ill il",
        "  red                 unhealthy, as before  3        0                          503",
        "  other               stopped               0        0                          not asked",
      ],
    );
    assert.ok(table.split("\n").every((line) => line.length < 250));
    assert.doesNotMatch(healthTable("orders", [{ ...base, name: "api", healthy: true }]), /value/);
  });

  it("is silent when there is little to wait for", async () => {
    await watch([check("a", { bakeMs: 9000 }, () => true)]);
    assert.deepEqual(lines, []);
  });

  it("asks only canaries before consumers are touched, without their bake time", async () => {
    const canary = check("canary", { bakeMs: 60_000 }, (sample) => sample === 2, true);
    const other = check("other", {}, () => true);
    const reports = await watch([other, canary], {}, probeCanaries);
    assert.deepEqual(
      reports.map((report) => [report.name, report.healthy, report.samples]),
      [["canary", true, 2]],
    );
    assert.equal(other.asked.length, 0);
    const [bad] = await watch([check("bad", {}, () => false, true)], {}, probeCanaries);
    assert.deepEqual([bad?.healthy, bad?.samples], [false, 3]);
  });
});
