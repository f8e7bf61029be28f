/** Tells the library which versions an application uses, in the form that its adoption check asks for. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** What {@link Secret} has for this. */
export interface ReportingSecret {
  /** The name of the secret, as far as it is known. */
  readonly name: string | undefined;
  /** Of all versions in use; none where one of them has no fingerprint, or none is in use yet. */
  fingerprintsInUse(): readonly string[];
}

/** By secret, or a plain list where a secret has no name. */
export interface AdoptionReport {
  readonly fingerprints: Readonly<Record<string, readonly string[]>> | readonly string[];
}

/**
 * The fingerprints of the versions that the application last worked with successfully, not of those that it has only
 * read, and of older ones that work still goes on with.
 *
 * @returns `undefined` where nothing is known: answer with an error then. An empty list would say that none is used.
 */
export function adoptionReport(secrets: ReportingSecret | readonly ReportingSecret[]): AdoptionReport | undefined {
  const known = [secrets]
    .flat()
    .map((secret) => ({ name: secret.name, fingerprints: [...secret.fingerprintsInUse()] }))
    .filter(({ fingerprints }) => fingerprints.length > 0);
  if (known.length === 0) return undefined;
  const merged = new Map<string, Set<string>>();
  for (const { name, fingerprints } of known) {
    if (name === undefined) return { fingerprints: unique(known.flatMap((one) => one.fingerprints)) };
    merged.set(name, new Set([...(merged.get(name) ?? []), ...fingerprints]));
  }
  return { fingerprints: Object.fromEntries([...merged].map(([name, found]) => [name, unique([...found])])) };
}

/**
 * A handler for `node:http`, and for frameworks that take one: GET answers with {@link adoptionReport}, or with status
 * 503 where nothing is known yet. It is for the library's eyes: fingerprints are no secrets, but nobody else's business.
 */
export function adoptionHandler(
  secrets: ReportingSecret | readonly ReportingSecret[],
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers });
      response.end(request.method === "HEAD" ? undefined : JSON.stringify(body));
    };
    if (request.method !== "GET" && request.method !== "HEAD") {
      answer(405, { error: "only GET" }, { allow: "GET, HEAD" });
      return;
    }
    const report = adoptionReport(secrets);
    if (report) answer(200, report);
    else answer(503, { error: "it is not known which version is in use" });
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
