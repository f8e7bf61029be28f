/** What this client itself complains about. */

/** What the client needs could not be had. The message names places and fields, and never holds a value. */
export class SecretError extends Error {
  override readonly name: string = "SecretError";
}

/** The source was caught in the middle of a change: a moment later it may be whole. */
export class IncompleteError extends SecretError {}

/** Shown of an error of others, whose message may quote the secret: only what cannot hold one. */
export function describeError(error: unknown): string {
  const { name, code } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const words = [name, code].filter((word) => typeof word === "string" && /^[A-Za-z][\w.]{0,60}$/.test(word));
  return words.length > 0 ? words.join(" ") : "an error without a name";
}

export function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}
