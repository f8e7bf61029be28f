/** Network errors in words. */

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed without an answer",
  EPIPE: "the connection was closed without an answer",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name could not be looked up",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "the connection timed out",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host name",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
};

const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  // A name with several addresses: Node reports one error for all of them.
  const inner = (error as { errors?: unknown } | null)?.errors;
  return Array.isArray(inner) && inner.length > 0 ? errorCode(inner[0]) : "";
}

/** A sentence part with the code in it. Never the raw message, which may quote what was sent. */
export function describeNetworkError(error: unknown): string {
  const code = errorCode(error);
  if (UNTRUSTED.has(code)) return `its certificate is not trusted (${code}); name its authority with caFile`;
  const words = WORDS[code];
  if (words) return `${words} (${code})`;
  // OpenSSL and the HTTP parser have long lists of codes of their own.
  if (code.startsWith("ERR_SSL") || code === "EPROTO") return `the TLS handshake failed (${code})`;
  if (code.startsWith("HPE_")) return `the answer is not HTTP (${code})`;
  return code === "" ? "the connection failed" : `the connection failed (${code})`;
}
