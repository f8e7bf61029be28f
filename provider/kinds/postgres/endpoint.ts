/** Where a connection goes, with or without TLS, and what consumers are told about it. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { SecretValue } from "../../contracts/context";
import { ConfigurationError } from "../../lifecycle/errors";
import type { PostgresOptions } from "./options";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

export function isLocal(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name.startsWith("/") || name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."))
  );
}

export function usesTls(host: string, tls: PostgresOptions["tls"]): boolean {
  if (host.startsWith("/")) return false;
  return tls ? tls.mode === "verify" : !isLocal(host);
}

/** `false` for plain text. The certificate is always checked, against the host that was asked for. */
export function tlsOptions(host: string, tls: PostgresOptions["tls"]): ConnectionOptions | false {
  if (!usesTls(host, tls)) return false;
  // Not every release of pg passes `host` on; without it, an IP address's certificate is compared with "localhost".
  return { rejectUnauthorized: true, host, ...(tls?.caFile !== undefined && { ca: readAuthorities(tls.caFile) }) };
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
    throw new ConfigurationError(
      `tls.caFile is ${JSON.stringify(file)}, which cannot be read (${code}). ` +
        `Give the path of a PEM file that exists where pulumi runs.`,
    );
  }
}

/** Everything a consumer needs, in one atomic credential. */
export function credential(
  endpoint: Endpoint,
  tls: PostgresOptions["tls"],
  username: string,
  password: string,
): SecretValue {
  const { host, port, database } = endpoint;
  return {
    username,
    password,
    host,
    port: String(port),
    database,
    url: connectionUrl(endpoint, tls, username, password),
  };
}

function connectionUrl(endpoint: Endpoint, tls: PostgresOptions["tls"], username: string, password: string): string {
  const { host, port, database } = endpoint;
  const address = isIP(host) === 6 ? `[${host}]` : encodeURIComponent(host);
  const mode = usesTls(host, tls) ? "verify-full" : "disable";
  return (
    `postgres://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${address}:${port}` +
    `/${encodeURIComponent(database)}?sslmode=${mode}`
  );
}

/** Where this version's consumers connect: the options may name another host by now. */
export function endpointOf(value: SecretValue, fallback: Endpoint): Endpoint {
  return {
    host: value["host"] ?? fallback.host,
    port: value["port"] === undefined ? fallback.port : Number(value["port"]),
    database: value["database"] ?? fallback.database,
  };
}
