/** A health check: one question whose answer says whether consumers are well. */
import type { BaselinePlan } from "../lifecycle/baseline";
import type { RollTarget } from "./consumer";

export type { BaselinePlan, Tolerance } from "../lifecycle/baseline";

export interface Health {
  readonly healthy: boolean;
  /** One sentence on what was seen, without a secret value. */
  readonly detail: string;
  /** For evidence: the consumer answered, and uses another version. */
  readonly contradicts?: boolean;
  /** What was measured, for a comparison with the baseline. */
  readonly value?: number;
  /** It could not see how the consumers are, because what it asks did not know: nothing that was so before excuses it. */
  readonly blind?: boolean;
}

/** When and how often a check is asked. All times in milliseconds. */
export interface CheckSchedule {
  readonly intervalMs: number;
  /** The longest a single probe may take; one that takes longer is unhealthy. */
  readonly timeoutMs: number;
  /** How many unhealthy answers in a row fail the rollout, at least 1. */
  readonly failureThreshold: number;
  /** How long health must hold after the last consumer was rolled; 0 asks once. */
  readonly bakeMs: number;
  /**
   * How long after the start unhealthy answers do not count as failed, because consumers are still moving; 0 counts
   * every answer.
   */
  readonly withinMs: number;
  /**
   * How many healthy answers in a row health takes, at least 1; fewer do not break a row of unhealthy ones. Absent: 1.
   */
  readonly successThreshold?: number;
  /** Absent: what was so before the rotation does not matter. Without effect on a check that is evidence. */
  readonly baseline?: BaselinePlan;
}

export interface HealthCheck {
  readonly name: string;
  readonly schedule: CheckSchedule;
  /** `canary` checks are asked before any consumer is touched as well. */
  readonly canary: boolean;
  /** `adoption` checks say which version is used; they count as evidence. */
  readonly isEvidence: boolean;
  /** Reports what it sees. Does not throw, but for a wrong configuration. */
  probe(target: RollTarget, signal: AbortSignal): Promise<Health>;
  close(): Promise<void>;
}
