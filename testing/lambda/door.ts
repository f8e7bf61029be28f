/** One address of the emulator, for one client: a test can cut it off without touching the others. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LambdaError, type LambdaErrorCode } from "./fault";
import { operationOf, routeOf, type Asked, type Operation, type Reply } from "./routes";

/** What a call meets instead of its answer. */
export interface LambdaFault {
  /** Whether the call is carried out. @default "before": it is not */
  readonly when?: "before" | "after";
  /** The error that it gets; absent: no answer at all. */
  readonly code?: LambdaErrorCode;
  readonly message?: string;
}

export interface LambdaCall {
  readonly operation: Operation;
  readonly functionName: string;
  readonly qualifier: string | undefined;
}

interface Met extends LambdaFault {
  readonly reached?: () => void;
}

/** Carries a call out. */
export type Carry = (asked: Asked, body: Buffer) => Promise<Reply>;

export class Door {
  /** What came in here, in order. */
  readonly calls: LambdaCall[] = [];
  /** Asked once for each call, in their order. */
  fault: (call: LambdaCall) => LambdaFault | undefined = () => undefined;
  private readonly server: Server;
  private cut: { left: number; moment: "before" | "after"; reached: () => void } | undefined;
  private closed = false;

  constructor(private readonly carry: Carry) {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => answerError(response, error));
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /**
   * The `call`-th call from now on (1 is the next), and all after it, get no answer; it is carried out only where `moment`
   * is "after".
   * @returns resolves when that call has come in, and was carried out where it is.
   */
  cutAt(call: number, moment: "before" | "after"): Promise<void> {
    return new Promise((resolve) => (this.cut = { left: call, moment, reached: resolve }));
  }

  /** From now on nothing is answered. */
  shut(): void {
    this.cut = { left: 0, moment: "before", reached: () => undefined };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const asked = operationOf(request.method ?? "", new URL(request.url ?? "/", "http://lambda"));
    if (asked === undefined) {
      response.writeHead(404).end(JSON.stringify({ message: `the emulator has no ${request.method} ${request.url}` }));
      return;
    }
    const { operation, functionName, alias, query } = asked;
    const call = { operation, functionName, qualifier: query.get("Qualifier") ?? alias };
    this.calls.push(call);
    const fault: Met | undefined = this.cutNow() ?? this.fault(call);
    if (fault === undefined) {
      answer(response, await this.carry(asked, body));
      return;
    }
    // Whether it went well or not: it is not told.
    if (fault.when === "after") await this.carry(asked, body).catch(() => undefined);
    fault.reached?.();
    if (fault.code !== undefined) throw new LambdaError(fault.code, fault.message ?? "An error of the test.");
  }

  private cutNow(): Met | undefined {
    if (this.cut === undefined) return undefined;
    this.cut.left--;
    if (this.cut.left > 0) return undefined;
    if (this.cut.left < 0) return { when: "before" };
    return { when: this.cut.moment, reached: this.cut.reached };
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, { status, headers = {}, body }: Reply): void {
  response.writeHead(status, { "content-type": "application/json", "x-amzn-requestid": "emulated", ...headers });
  response.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const known = error instanceof LambdaError ? error : new LambdaError("ServiceException", String(error));
  answer(response, {
    status: known.status,
    headers: { "x-amzn-errortype": known.code },
    body: { Type: known.status < 500 ? "User" : "Service", Message: known.message },
  });
}

/** Whether a call changes something. */
export function isChange({ operation }: Pick<LambdaCall, "operation">): boolean {
  return routeOf(operation).changes;
}
