/**
 * A consumer: a workload that uses the value and that the library itself moves to another version.
 *
 * Every method may be called again after a crash with the same arguments.
 */
import type { StoredVersion } from "./store";

/** The versions that a consumer is to use, one for each secret of its rollout. */
export interface RollTarget {
  readonly secrets: readonly StoredVersion[];
}

export interface Adoption {
  /** Whether the consumer demonstrably uses the target, and nothing else. */
  readonly adopted: boolean;
  /** One sentence on what was seen. */
  readonly detail: string;
}

export interface Consumer {
  readonly name: string;
  /** Consumers of a lower wave are rolled and checked first. */
  readonly wave: number;
  /**
   * Whether it reads one version and stays on it until it is rolled, also when it restarts by itself.
   * One that is not pinned may use a version from the moment it becomes current.
   */
  readonly pinned: boolean;
  /** How long it may go on with a value that it has read before, in ms; absent: not at all. */
  readonly readersCacheMs?: number;
  /** Whether `confirm` rests on evidence of what the workload really uses. */
  readonly hasEvidence: boolean;
  /**
   * Whether a resource of the program moves it, and it is only waited for and looked at: its evidence speaks for the
   * rollout's `dependents` too. Absent: it is not.
   */
  readonly isDeclared?: boolean;
  /**
   * Moves the workload to the target and waits until it serves again.
   * @throws ConsumerError when it does not.
   */
  roll(target: RollTarget): Promise<void>;
  /** Asks which version the workload uses now. Waits as long as its own time limit allows. */
  confirm(target: RollTarget): Promise<Adoption>;
}
