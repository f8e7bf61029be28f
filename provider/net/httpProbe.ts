/** Asks one URL once, on a connection of its own, and says what came back. */
import * as http from "node:http";
import * as https from "node:https";
import { describeDuration } from "../lifecycle/duration";
import { withDeadline } from "./deadline";
import { describeNetworkError, errorCode } from "./networkErrors";

/** Of a longer body only this much is read, in bytes. */
export const MAX_BODY = 65_536;

export interface HttpQuestion {
  readonly url: string;
  /** Default: GET. */
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as it is. Absent: nothing. */
  readonly body?: string | undefined;
  /** PEM; trusted in place of the authorities that Node trusts. */
  readonly authorities?: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly location: string | undefined;
  /** Its header `Retry-After`. */
  readonly retryAfter?: string | undefined;
  readonly body: string;
  /** The body was longer than {@link MAX_BODY}. */
  readonly cut: boolean;
}

export type HttpOutcome =
  | { readonly answered: true; readonly answer: HttpAnswer }
  /** `refused`: nothing listens at the address. `code`: of the network error; `TIMEOUT` and `CANCELLED` are ours. */
  | { readonly answered: false; readonly refused: boolean; readonly code: string; readonly detail: string };

/** The question as it may be shown: without the query, which people use for tokens. */
export function describeQuestion(question: Pick<HttpQuestion, "url" | "method">): string {
  const { origin, pathname } = new URL(question.url);
  return `${question.method ?? "GET"} ${origin}${pathname}`;
}

/** Never throws for what the peer does, and ends within `timeoutMs`. Redirects are not followed. */
export async function askHttp(question: HttpQuestion, timeoutMs: number, signal: AbortSignal): Promise<HttpOutcome> {
  const shown = describeQuestion(question);
  try {
    const bounded = await withDeadline(timeoutMs, signal, (inner) => exchange(question, inner));
    if (bounded.ended === "done") return { answered: true, answer: bounded.value };
    const why =
      bounded.ended === "timeout"
        ? `no complete answer within ${describeDuration(timeoutMs)}`
        : "stopped before an answer came";
    return { answered: false, refused: false, code: bounded.ended.toUpperCase(), detail: `${shown}: ${why}` };
  } catch (error) {
    const code = errorCode(error);
    return {
      answered: false,
      refused: code === "ECONNREFUSED",
      code,
      detail: `${shown}: ${describeNetworkError(error)}`,
    };
  }
}

function exchange(question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const url = new URL(question.url);
    const options: https.RequestOptions = {
      method: question.method ?? "GET",
      headers: { "user-agent": "pulumi-rotating-secrets", ...question.headers },
      // A new connection each time: a kept one would not show that nothing listens any more.
      agent: false,
      signal,
      ...(question.authorities === undefined ? {} : { ca: question.authorities }),
    };
    const request = (url.protocol === "https:" ? https : http).request(url, options);
    const fail = (error: Error) => {
      reject(error);
      request.destroy();
    };
    request.on("error", fail);
    // Also the end of an exchange that brought neither an answer nor an error, such as a protocol upgrade.
    request.on("close", () => fail(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = () => {
        resolve({
          status: response.statusCode ?? 0,
          location: response.headers.location,
          retryAfter: response.headers["retry-after"],
          body: Buffer.concat(chunks).subarray(0, MAX_BODY).toString("utf8"),
          cut: length > MAX_BODY,
        });
        request.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MAX_BODY) finish();
      });
      response.on("end", finish);
      response.on("error", fail);
    });
    request.end(question.body);
  });
}
