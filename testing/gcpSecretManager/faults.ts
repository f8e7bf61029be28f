/** What goes wrong on purpose. */
import type { Method } from "./permissions";
import { StatusError, type Code } from "./status";

export interface Fault {
  /** Absent: every method. */
  readonly method?: Method;
  /** The id of the secret. Absent: every secret. */
  readonly secret?: string;
  /** Absent: the call is only delayed by `delayMs`. */
  readonly code?: Code;
  /** `after`: the call is carried out, and its answer lost. @default "before" */
  readonly when?: "before" | "after";
  readonly delayMs?: number;
  /** One bit of the payload in the answer is another one. */
  readonly corrupt?: boolean;
  /** The call is never answered. */
  readonly hang?: boolean;
  /** Details of the status, such as the text that the caller sees. */
  readonly message?: string;
  /** So many calls go well first. @default 0 */
  readonly skip?: number;
  /** How many calls it hits. @default 1 */
  readonly times?: number;
}

interface Armed extends Fault {
  left: number;
  toSkip: number;
}

export class Faults {
  private readonly armed: Armed[] = [];

  add(fault: Fault): void {
    this.armed.push({ ...fault, left: fault.times ?? 1, toSkip: fault.skip ?? 0 });
  }

  clear(): void {
    this.armed.length = 0;
  }

  /** The fault that hits this call; it counts as used. */
  take(method: Method, secret: string | undefined): Fault | undefined {
    for (const fault of this.armed) {
      if ((fault.method ?? method) !== method || (fault.secret ?? secret) !== secret || fault.left === 0) continue;
      if (fault.toSkip > 0) {
        fault.toSkip -= 1;
        continue;
      }
      fault.left -= 1;
      return fault;
    }
    return undefined;
  }
}

export function failureOf(fault: Fault): StatusError {
  return new StatusError(fault.code ?? "INTERNAL", fault.message ?? "made to fail");
}
