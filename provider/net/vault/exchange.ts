/** One HTTP request to Vault and its answer, on connections that are kept for the next one. */
import * as http from "node:http";
import * as https from "node:https";
import { readAuthorities, usesTls } from "../httpOptions";

/** Far above what the largest answer has: a ledger of some hundred KB, or a long list of names. In bytes. */
const MAX_ANSWER = 32 * 1024 * 1024;
const KEPT_CONNECTIONS = 4;

export interface Question {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Connections to one address. TLS certificates are always verified. */
export class Connections {
  private readonly caFile: string | undefined;
  private agents: Promise<{ readonly plain: http.Agent; readonly tls: https.Agent }> | undefined;

  constructor(caFile: string | undefined) {
    this.caFile = caFile;
  }

  /** @throws ConfigurationError for a bad caFile, else what the network says. */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    this.agents ??= this.makeAgents();
    const { plain, tls } = await this.agents.catch((error: unknown) => {
      this.agents = undefined;
      throw error;
    });
    return usesTls(question.url)
      ? exchange(https.request, tls, question, signal)
      : exchange(http.request, plain, question, signal);
  }

  async close(): Promise<void> {
    const agents = await this.agents?.catch(() => undefined);
    this.agents = undefined;
    agents?.plain.destroy();
    agents?.tls.destroy();
  }

  private async makeAgents() {
    const kept = { keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS };
    const ca = this.caFile === undefined ? {} : { ca: await readAuthorities(this.caFile) };
    return { plain: new http.Agent(kept), tls: new https.Agent({ ...kept, ...ca }) };
  }
}

function exchange(
  send: typeof http.request,
  agent: http.Agent,
  { url, method, headers, body }: Question,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const request = send(url, { method, headers: { ...headers, ...length }, agent, signal }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_ANSWER) request.destroy(Object.assign(new Error("too long"), { code: "ANSWER_TOO_LONG" }));
      });
      response.on("error", reject);
      // Also the end of an answer that was cut short, and then not complete.
      response.on("close", () => reject(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}
