/** Opens one connection, with a TLS handshake where wanted, and closes it. */
import * as net from "node:net";
import * as tls from "node:tls";
import type { Health } from "../contracts/check";
import { describeDuration } from "../lifecycle/duration";
import { withDeadline } from "./deadline";
import { describeNetworkError } from "./networkErrors";

export interface TcpQuestion {
  readonly host: string;
  readonly port: number;
  /** Also shake hands by TLS and verify the certificate. Default: false. */
  readonly tls?: boolean | undefined;
  /** PEM; trusted in place of the authorities that Node trusts. */
  readonly authorities?: string | undefined;
}

/** Never throws for what the peer does, and ends within `timeoutMs`. */
export async function askTcp(question: TcpQuestion, timeoutMs: number, signal: AbortSignal): Promise<Health> {
  const shown = `${question.tls ? "TLS" : "TCP"} ${question.host}:${question.port}`;
  try {
    const bounded = await withDeadline(timeoutMs, signal, (inner) => connect(question, inner));
    if (bounded.ended === "done") return { healthy: true, detail: `${shown}: connected` };
    const what = question.tls ? "no TLS connection" : "no connection";
    const why =
      bounded.ended === "timeout" ? `${what} within ${describeDuration(timeoutMs)}` : "stopped before it connected";
    return { healthy: false, detail: `${shown}: ${why}` };
  } catch (error) {
    return { healthy: false, detail: `${shown}: ${describeNetworkError(error)}` };
  }
}

function connect(question: TcpQuestion, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const { host, port } = question;
    const socket = question.tls
      ? tls.connect({
          host,
          port,
          ...(net.isIP(host) ? {} : { servername: host }),
          ...(question.authorities === undefined ? {} : { ca: question.authorities }),
        })
      : net.connect({ host, port });
    const end = () => socket.destroy();
    signal.addEventListener("abort", end, { once: true });
    socket.on(question.tls ? "secureConnect" : "connect", () => {
      resolve();
      end();
    });
    socket.on("error", reject);
    socket.on("close", () => {
      signal.removeEventListener("abort", end);
      reject(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
    });
  });
}
