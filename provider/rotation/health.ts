/**
 * Watches health checks until each has held for its bake time, or one has failed.
 *
 * Health must hold without a break: an unhealthy answer that is not yet a failure starts the bake time anew. So that a
 * check that flaps comes to an end, it has failed once it can no longer hold its bake time within three times that
 * time, counted after `withinMs`.
 */
import { setMaxListeners } from "node:events";
import type { Health, HealthCheck } from "../contracts/check";
import type { RollTarget } from "../contracts/consumer";
import type { Clock, Log } from "../contracts/context";
import { describeDuration } from "../lifecycle/duration";
import { RotationError } from "../lifecycle/errors";

const MAX_PARALLEL_PROBES = 8;
const PROGRESS_EVERY_MS = 10_000;
/** How many times its bake time a check that flaps is given. */
const FLAPPING_LIMIT = 3;

/** What became of one check. Plain JSON; times in ms since the epoch. */
export interface HealthReport {
  readonly name: string;
  /** Whether it held its bake time. False also for one that was stopped because another one failed. */
  readonly healthy: boolean;
  readonly samples: number;
  readonly unhealthySamples: number;
  readonly lastDetail: string;
  readonly firstHealthyAt?: number;
  /** Absent where the check itself did not fail. */
  readonly failedAt?: number;
  /** Present where its last answer was evidence of another version, rather than of something being unwell. */
  readonly contradicts?: true;
}

export interface HealthSample {
  readonly name: string;
  readonly at: number;
  readonly healthy: boolean;
  readonly detail: string;
}

export interface HealthWatch {
  readonly checks: readonly HealthCheck[];
  readonly target: RollTarget;
  readonly clock: Clock;
  /** When it is aborted, the watch rejects with its reason. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called for each answer, in the order of the answers. */
  readonly onSample?: (sample: HealthSample) => void;
}

/**
 * @returns one report for each check, in their order. The rollout is well if all are healthy.
 * @throws RotationError from a check whose configuration is wrong; the signal's reason when it is aborted.
 */
export async function watchHealth(watch: HealthWatch): Promise<HealthReport[]> {
  return new Watch(watch, (check) => check.schedule.bakeMs).run();
}

/** Asks the checks marked `canary`, each until its first healthy answer, before any consumer is touched. */
export async function probeCanaries(watch: HealthWatch): Promise<HealthReport[]> {
  const checks = watch.checks.filter((check) => check.canary);
  return new Watch({ ...watch, checks }, () => 0).run();
}

interface Progress {
  readonly check: HealthCheck;
  readonly bakeMs: number;
  samples: number;
  unhealthySamples: number;
  /** Unhealthy answers in a row that count. */
  failures: number;
  lastDetail: string;
  contradicts: boolean;
  firstHealthyAt?: number;
  /** Since when every answer was healthy. */
  healthySince?: number;
  failedAt?: number;
  held: boolean;
}

class Watch {
  private readonly startedAt: number;
  private readonly all: Progress[];
  /** Ends every check when one has failed or the run is cancelled. */
  private readonly stop = new AbortController();
  private readonly probes = new Slots(MAX_PARALLEL_PROBES);
  private progressAt: number;

  constructor(
    private readonly watch: HealthWatch,
    bakeOf: (check: HealthCheck) => number,
  ) {
    // Every check listens; Node would take so many for a leak.
    setMaxListeners(0, this.stop.signal);
    this.startedAt = this.progressAt = watch.clock.now();
    this.all = watch.checks.map((check) => ({
      check,
      bakeMs: bakeOf(check),
      samples: 0,
      unhealthySamples: 0,
      failures: 0,
      lastDetail: "not asked",
      contradicts: false,
      held: false,
    }));
  }

  async run(): Promise<HealthReport[]> {
    const { signal } = this.watch;
    signal.throwIfAborted();
    const cancel = () => this.stop.abort(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      await Promise.all(this.all.map((progress) => this.follow(progress)));
    } finally {
      this.stop.abort();
      signal.removeEventListener("abort", cancel);
    }
    signal.throwIfAborted();
    return this.all.map(report);
  }

  private async follow(progress: Progress): Promise<void> {
    const { stop } = this;
    while (!stop.signal.aborted) {
      const answer = await this.probes.use(() => (stop.signal.aborted ? undefined : this.ask(progress)));
      if (answer === undefined) return;
      this.take(progress, answer);
      if (progress.failedAt !== undefined) stop.abort();
      if (progress.held || progress.failedAt !== undefined) return;
      await this.pause(this.untilNext(progress));
    }
  }

  /** One answer, in time whatever the check does; `undefined` when the watch is over. */
  private async ask({ check }: Progress): Promise<Health | undefined> {
    const { clock, target } = this.watch;
    const { timeoutMs } = check.schedule;
    const probe = new AbortController();
    const end = () => probe.abort();
    this.stop.signal.addEventListener("abort", end, { once: true });
    const late = { healthy: false, detail: `no answer within ${describeDuration(timeoutMs)}` };
    const stopped = new Promise<undefined>((resolve) => {
      this.stop.signal.addEventListener("abort", () => resolve(undefined), { once: true, signal: probe.signal });
    });
    try {
      return await Promise.race([
        stopped,
        check.probe(target, probe.signal),
        clock.sleep(timeoutMs, probe.signal).then(
          () => late,
          () => undefined,
        ),
      ]);
    } catch (error) {
      // A wrong configuration, or something that did not answer: says nothing about health, and stops the run.
      if (error instanceof RotationError) throw error;
      // Not the message, which may hold anything.
      const kind = error instanceof Error ? error.name : typeof error;
      return { healthy: false, detail: `the check itself failed with an unexpected ${kind}` };
    } finally {
      this.stop.signal.removeEventListener("abort", end);
      probe.abort();
    }
  }

  private take(progress: Progress, { healthy, detail, contradicts }: Health): void {
    const now = this.watch.clock.now();
    const { schedule, name } = progress.check;
    progress.samples += 1;
    progress.lastDetail = detail;
    progress.contradicts = contradicts ?? false;
    if (healthy) {
      progress.failures = 0;
      progress.firstHealthyAt ??= now;
      progress.healthySince ??= now;
      progress.held = now - progress.healthySince >= progress.bakeMs;
    } else {
      progress.unhealthySamples += 1;
      delete progress.healthySince;
      const afterWithin = now - this.startedAt - schedule.withinMs;
      if (afterWithin >= 0) progress.failures += 1;
      const flaps = progress.firstHealthyAt !== undefined && afterWithin > (FLAPPING_LIMIT - 1) * progress.bakeMs;
      if (progress.failures >= schedule.failureThreshold) progress.failedAt = now;
      else if (flaps) {
        progress.failedAt = now;
        progress.lastDetail =
          `health came and went: ${progress.unhealthySamples} of ${progress.samples} answers unhealthy, so it cannot ` +
          `hold for ${describeDuration(progress.bakeMs)} within ${FLAPPING_LIMIT} times that; last: ${detail}`;
      }
    }
    this.watch.onSample?.({ name, at: now, healthy, detail });
  }

  /** Not past the end of the bake time, so that a long interval does not stretch it. */
  private untilNext({ check, healthySince, bakeMs }: Progress): number {
    const { intervalMs } = check.schedule;
    if (healthySince === undefined) return intervalMs;
    return Math.max(1, Math.min(intervalMs, healthySince + bakeMs - this.watch.clock.now()));
  }

  /** Sleeps in pieces, so that a long interval does not silence the progress line. */
  private async pause(ms: number): Promise<void> {
    const { clock } = this.watch;
    const until = clock.now() + ms;
    for (let left = ms; left > 0 && !this.stop.signal.aborted; left = until - clock.now()) {
      await clock.sleep(Math.min(left, PROGRESS_EVERY_MS), this.stop.signal).catch((error: unknown) => {
        // That the watch is over is seen by the caller.
        if (!this.stop.signal.aborted) throw error;
      });
      this.showProgress();
    }
  }

  private showProgress(): void {
    const { clock, log } = this.watch;
    const now = clock.now();
    if (this.stop.signal.aborted || now - this.progressAt < PROGRESS_EVERY_MS) return;
    this.progressAt = now;
    const waiting = this.all.filter((progress) => !progress.held);
    const lines = waiting.map((progress) => `"${progress.check.name}" ${this.describe(progress, now)}`);
    log.info(
      `Waiting for ${waiting.length} of ${this.all.length} health checks for ` +
        `${describeDuration(now - this.startedAt)}: ${lines.join("; ")}.`,
    );
  }

  private describe({ check, bakeMs, samples, failures, lastDetail, healthySince }: Progress, now: number): string {
    if (healthySince !== undefined) {
      const left = describeDuration(Math.max(0, healthySince + bakeMs - now));
      return `healthy for ${describeDuration(now - healthySince)}, ${left} left of ${describeDuration(bakeMs)}`;
    }
    if (samples === 0) return "not asked yet";
    const { withinMs, failureThreshold } = check.schedule;
    const left = this.startedAt + withinMs - now;
    const chance =
      left > 0 ? `${describeDuration(left)} left until this counts` : `${failures} of ${failureThreshold} failures`;
    return `unhealthy (${lastDetail}), ${chance}`;
  }
}

function report(progress: Progress): HealthReport {
  const { check, held, samples, unhealthySamples, lastDetail, contradicts, firstHealthyAt, failedAt } = progress;
  return {
    name: check.name,
    healthy: held,
    samples,
    unhealthySamples,
    lastDetail,
    ...(contradicts ? { contradicts } : {}),
    ...(firstHealthyAt === undefined ? {} : { firstHealthyAt }),
    ...(failedAt === undefined ? {} : { failedAt }),
  };
}

/** Lets a limited number of probes run at once; the others wait for their turn, first come first served. */
class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async use<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // The slot goes straight to the next one, so that nobody can jump the queue.
      if (next) next();
      else this.free += 1;
    }
  }
}
