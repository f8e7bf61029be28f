/**
 * The calls of one of Google's clients: each with a time limit, cancelled with the run, and repeated where it is safe.
 *
 * They go to the client's `innerApiCalls`, not to its methods: those write whole requests, payloads included, to the log
 * when GOOGLE_SDK_NODE_LOGGING is set, and cannot be cancelled.
 */
import { createRequire } from "node:module";
import type { AdapterContext } from "../../contracts/context";
import { withDeadline } from "../deadline";
import { retrying } from "../retry";
import type { Address } from "./options";
import { CallFailure, failureFrom, type Status } from "./status";

/** How often a call is made that finds nobody, and one that is turned away for a quota, which is counted by the minute. */
const TRIES: Readonly<Partial<Record<Status, number>>> = { UNAVAILABLE: 4, RESOURCE_EXHAUSTED: 9 };
/** The longest first wait and the longest of all, in ms: about 30 s in all where a quota is used up. */
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 15_000;

/** What `innerApiCalls` are: the answer comes first in a list. */
type InnerCall = (request: object, options: object) => Promise<readonly unknown[]> & { cancel(): void };

/** What all of Google's generated clients have. */
export interface GaxClient {
  readonly innerApiCalls: Readonly<Record<string, unknown>>;
  initialize(): Promise<unknown>;
  close(): Promise<void>;
}

export interface Call {
  /** As `innerApiCalls` names it. */
  readonly method: string;
  /** The id of what the call is about. */
  readonly subject: string;
  readonly request: object;
  /** What Google's load balancers need to see in a header: https://google.aip.dev/client-libraries/4222 */
  readonly routing: Readonly<Record<string, string>>;
  /** `once`: not repeated where it may have been carried out. */
  readonly again: "repeat" | "once";
}

export class GcpCalls<Client extends GaxClient> {
  private client: Promise<Client> | undefined;

  constructor(
    private readonly make: () => Promise<Client>,
    private readonly timeoutMs: number,
    private readonly context: AdapterContext,
  ) {}

  /** @throws CallFailure */
  async call<T>(call: Call): Promise<T> {
    let tries = 0;
    const isTransient = (error: unknown) => {
      tries += 1;
      if (!(error instanceof CallFailure) || (call.again === "once" && error.isUncertain)) return false;
      return tries < (TRIES[error.status] ?? 0);
    };
    const policy = { attempts: 100, firstWaitMs: FIRST_WAIT_MS, longestWaitMs: LONGEST_WAIT_MS, isTransient };
    return retrying(this.context, policy, () => this.callOnce<T>(call));
  }

  async close(): Promise<void> {
    const open = this.client;
    this.client = undefined;
    await (await open?.catch(() => undefined))?.close();
  }

  private async callOnce<T>({ method, subject, request, routing }: Call): Promise<T> {
    const bounded = await withDeadline(this.timeoutMs, this.context.signal, async (signal) => {
      try {
        const client = await this.open();
        const call = client.innerApiCalls[method] as InnerCall;
        const headers = { "x-goog-request-params": paramsOf(routing) };
        const answer = call(request, { timeout: this.timeoutMs, retry: null, otherArgs: { headers } });
        signal.addEventListener("abort", () => answer.cancel(), { once: true });
        return (await answer)[0] as T;
      } catch (error) {
        throw error instanceof Error && error.name === "ConfigurationError"
          ? error
          : failureFrom(method, subject, error);
      }
    });
    if (bounded.ended === "done") return bounded.value;
    this.context.signal.throwIfAborted();
    throw new CallFailure(method, subject, "DEADLINE_EXCEEDED");
  }

  private open(): Promise<Client> {
    this.client ??= this.make().then(async (client) => {
      await client.initialize();
      return client;
    });
    // A client that found no credentials stays without them: the next call makes another one.
    this.client.catch(() => (this.client = undefined));
    return this.client;
  }
}

/** What a client is made with. @param from the package that it comes from. */
export function clientSettings(
  from: string,
  address: Address | undefined,
  insecure: boolean,
): Record<string, string | number | object> {
  return {
    ...(address === undefined ? {} : { apiEndpoint: address.host, port: address.port }),
    ...(insecure ? withoutLogIn(from) : {}),
  };
}

/** The credentials have to come from the very gRPC that the client uses, wherever it is installed. */
function withoutLogIn(from: string): Record<string, string | number | object> {
  const fromClient = createRequire(createRequire(__filename).resolve(from));
  const { grpc } = fromClient("google-gax") as { grpc: { credentials: { createInsecure(): object } } };
  // Asked for by the client before each connection; the real one would look for somebody to log in as.
  const auth = { getUniverseDomain: async () => "googleapis.com" };
  return { sslCreds: grpc.credentials.createInsecure(), auth };
}

function paramsOf(routing: Readonly<Record<string, string>>): string {
  return Object.entries(routing)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join("&");
}
