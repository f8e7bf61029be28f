/** A proxy on loopback before an HTTP API that answers in its place, falls silent, or cuts the connection. */
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";

export type Fault =
  /** Answers itself. */
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Never answers. */
  | "silence"
  /** What was asked never reaches the server. */
  | "cut"
  /** What was asked is done; the answer never comes. */
  | "lose-answer"
  | undefined;

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Stands before a real server, and does to a request what `fault` says. */
export class FaultyProxy {
  readonly asked: Asked[] = [];
  fault: (asked: Asked) => Fault | Promise<Fault> = () => undefined;

  private constructor(
    private readonly server: http.Server,
    private readonly scheme: "http" | "https",
  ) {}

  static async start(target: string, tls?: { certificate: string; key: string }): Promise<FaultyProxy> {
    const server = tls ? https.createServer({ cert: tls.certificate, key: tls.key }) : http.createServer();
    const proxy = new FaultyProxy(server, tls ? "https" : "http");
    server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
      void proxy.serve(request, response, target).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `${this.scheme}://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Does `fault` to the first request that fits, and then nothing more. */
  once(fits: (asked: Asked) => boolean, fault: Fault): void {
    let done = false;
    this.fault = (asked) => {
      if (done || !fits(asked)) return undefined;
      done = true;
      return fault;
    };
  }

  count(method: string, path: RegExp): number {
    return this.asked.filter((asked) => asked.method === method && path.test(asked.path)).length;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse, target: string): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { method = "", url: path = "", headers } = request;
    const asked = { method, path, headers, body: body.toString("utf8") };
    this.asked.push(asked);
    const fault = await this.fault(asked);
    if (fault === "silence") return;
    if (fault === "cut") return void request.socket.destroy();
    if (typeof fault === "object") return void response.writeHead(fault.status, fault.headers).end(fault.body);
    const { host: _host, connection: _connection, "content-length": _length, ...passed } = headers;
    const answer = await fetch(target + path, {
      method,
      headers: passed as Record<string, string>,
      redirect: "manual",
      ...(body.length === 0 ? {} : { body }),
    });
    const text = await answer.text();
    if (fault === "lose-answer") return void request.socket.destroy();
    const kept = ["content-type", "date", "location"].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(answer.status, Object.fromEntries(kept)).end(text);
  }
}
