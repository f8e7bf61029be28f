/** How a check is before the rotation: it is asked some times, and what it answers is only written down. */
import type { Health, HealthCheck } from "../contracts/check";
import { summarize } from "../lifecycle/baseline";
import type { CheckBaseline } from "../lifecycle/ledger";

/** What a check said before the rotation. */
export interface SeenBefore extends CheckBaseline {
  readonly name: string;
  readonly samples: number;
  readonly unhealthySamples: number;
  readonly lastDetail: string;
  /** It could not see how it is, so that this is no baseline. */
  readonly blind: boolean;
}

/** A check that is being asked, and what its answers mean. Times in ms since the epoch. */
export interface Followed {
  readonly check: HealthCheck;
  /** Whether it ends the asking of all others. */
  readonly hasFailed: boolean;
  /** Whether there is nothing more to ask. */
  readonly isOver: boolean;
  take(answer: Health, now: number): void;
  /** How long to wait before it is asked again, in ms. */
  untilNext(now: number): number;
  /** For the line that says what is waited for. */
  describe(now: number): string;
}

/** Asked as often as its baseline says, whatever it answers. */
export class Sampling implements Followed {
  readonly hasFailed = false;
  private readonly answers: Health[] = [];

  constructor(readonly check: HealthCheck) {}

  get isOver(): boolean {
    return this.answers.length >= this.wanted;
  }

  private get wanted(): number {
    return this.check.schedule.baseline?.samples ?? 1;
  }

  take(answer: Health): void {
    this.answers.push(answer);
  }

  untilNext(): number {
    return this.check.schedule.intervalMs;
  }

  describe(): string {
    return `asked ${this.answers.length} of ${this.wanted} times how it is before the rotation`;
  }

  seen(): SeenBefore {
    const { answers } = this;
    return {
      name: this.check.name,
      samples: answers.length,
      unhealthySamples: answers.filter(({ healthy }) => !healthy).length,
      blind: answers.some(({ blind }) => blind) && !answers.some(({ healthy }) => healthy),
      lastDetail: answers.at(-1)?.detail ?? "not asked",
      ...summarize(answers),
    };
  }
}
