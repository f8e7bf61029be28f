/**
 * Watches health checks until each has held for its bake time, or one has failed.
 *
 * Health must hold without a break: an unhealthy answer that is not yet a failure starts the bake time anew. So that a
 * check that flaps comes to an end, it has failed once it can no longer hold its bake time within three times that
 * time, counted after `withinMs`.
 *
 * A check that was unhealthy before the rotation fails only where it is worse than that.
 */
import { setMaxListeners } from "node:events";
import type { Health, HealthCheck } from "../contracts/check";
import type { RollTarget } from "../contracts/consumer";
import type { Clock, Log } from "../contracts/context";
import { describeDuration } from "../lifecycle/duration";
import { RotationError } from "../lifecycle/errors";
import type { CheckBaseline } from "../lifecycle/ledger";
import { Progress, type HealthReport } from "./progress";
import { Sampling, type Followed, type SeenBefore } from "./sampling";
import { Slots } from "./slots";

export type { HealthReport } from "./progress";
export type { SeenBefore } from "./sampling";

const MAX_PARALLEL_PROBES = 8;
const PROGRESS_EVERY_MS = 10_000;

export interface HealthSample {
  readonly name: string;
  readonly at: number;
  readonly healthy: boolean;
  readonly detail: string;
}

/** What checks that have a baseline said before the rotation, by their names. */
export type Baselines = Readonly<Record<string, CheckBaseline>>;

export interface HealthWatch {
  readonly checks: readonly HealthCheck[];
  readonly target: RollTarget;
  readonly clock: Clock;
  /** When it is aborted, the watch rejects with its reason. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Called for each answer, in the order of the answers. */
  readonly onSample?: (sample: HealthSample) => void;
  /** Absent: nothing is compared. */
  readonly baselines?: Baselines;
}

/**
 * @returns one report for each check, in their order. The rollout is well if all are healthy.
 * @throws RotationError from a check whose configuration is wrong; the signal's reason when it is aborted.
 */
export async function watchHealth(watch: HealthWatch): Promise<HealthReport[]> {
  return follow(watch, (check) => check.schedule.bakeMs);
}

async function follow(watch: HealthWatch, bakeOf: (check: HealthCheck) => number): Promise<HealthReport[]> {
  const now = watch.clock.now();
  const all = watch.checks.map((check) => new Progress(check, bakeOf(check), now, watch.baselines?.[check.name]));
  await new Watch(watch, all).run();
  return all.map((progress) => progress.report());
}

/** Asks the checks marked `canary`, each until its first healthy answer, before any consumer is touched. */
export async function probeCanaries(watch: Omit<HealthWatch, "baselines">): Promise<HealthReport[]> {
  const checks = watch.checks.filter((check) => check.canary);
  return follow({ ...watch, checks }, () => 0);
}

/** Asks each check that has a baseline as often as that says, whatever it answers. */
export async function takeBaselines(watch: Omit<HealthWatch, "baselines" | "onSample">): Promise<SeenBefore[]> {
  const all = watch.checks.filter(hasBaseline).map((check) => new Sampling(check));
  await new Watch(watch, all).run();
  return all.map((sampling) => sampling.seen());
}

/** What is evidence of a version cannot be had before that is used. */
export function hasBaseline({ schedule, isEvidence }: HealthCheck): boolean {
  return schedule.baseline !== undefined && !isEvidence;
}

class Watch {
  private readonly startedAt: number;
  /** Ends every check when one has failed or the run is cancelled. */
  private readonly stop = new AbortController();
  private readonly probes = new Slots(MAX_PARALLEL_PROBES);
  private progressAt: number;

  constructor(
    private readonly watch: HealthWatch,
    private readonly all: readonly Followed[],
  ) {
    // Every check listens; Node would take so many for a leak.
    setMaxListeners(0, this.stop.signal);
    this.startedAt = this.progressAt = watch.clock.now();
  }

  async run(): Promise<void> {
    const { signal } = this.watch;
    signal.throwIfAborted();
    const cancel = () => this.stop.abort(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      await Promise.all(this.all.map((followed) => this.follow(followed)));
    } finally {
      this.stop.abort();
      signal.removeEventListener("abort", cancel);
    }
    signal.throwIfAborted();
  }

  private async follow(followed: Followed): Promise<void> {
    const { stop } = this;
    while (!stop.signal.aborted) {
      const answer = await this.probes.use(() => (stop.signal.aborted ? undefined : this.ask(followed.check)));
      if (answer === undefined) return;
      const now = this.watch.clock.now();
      followed.take(answer, now);
      const { healthy, detail } = answer;
      this.watch.onSample?.({ name: followed.check.name, at: now, healthy, detail });
      if (followed.hasFailed) stop.abort();
      if (followed.isOver) return;
      await this.pause(followed.untilNext(this.watch.clock.now()));
    }
  }

  /** One answer, in time whatever the check does; `undefined` when the watch is over. */
  private async ask(check: HealthCheck): Promise<Health | undefined> {
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
    const waiting = this.all.filter((followed) => !followed.isOver);
    const lines = waiting.map((followed) => `"${followed.check.name}" ${followed.describe(now)}`);
    log.info(
      `Waiting for ${waiting.length} of ${this.all.length} health checks for ` +
        `${describeDuration(now - this.startedAt)}: ${lines.join("; ")}.`,
    );
  }
}
