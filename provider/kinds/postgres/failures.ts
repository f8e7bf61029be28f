/** Turns what `pg` and the network throw into the package's errors, without a secret value in them. */
import { ConfigurationError, RotationError, StateError, UnreachableError } from "../../lifecycle/errors";

/** An error that the server itself reported. */
export interface ServerError extends Error {
  readonly code: string;
  readonly severity: string;
  readonly detail?: string;
}

export function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error)) return false;
  const { code, severity } = error as Partial<ServerError>;
  return typeof severity === "string" && typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return isServerError(error) && codes.includes(error.code);
}

/**
 * Whether the server answered a log-in with "no": wrong password, role unknown, disabled or expired, database missing or
 * not allowed. Everything else that goes wrong says nothing about the credential.
 */
export function isRefusal(error: unknown): error is ServerError {
  if (!isServerError(error)) return false;
  if (error.code.startsWith("28") || error.code === "3D000" || error.code === "42501") return true;
  // Poolers have only their protocol's own code for it.
  return error.code === "08P01" && /no such (user|database)|authentication failed/i.test(error.message);
}

/** Whether the connection is at fault, not what was asked. */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof RotationError) return error instanceof UnreachableError;
  // 08 connection, 53 resources, 57P shutdown and start-up, 58 operating system.
  return !isServerError(error) || /^(08|53|57P|58)/.test(error.code);
}

/** Whether two transactions met, and the same one will succeed when it is done again. */
export function isCollision(error: unknown): boolean {
  return (
    hasCode(error, "40001", "40P01", "23505", "42710") ||
    (isServerError(error) && error.message.includes("tuple concurrently updated"))
  );
}

/** One line for people: message and detail of the server, with every secret blotted out. */
export function describeFailure(error: unknown, secrets: Iterable<string>): string {
  const lines = isServerError(error) ? [error.message, error.detail ?? ""] : [plainMessage(error)];
  const code = (error as { readonly code?: unknown }).code;
  const message = lines
    .filter((line) => line !== "")
    .join(": ")
    .replace(/\s*\n\s*/g, "; ");
  return redact(typeof code === "string" ? `${message} (${code})` : message, secrets);
}

/** A failed connection to several addresses of one host is an AggregateError with an empty message. */
function plainMessage(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(plainMessage).join(", ");
  return error instanceof Error ? error.message || error.name : String(error);
}

export function redact(text: string, secrets: Iterable<string>): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret === "") continue;
    clean = clean.replaceAll(secret, "[secret]").replaceAll(encodeURIComponent(secret), "[secret]");
  }
  return clean;
}

/**
 * @param where Whom it was about: `PostgreSQL at db:5432`.
 * @param hint What to do when the admin is not allowed to do it.
 */
export function translate(error: unknown, where: string, secrets: Iterable<string>, hint: string): Error {
  if (error instanceof RotationError) return error;
  const what = describeFailure(error, secrets);
  if (!isServerError(error)) {
    return new UnreachableError(
      `${where} cannot be reached: ${what}. Check host, port, network and TLS; run it again.`,
    );
  }
  if (error.code === "25006") {
    return new UnreachableError(`${where} is read-only: ${what}. Use the primary server, or wait for the fail-over.`);
  }
  if (error.code === "55P03" || error.code === "57014") {
    return new UnreachableError(
      `${where} did not finish in time: ${what}. Something holds a lock; run it again later.`,
    );
  }
  if (isConnectionFailure(error)) {
    return new UnreachableError(`${where} does not serve now: ${what}. Run it again when it does.`);
  }
  if (error.code === "42501") {
    return new ConfigurationError(`${where} does not allow it: ${what}. ${hint}`);
  }
  return new StateError(`${where} refused: ${what}. What was begun is undone.`);
}
