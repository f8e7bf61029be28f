/** A health check: one question whose answer says whether consumers are well. */
import type { RollTarget } from "./consumer";

export interface Health {
  readonly healthy: boolean;
  /** One sentence on what was seen, without a secret value. */
  readonly detail: string;
  /** For evidence: the consumer answered, and uses another version. */
  readonly contradicts?: boolean;
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
