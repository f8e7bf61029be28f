/**
 * How one check is getting on: what its answers come to, when it has held, and when it has failed. Knows no time but
 * what it is told, and asks nobody.
 */
import type { Health, HealthCheck } from "../contracts/check";
import { judgeAgainst } from "../lifecycle/baseline";
import { describeDuration } from "../lifecycle/duration";
import type { CheckBaseline } from "../lifecycle/ledger";
import type { Followed } from "./sampling";

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
  /** When it answered last. */
  readonly lastAt?: number;
  /** Absent where the check itself did not fail. */
  readonly failedAt?: number;
  /** Present where its last answer was evidence of another version, rather than of something being unwell. */
  readonly contradicts?: true;
  /** Present where it is unhealthy, was so before the rotation, and is not worse: no failure, and not healthy either. */
  readonly unhealthyBefore?: true;
  /** What it measured last. */
  readonly value?: number;
  /** What it had measured before the rotation, where it is compared with that. */
  readonly valueBefore?: number;
}

export class Progress implements Followed {
  private samples = 0;
  private unhealthySamples = 0;
  /** Healthy answers in a row. */
  private successes = 0;
  /** Answers in a row that are healthy, or as before. */
  private bearable = 0;
  /** Unhealthy answers in a row that count; `failures`: those of them that are not as before. */
  private unhealthy = 0;
  private failures = 0;
  private lastDetail = "not asked";
  private lastValue: number | undefined;
  private lastAt: number | undefined;
  private contradicts = false;
  private firstHealthyAt: number | undefined;
  private firstBearableAt: number | undefined;
  /** Since when every answer was healthy. */
  private healthySince: number | undefined;
  private bearableSince: number | undefined;
  private failedAt: number | undefined;
  private held = false;
  private asBefore = false;
  private readonly baseline: CheckBaseline | undefined;
  private readonly needed: number;

  constructor(
    readonly check: HealthCheck,
    private readonly bakeMs: number,
    private readonly startedAt: number,
    baseline?: CheckBaseline,
  ) {
    // What is evidence has to be so now, whatever was before.
    this.baseline = check.isEvidence ? undefined : baseline;
    this.needed = check.schedule.successThreshold ?? 1;
  }

  get hasFailed(): boolean {
    return this.failedAt !== undefined;
  }

  get isOver(): boolean {
    return this.held || this.asBefore || this.hasFailed;
  }

  take(answer: Health, now: number): void {
    const { baseline, failureThreshold } = this.check.schedule;
    const verdict = judgeAgainst(answer, baseline, this.baseline);
    this.samples += 1;
    this.lastDetail = verdict.detail;
    this.lastValue = answer.value;
    this.lastAt = now;
    this.contradicts = answer.contradicts ?? false;
    if (verdict.standing === "healthy") {
      this.takeHealthy(now);
      return;
    }
    this.unhealthySamples += 1;
    this.successes = 0;
    this.healthySince = undefined;
    const counts = this.afterWithin(now) >= 0;
    if (counts) this.unhealthy += 1;
    if (verdict.standing === "as-before") {
      this.takeBearable(now);
      if (this.unhealthy < failureThreshold && !this.flaps(now)) return;
      this.asBefore = this.bearable >= failureThreshold && now - (this.bearableSince ?? now) >= this.bakeMs;
      return;
    }
    this.bearable = 0;
    this.bearableSince = undefined;
    if (counts) this.failures += 1;
    if (this.failures >= failureThreshold) this.failedAt = now;
    else if (this.flaps(now)) {
      this.failedAt = now;
      this.lastDetail = this.describeFlapping();
    }
  }

  private takeHealthy(now: number): void {
    this.takeBearable(now);
    this.firstHealthyAt ??= now;
    this.healthySince ??= now;
    this.successes += 1;
    if (this.successes < this.needed) return;
    this.unhealthy = 0;
    this.failures = 0;
    this.held = now - this.healthySince >= this.bakeMs;
  }

  private takeBearable(now: number): void {
    this.bearable += 1;
    this.bearableSince ??= now;
    this.firstBearableAt ??= now;
    // A row of answers that were worse is broken by what is as before, as by health.
    if (this.bearable >= this.needed) this.failures = 0;
  }

  private afterWithin(now: number): number {
    return now - this.startedAt - this.check.schedule.withinMs;
  }

  /** Whether it can no longer hold within the time that it is given, though it was well at times. */
  private flaps(now: number): boolean {
    return this.firstBearableAt !== undefined && this.afterWithin(now) > (FLAPPING_LIMIT - 1) * this.holdMs;
  }

  /** The shortest time in which it can hold. */
  private get holdMs(): number {
    const { intervalMs, timeoutMs, failureThreshold } = this.check.schedule;
    const answers = this.baseline?.healthy === false ? Math.max(this.needed, failureThreshold) : this.needed;
    return Math.max(this.bakeMs, (answers - 1) * (intervalMs + timeoutMs));
  }

  private describeFlapping(): string {
    const { samples, unhealthySamples, bakeMs, needed } = this;
    const goal = bakeMs > 0 ? `hold for ${describeDuration(bakeMs)}` : `be healthy ${needed} times in a row`;
    return (
      `health came and went: ${unhealthySamples} of ${samples} answers unhealthy, so it cannot ${goal} within ` +
      `${FLAPPING_LIMIT} times that; last: ${this.lastDetail}`
    );
  }

  /** Not past the end of the bake time, so that a long interval does not stretch it. */
  untilNext(now: number): number {
    const { intervalMs } = this.check.schedule;
    if (this.healthySince === undefined || this.successes + 1 < this.needed) return intervalMs;
    const left = this.healthySince + this.bakeMs - now;
    return left <= 0 ? intervalMs : Math.max(1, Math.min(intervalMs, left));
  }

  describe(now: number): string {
    const { bakeMs, healthySince, successes, needed } = this;
    if (healthySince !== undefined) {
      if (successes < needed) return `healthy ${successes} of ${needed} times in a row`;
      const left = describeDuration(Math.max(0, healthySince + bakeMs - now));
      return `healthy for ${describeDuration(now - healthySince)}, ${left} left of ${describeDuration(bakeMs)}`;
    }
    if (this.samples === 0) return "not asked yet";
    const { withinMs, failureThreshold } = this.check.schedule;
    const left = this.startedAt + withinMs - now;
    if (left > 0) return `unhealthy (${this.lastDetail}), ${describeDuration(left)} left until this counts`;
    if (this.bearableSince !== undefined) return `unhealthy as before the rotation (${this.lastDetail})`;
    return `unhealthy (${this.lastDetail}), ${this.failures} of ${failureThreshold} failures`;
  }

  report(): HealthReport {
    const { samples, unhealthySamples, lastDetail, firstHealthyAt, lastAt, failedAt, lastValue, baseline } = this;
    return {
      name: this.check.name,
      healthy: this.held,
      samples,
      unhealthySamples,
      lastDetail,
      ...(this.contradicts ? { contradicts: true } : {}),
      ...(firstHealthyAt === undefined ? {} : { firstHealthyAt }),
      ...(lastAt === undefined ? {} : { lastAt }),
      ...(failedAt === undefined ? {} : { failedAt }),
      ...(this.asBefore ? { unhealthyBefore: true } : {}),
      ...(lastValue === undefined ? {} : { value: lastValue }),
      ...(baseline?.value === undefined ? {} : { valueBefore: baseline.value }),
    };
  }
}
