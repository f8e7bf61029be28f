/**
 * An address of the emulator, for one caller: JSON over HTTP, as
 * https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html says. Signatures are not verified, only asked for.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { EcsError } from "./errors";
import { OPERATIONS, type Operation } from "./operations";
import type { Request } from "./wire";

const TARGET = "AmazonEC2ContainerServiceV20141113.";

/** What came of a call: its answer, or nothing where it gets none. */
export type Act = (operation: Operation, request: Request) => object | undefined;

export interface EcsDoor {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  /**
   * The `call`-th call from now on (1 is the next), and all after it, get no answer; with "after" the first of them is
   * carried out all the same. Resolves when it has come in.
   */
  cutAt(call: number, moment: "before" | "after"): Promise<void>;
  /** Nobody is answered here any more. */
  close(): Promise<void>;
}

export async function openDoor(act: Act): Promise<EcsDoor> {
  const sockets = new Set<Socket>();
  let cut: { left: number; readonly moment: "before" | "after"; readonly reached: () => void } | undefined;
  let isCut = false;

  const take = (operation: Operation, request: Request): object | undefined => {
    if (isCut) return undefined;
    if (cut && --cut.left === 0) {
      isCut = true;
      if (cut.moment === "after") act(operation, request);
      cut.reached();
      return undefined;
    }
    return act(operation, request);
  };

  const server = createServer((request, response) => {
    void answer(request, response, take);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAt: (call, moment) => new Promise((reached) => (cut = { left: call, moment, reached })),
    close: async () => {
      isCut = true;
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, act: Act): Promise<void> {
  let body = "";
  request.setEncoding("utf8");
  for await (const part of request) body += part as string;
  const send = (status: number, message: object) => {
    response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify(message));
  };
  try {
    const target = String(request.headers["x-amz-target"]);
    const operation = target.slice(TARGET.length);
    if (!target.startsWith(TARGET) || !isOperation(operation)) throw new EcsError("UnknownOperationException", "");
    if (!/^AWS4-HMAC-SHA256 .*\/ecs\/aws4_request/.test(request.headers.authorization ?? ""))
      throw new EcsError("UnrecognizedClientException", "The security token included in the request is invalid.");
    const answered = act(operation, JSON.parse(body) as Request);
    // No answer: the connection stays open, as when the peer is gone.
    if (answered) send(200, answered);
  } catch (error) {
    const known = error instanceof EcsError ? error : new EcsError("ServerException", String(error));
    send(known.status, { __type: known.code, message: known.message });
  }
}

function isOperation(name: string): name is Operation {
  return Object.hasOwn(OPERATIONS, name);
}
