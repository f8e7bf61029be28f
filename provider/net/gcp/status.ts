/** What a call of one of Google Cloud's APIs failed with. Never the service's own text: it may quote the request. */

/** gRPC's codes, by number; beside them what comes from before a call is made. */
const STATUSES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;
export type Status = (typeof STATUSES)[number] | "NO_CREDENTIALS";

/** The call may have been carried out, although no answer says so. */
const UNCERTAIN: ReadonlySet<Status> = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "INTERNAL",
  "UNKNOWN",
  "CANCELLED",
]);

/** What the code words of permissions look like, such as `run.services.update`. */
const PERMISSION = /Permission '([A-Za-z]+(?:\.[A-Za-z]+){2,3})'/;

export class CallFailure extends Error {
  constructor(
    readonly method: string,
    /** The id of what the call was about, such as a secret. */
    readonly subject: string,
    readonly status: Status,
    /** A code word of Google's, such as `SERVICE_DISABLED`. */
    readonly reason: string = "",
    /** The permission that the service says is missing; empty where it does not say. */
    readonly permission: string = "",
  ) {
    super(`${method} of ${subject}: ${status}`);
  }

  get isUncertain(): boolean {
    return UNCERTAIN.has(this.status);
  }
}

export function hasStatus(error: unknown, ...statuses: readonly Status[]): error is CallFailure {
  return error instanceof CallFailure && statuses.includes(error.status);
}

/** Of what the client threw, only the code and code words are kept. */
export function failureFrom(method: string, subject: string, error: unknown): CallFailure {
  const { code, reason, details } = error as Readonly<Record<"code" | "reason" | "details", unknown>>;
  // Everything that comes from the service or the way there has a code of gRPC's; without one it is the log-in.
  const status: Status = (typeof code === "number" ? STATUSES[code] : undefined) ?? "NO_CREDENTIALS";
  const permission =
    status === "PERMISSION_DENIED" ? PERMISSION.exec(typeof details === "string" ? details : "") : null;
  return new CallFailure(method, subject, status, typeof reason === "string" ? reason : "", permission?.[1] ?? "");
}
