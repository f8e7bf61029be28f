/** Why a rotation happens: a code for machines and a sentence for people. */

export type ReasonCode =
  | "first"
  | "schedule"
  | "expiry"
  | "on-demand"
  | "suspected-compromise"
  | "departed-employee"
  | "audit-finding"
  | "policy"
  | "adoption"
  /** The active version was changed or removed outside. */
  | "drift";

export interface Reason {
  readonly code: ReasonCode;
  /** For example `91 days old, every 90d`. Never a secret value. */
  readonly message: string;
  /** Ids of the events that it answers. */
  readonly events?: readonly string[];
}

export function describeReason(reason: Reason): string {
  return `${reason.code}, ${reason.message}`;
}
