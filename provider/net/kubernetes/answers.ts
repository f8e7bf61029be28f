/** What the API server says when it says no: read off the client's errors, never passed on as it is. */
import { errorCode } from "../networkErrors";

/**
 * A `Status` of the API. Its message may quote what was sent: only {@link admissionOf} and {@link quotaOf} take known
 * parts out of it.
 */
export interface Answer {
  readonly code: number;
  /** Absent where it was not the API that answered. */
  readonly reason: string | undefined;
  readonly message: string;
  /** The thing that it is about. */
  readonly kind: string | undefined;
  readonly name: string | undefined;
  readonly causes: readonly { readonly reason: string; readonly field: string }[];
  readonly retryAfterSeconds: number | undefined;
}

/** The server did not answer in time. */
export class NoAnswerInTime extends Error {}

/** What answered is no Kubernetes API. */
export class NotTheApi extends Error {}

/** Longer than this nobody waits for a server that asks to come back later. */
const LONGEST_RETRY_AFTER_S = 60;
const TRANSIENT_CODES = new Set([429, 500, 502, 503, 504]);
const TRANSIENT_NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ERR_STREAM_PREMATURE_CLOSE",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
]);
const TOO_LARGE = /request is too large|Too long|trying to send message larger/i;

/** @returns `undefined` where the server did not answer at all. */
export function answerIn(error: unknown): Answer | undefined {
  const { code, body, headers } = error as { code?: unknown; body?: unknown; headers?: Record<string, string> };
  if (typeof code !== "number") return undefined;
  const status = parseStatus(body);
  const details = recordOf(status["details"]);
  const causes = Array.isArray(details["causes"]) ? details["causes"] : [];
  return {
    code,
    reason: textOf(status["reason"]),
    message: textOf(status["message"]) ?? "",
    kind: textOf(details["kind"]),
    name: textOf(details["name"]),
    causes: causes.map((cause) => ({
      reason: textOf(recordOf(cause)["reason"]) ?? "",
      field: textOf(recordOf(cause)["field"]) ?? "",
    })),
    retryAfterSeconds: secondsIn(headers?.["retry-after"]),
  };
}

/** For `retrying`: whether to try again, or after how many ms. */
export function isTransient(error: unknown): boolean | number {
  const answer = answerIn(error);
  if (answer === undefined) return TRANSIENT_NETWORK.has(networkCode(error));
  if (isTooLarge(answer)) return false;
  // A quota that two writers count up at the same moment; what exists already has another reason.
  const contended = answer.code === 409 && answer.kind === "resourcequotas";
  if (!contended && !TRANSIENT_CODES.has(answer.code)) return false;
  const { retryAfterSeconds } = answer;
  if (retryAfterSeconds === undefined) return true;
  return retryAfterSeconds <= LONGEST_RETRY_AFTER_S && retryAfterSeconds * 1000;
}

/** Some clients wrap what the network said. */
export function networkCode(error: unknown): string {
  return errorCode(error) || errorCode((error as { cause?: unknown } | null)?.cause);
}

/**
 * Whether an object is certainly not there: a proxy's 404 does not count.
 * @param resource as the API calls its kind: `secrets`.
 */
export function isAbsent({ code, reason, kind, name }: Answer, resource: string, wanted: string): boolean {
  return code === 404 && reason === "NotFound" && kind === resource && name === wanted;
}

export function isNamespaceMissing({ code, kind }: Answer): boolean {
  return code === 404 && kind === "namespaces";
}

export function isTooLarge({ code, message }: Answer): boolean {
  return code === 413 || ((code === 422 || code >= 500) && TOO_LARGE.test(message));
}

/** What refused it though RBAC allows it, or could not be asked: a webhook or a policy. */
export function admissionOf({ message }: Answer): string | undefined {
  const webhook = /(?:admission |calling )webhook "([-.\w]{1,253})"/.exec(message)?.[1];
  if (webhook !== undefined) return `admission webhook "${webhook}"`;
  const policy = /ValidatingAdmissionPolicy '([-.\w]{1,253})'/.exec(message)?.[1];
  return policy === undefined ? undefined : `ValidatingAdmissionPolicy "${policy}"`;
}

export function quotaOf({ message }: Answer): string | undefined {
  return /exceeded quota: ([-.\w]{1,253})/.exec(message)?.[1];
}

/** As whom the API server knows us. */
export function userIn({ message }: Answer): string | undefined {
  return /User "([-:.@/\w]{1,253})"/.exec(message)?.[1];
}

/** Which fields were refused; never their values. */
export function refusedFields({ causes }: Answer): string {
  const named = causes.filter(({ field }) => /^[-.[\]/\w]{1,300}$/.test(field));
  return named.map(({ field, reason }) => `${field} (${/^\w+$/.test(reason) ? reason : "refused"})`).join(", ");
}

function parseStatus(body: unknown): Record<string, unknown> {
  let parsed = body;
  if (typeof body === "string") {
    try {
      parsed = JSON.parse(body) as unknown;
    } catch {
      return {};
    }
  }
  const status = recordOf(parsed);
  return status["kind"] === "Status" ? status : {};
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function secondsIn(header: string | undefined): number | undefined {
  const seconds = header === undefined ? NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
