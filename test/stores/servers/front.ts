/** Stands between the SDK and a server of AWS, and lets a test meddle with single answers. */
import { createServer, request, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Call {
  /** Such as `PutSecretValue`. */
  readonly action: string;
  readonly body: string;
  /** Has the real server do it. */
  readonly forward: () => Promise<Answer>;
}

export interface Front {
  readonly endpoint: string;
  /** All actions that came, in order. */
  readonly actions: string[];
  /** What becomes of the calls from now on: an answer, `"drop"` to close the connection, `"silence"` to never answer. */
  meddle: (call: Call) => Promise<Answer | "drop" | "silence">;
  stop(): Promise<void>;
}

export function jsonAnswer(status: number, body: object): Answer {
  const text = Buffer.from(JSON.stringify(body));
  return { status, headers: { "content-type": "application/x-amz-json-1.1" }, body: text };
}

/** @param target the endpoint of the real server. Signatures stay valid: the Host header is passed on. */
export async function startFront(target: string): Promise<Front> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      const text = body.toString();
      // The services that answer in XML have it in the body.
      const named = String(incoming.headers["x-amz-target"] ?? "").split(".")[1];
      const action = named ?? new URLSearchParams(text).get("Action") ?? "";
      front.actions.push(action);
      const forward = () =>
        new Promise<Answer>((resolve, reject) => {
          const passed = request(target, { method: "POST", headers: incoming.headers, agent: false }, (answer) => {
            const parts: Buffer[] = [];
            answer.on("data", (part: Buffer) => parts.push(part));
            answer.on("end", () =>
              resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }),
            );
          });
          passed.on("error", reject);
          passed.end(body);
        });
      void front.meddle({ action, body: text, forward }).then((answer) => {
        if (answer === "silence") return;
        if (answer === "drop") return outgoing.destroy();
        const { "content-type": type = "application/json" } = answer.headers;
        outgoing.writeHead(answer.status, { "content-type": type }).end(answer.body);
      });
    });
  });
  const front: Front = {
    endpoint: "",
    actions: [],
    meddle: ({ forward }) => forward(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(front, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
