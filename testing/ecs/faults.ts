/** What goes wrong on purpose. */
import { EcsError, type Code } from "./errors";
import type { Operation } from "./operations";

export interface EcsFault {
  /** Absent: every operation. */
  readonly operation?: Operation;
  /** Absent: the call is not answered, and its connection closed. */
  readonly code?: Code;
  readonly message?: string;
  /** `after`: the call is carried out all the same. @default "before" */
  readonly when?: "before" | "after";
  /** How many calls it hits. @default 1 */
  readonly times?: number;
  /** So many calls go well first. @default 0 */
  readonly skip?: number;
}

export class Faults {
  private armed: { readonly fault: EcsFault; left: number; toSkip: number }[] = [];

  add(fault: EcsFault): void {
    this.armed.push({ fault, left: fault.times ?? 1, toSkip: fault.skip ?? 0 });
  }

  clear(): void {
    this.armed = [];
  }

  take(operation: Operation): EcsFault | undefined {
    for (const one of this.armed) {
      if (one.left === 0 || (one.fault.operation ?? operation) !== operation) continue;
      if (one.toSkip > 0) {
        one.toSkip -= 1;
        continue;
      }
      one.left -= 1;
      return one.fault;
    }
    return undefined;
  }
}

/** The words of IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html */
export function denied(action: string, resource: string): EcsError {
  return new EcsError(
    "AccessDeniedException",
    `User: arn:aws:iam::123456789012:user/test is not authorized to perform: ${action} on resource: ${resource} ` +
      `because no identity-based policy allows the ${action} action`,
  );
}
