/** The audit trail: one event for each step. It never contains a secret value. */
import type { AuditEvent } from "../lifecycle/auditEvent";

export type { AuditEvent } from "../lifecycle/auditEvent";

export interface AuditSink {
  readonly type: string;
  /** Unique and stable; shown to people. */
  readonly location: string;
  /**
   * Appends the event and returns when it is durable. An event that is already there is success.
   * @throws UnreachableError when it cannot be written: the rotation stops before its next side effect.
   */
  record(event: AuditEvent): Promise<void>;
  /**
   * Whether an event could be recorded now, as far as can be told without recording one. Asked before the first side
   * effect of a run, so that it does not stop half-way. A sink without it is only found out by recording.
   * @throws UnreachableError when it could not.
   */
  probe?(): Promise<void>;
  /** The chain of one secret, in the order in which it was written. Lines that cannot be read are `null`. */
  read(identity: string): Promise<readonly (AuditEvent | null)[]>;
  close(): Promise<void>;
}
