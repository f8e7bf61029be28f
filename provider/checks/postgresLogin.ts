/** Logs in to PostgreSQL with what one stored version says, and runs one query. */
import { Socket } from "node:net";
import type { Client, ClientConfig } from "pg";
import type { StoredVersion } from "../contracts/store";
import { ConfigurationError } from "../lifecycle/errors";
import { errorCode } from "../net/networkErrors";
import { loadOptional } from "../net/optionalPackage";

/** How the sessions of checks are called in `pg_stat_activity`. */
export const APPLICATION_NAME = "pulumi-rotating-secrets check";

export type LoadPg = () => Promise<{ readonly Client: typeof Client }>;

/** `pg` is an optional peer dependency: only who uses an sql check needs it. */
export const loadPg: LoadPg = () =>
  loadOptional(
    () => import("pg"),
    `An sql check needs the package "pg", which is not installed. Nothing was asked. ` +
      `Install it beside the program: npm install pg`,
  );

/**
 * @returns how to log in AS the version: by its `url` where that names user and password, else by its fields.
 * @throws ConfigurationError when the version does not say enough. The driver's own fallbacks (`PGPASSWORD`,
 * `.pgpass`) are not used: the check would then log in by another credential.
 */
export function loginConfig(version: StoredVersion): ClientConfig {
  const { url, username, password, host, port, database } = version.value;
  if (url !== undefined && namesUserAndPassword(url)) return { connectionString: url };
  const missing = Object.entries({ username, password, host, database }).flatMap(([name, value]) =>
    value === undefined || value === "" ? [name] : [],
  );
  if (missing.length > 0) {
    throw new ConfigurationError(
      `An sql check cannot log in with version ${version.ref.version} of "${version.secret}": it has no ` +
        `${missing.join(", ")}. Nothing was asked. It needs the fields username, password, host, database and ` +
        `optionally port, or a url with user name and password. If the rollout has several secrets, name the right ` +
        `one in the check's option "secret".`,
    );
  }
  const portNumber = Number(port ?? 5432);
  if (!Number.isInteger(portNumber) || portNumber < 1 || portNumber > 65_535) {
    throw new ConfigurationError(
      `An sql check cannot log in with version ${version.ref.version} of "${version.secret}": its port is no number ` +
        `from 1 to 65535. Nothing was asked. Correct the secret's connection.`,
    );
  }
  return { user: username, password, host, port: portNumber, database };
}

function namesUserAndPassword(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== "" && password !== "";
}

/** The rows of the query's last statement, as PostgreSQL writes the values. */
export type Rows = readonly (readonly (string | null)[])[];

/** Ends the connection at once when the signal is aborted, also while the server does not answer. */
export async function queryAs(
  pg: Awaited<ReturnType<LoadPg>>,
  version: StoredVersion,
  query: string,
  signal: AbortSignal,
): Promise<Rows> {
  const socket = new Socket();
  const client = makeClient(pg, version, socket);
  // Without a listener a connection that breaks between two steps would end the process.
  client.on("error", () => undefined);
  const cut = () => socket.destroy();
  signal.addEventListener("abort", cut, { once: true });
  try {
    await client.connect();
    const result: unknown = await client.query({ text: query, rowMode: "array" });
    const last = (Array.isArray(result) ? result.at(-1) : result) as { rows?: Rows };
    await client.end();
    return last.rows ?? [];
  } finally {
    signal.removeEventListener("abort", cut);
    socket.destroy();
  }
}

function makeClient(pg: Awaited<ReturnType<LoadPg>>, version: StoredVersion, socket: Socket): Client {
  const config = loginConfig(version);
  try {
    return new pg.Client({
      ...config,
      application_name: APPLICATION_NAME,
      stream: () => socket,
      // Values stay as PostgreSQL writes them, so that `expectValue` compares what psql would show.
      types: { getTypeParser: () => (value: string) => value },
    });
  } catch (error) {
    throw new ConfigurationError(
      `An sql check cannot use the url of version ${version.ref.version} of "${version.secret}" ` +
        `(${errorCode(error) || "it is not understood"}). Nothing was asked. Correct the secret's connection, such as ` +
        `its sslmode or sslrootcert.`,
    );
  }
}
