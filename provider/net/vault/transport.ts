/** Requests to Vault's API: JSON both ways, a time limit for each, again where that may help. No token of its own. */
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, UnreachableError } from "../../lifecycle/errors";
import { withDeadline } from "../deadline";
import { describeNetworkError, errorCode } from "../networkErrors";
import { retrying } from "../retry";
import { Connections, type Answer } from "./exchange";
import { PassingFailure, serverFailure, stateAfter, type Purpose } from "./failures";

export interface VaultRequest extends Purpose {
  readonly method: "GET" | "LIST" | "POST" | "PATCH" | "DELETE";
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface VaultAnswer {
  readonly status: number;
  /** The whole document; empty where there was none. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly errors: readonly string[];
  /** The server's clock when it answered, in ms since the epoch, to a second. */
  readonly at: number;
}

/** Where the network fails like this, nothing or little is known to be done, and the next moment may be better. */
const PASSING_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);
const MAX_REDIRECTS = 2;

export class Transport {
  private readonly connections: Connections;
  /** What Vault Enterprise says of the newest write it did for us. */
  private newestWrite: string | undefined;

  constructor(
    private readonly options: {
      readonly address: string;
      readonly namespace: string | undefined;
      readonly caFile: string | undefined;
      readonly timeoutMs: number;
    },
    private readonly context: AdapterContext,
  ) {
    this.connections = new Connections(options.caFile);
  }

  /**
   * @param token absent for a login.
   * @param attempts how often at most. Absent: as often as it makes sense.
   * @returns any answer that is not Vault's own trouble.
   * @throws UnreachableError
   */
  send(request: VaultRequest, token?: string, attempts?: number): Promise<VaultAnswer> {
    const isTransient = (error: unknown) => (error instanceof PassingFailure ? error.waitMs : false);
    const options = attempts === undefined ? { isTransient } : { isTransient, attempts };
    return retrying(this.context, options, () => this.once(request, token));
  }

  close(): Promise<void> {
    return this.connections.close();
  }

  private async once(request: VaultRequest, token: string | undefined): Promise<VaultAnswer> {
    const where = `${this.options.address}, ${request.method} ${request.path}`;
    const answer = await this.exchange(request, token, where);
    const index = answer.headers["x-vault-index"];
    if (typeof index === "string") this.newestWrite = index;
    const document = parse(answer.body);
    const errors = textsOf(document?.["errors"]);
    const failure = serverFailure(where, request, {
      status: answer.status,
      errors,
      retryAfter: answer.headers["retry-after"],
    });
    if (failure !== undefined) throw failure;
    // A question that is answered without a word: from a proxy, say. It must not be taken for "there is nothing yet".
    const mute = !request.writes && request.body === undefined && answer.body.trim() === "";
    if (document === undefined || mute) {
      throw new UnreachableError(
        `${where}: what answered (HTTP ${answer.status}) is not Vault: its answer is not JSON. ${stateAfter(request)} ` +
          "Check the address, and what stands between.",
      );
    }
    const date = Date.parse(answer.headers.date ?? "");
    return { status: answer.status, document, errors, at: Number.isNaN(date) ? this.context.clock.now() : date };
  }

  private async exchange(request: VaultRequest, token: string | undefined, where: string): Promise<Answer> {
    const { context, options } = this;
    try {
      const bounded = await withDeadline(options.timeoutMs, context.signal, (signal) =>
        this.follow(request, token, where, signal),
      );
      if (bounded.ended === "done") return bounded.value;
    } catch (error) {
      if (error instanceof UnreachableError || error instanceof ConfigurationError) throw error;
      context.signal.throwIfAborted();
      const Failure = PASSING_CODES.has(errorCode(error)) ? PassingFailure : UnreachableError;
      // Without the error itself as a cause: nobody knows what a parser of HTTP quotes.
      throw new Failure(`${where}: ${describeNetworkError(error)}. ${stateAfter(request)}`);
    }
    context.signal.throwIfAborted();
    throw new UnreachableError(
      `${where}: no complete answer within ${describeDuration(options.timeoutMs)} (option timeout). ${stateAfter(request)}`,
    );
  }

  /** Asks, and once more where a standby sends on to the active node. */
  private async follow(
    request: VaultRequest,
    token: string | undefined,
    where: string,
    signal: AbortSignal,
  ): Promise<Answer> {
    let url = this.urlOf(request);
    const method = request.method === "LIST" ? "GET" : request.method;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const headers = this.headersOf(request, token);
    for (let hop = 0; ; hop++) {
      const answer = await this.connections.ask({ url, method, headers, body }, signal);
      const target = answer.headers.location;
      if (![301, 302, 307, 308].includes(answer.status) || target === undefined) return answer;
      const next = URL.canParse(target, url) ? new URL(target, url) : undefined;
      // The token must not leave the encryption that it was given to.
      const downgrade = url.startsWith("https:") && next?.protocol !== "https:";
      if (next === undefined || downgrade || hop >= MAX_REDIRECTS) {
        throw new UnreachableError(
          `${where}: it sends on (HTTP ${answer.status}) to where this does not go: without TLS, or around too often. ` +
            "Nothing was changed. Give the address of Vault itself.",
        );
      }
      url = next.href;
    }
  }

  private urlOf({ method, path, query = {} }: VaultRequest): string {
    const encoded = path.split("/").map(encodeURIComponent).join("/");
    const search = new URLSearchParams(method === "LIST" ? { ...query, list: "true" } : query).toString();
    return `${this.options.address}/v1/${encoded}${search === "" ? "" : `?${search}`}`;
  }

  private headersOf(request: VaultRequest, token: string | undefined): Record<string, string> {
    const { namespace } = this.options;
    return {
      "user-agent": "pulumi-rotating-secrets",
      // Vault Agent and Proxy may be told to refuse requests without it.
      "x-vault-request": "true",
      ...(token === undefined ? {} : { "x-vault-token": token }),
      ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
      // A standby that has not seen our own last write then says so, in place of answering with what was before.
      ...(this.newestWrite === undefined ? {} : { "x-vault-index": this.newestWrite }),
      ...(request.body === undefined
        ? {}
        : { "content-type": request.method === "PATCH" ? "application/merge-patch+json" : "application/json" }),
    };
  }
}

/** @returns `undefined` when it is not a JSON object. No text at all is an empty one. */
function parse(body: string): Readonly<Record<string, unknown>> | undefined {
  if (body.trim() === "") return {};
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
