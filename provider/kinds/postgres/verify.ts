/** Logs in as the credential, over a connection of its own that is ended at once. */
import type { AdapterContext, IssuedRef, SecretValue } from "../../contracts/context";
import type { Verification } from "../../contracts/kind";
import { parseDuration } from "../../lifecycle/duration";
import { APPLICATION_NAME } from "./admin";
import { endpointOf } from "./endpoint";
import { describeFailure, hasCode, isRefusal, translate } from "./failures";
import type { PostgresOptions } from "./options";
import { Session } from "./session";

/** What a version must be able to do, as it was made; the options may say something else by now. */
interface Demand {
  readonly owner: string | undefined;
  readonly assumeOwner: boolean;
}

export async function verify(
  options: PostgresOptions,
  context: AdapterContext,
  value: SecretValue,
  ref: IssuedRef,
): Promise<Verification> {
  const { username, password } = value;
  if (!username || !password) return { works: false, detail: "The credential has no user name or no password." };
  const endpoint = endpointOf(value, options);
  const secrets = [password];
  let session: Session | undefined;
  try {
    session = await Session.open(
      {
        endpoint,
        user: username,
        password,
        tls: options.tls,
        connectTimeoutMs: parseDuration(options.connectTimeout) ?? 10_000,
        applicationName: `${APPLICATION_NAME} verify`,
      },
      context.signal,
    );
    return await examine(session, username, demandOf(ref, options));
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason;
    if (isRefusal(error)) {
      return { works: false, detail: `The server refuses ${username}: ${describeFailure(error, secrets)}.` };
    }
    throw translate(error, `PostgreSQL at ${endpoint.host}:${endpoint.port}`, secrets, "");
  } finally {
    await session?.close();
  }
}

/** An adopted role is only asked to log in: it was made by somebody else, for whom it works as it is. */
function demandOf(ref: IssuedRef, options: PostgresOptions): Demand {
  if (ref["adopted"] === "true") return { owner: undefined, assumeOwner: false };
  return {
    owner: ref["owner"] || options.owner,
    assumeOwner: ref["assumeOwner"] === undefined ? options.assumeOwner : ref["assumeOwner"] === "true",
  };
}

async function examine(session: Session, username: string, demand: Demand): Promise<Verification> {
  const [who] = await session.query<{ login: string; acting: string }>(
    `SELECT session_user::text AS login, current_user::text AS acting`,
  );
  if (who?.login !== username) {
    return { works: false, detail: `The server took ${username} for ${who?.login ?? "nobody"}.` };
  }
  if (demand.owner === undefined) return { works: true, detail: `${username} logged in.` };
  if (demand.assumeOwner) {
    const works = who.acting === demand.owner;
    return { works, detail: `${username} logged in and acts as ${who.acting}${works ? "" : `, not ${demand.owner}`}.` };
  }
  const works = await inherits(session, demand.owner);
  return { works, detail: `${username} logged in and ${works ? "has" : "lacks"} the rights of ${demand.owner}.` };
}

async function inherits(session: Session, owner: string): Promise<boolean> {
  try {
    const [row] = await session.query<{ inherits: boolean }>(
      `SELECT pg_catalog.pg_has_role(session_user, $1::pg_catalog.name, 'USAGE') AS inherits`,
      [owner],
    );
    return row?.inherits ?? false;
  } catch (error) {
    if (hasCode(error, "42704")) return false;
    throw error;
  }
}
