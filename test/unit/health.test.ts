import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CheckSchedule, Health, HealthCheck } from "../../provider/contracts/check";
import type { Clock } from "../../provider/contracts/context";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import {
  probeCanaries,
  watchHealth,
  type HealthReport,
  type HealthSample,
  type HealthWatch,
} from "../../provider/rotation/health";

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
