/** The service behind gRPC, with the protocol definitions of the client that is installed. */
import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import { failureOf, type Fault } from "./faults";
import { StatusError } from "./status";
import type { Method } from "./permissions";
import type { PayloadMessage, Request } from "./wire";

const CLIENT = "@google-cloud/secret-manager";

/** The parts of `google-gax`, which the client brings along, that a server needs. */
interface Gax {
  readonly grpc: typeof Grpc;
  readonly GrpcClient: new () => { loadProtoJSON(definitions: object): Grpc.GrpcObject };
}

export interface RunningServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers one call, or throws a {@link StatusError}. */
export type Answer = (method: Method, request: Request) => object;

/** @param faultOf asked once for each call. */
export async function serve(
  methods: readonly Method[],
  answer: Answer,
  faultOf: (method: Method, request: Request) => Fault | undefined,
): Promise<RunningServer> {
  const { grpc, service } = loadProtocol();
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const waiting = new Set<NodeJS.Timeout>();
  const after = (ms: number, act: () => void) => {
    const timer = setTimeout(() => {
      waiting.delete(timer);
      act();
    }, ms);
    waiting.add(timer);
  };

  const handle =
    (method: Method) =>
    ({ request }: Grpc.ServerUnaryCall<Request, object>, reply: Grpc.sendUnaryData<object>): void => {
      const fault = faultOf(method, request);
      const fail = (error: unknown) => {
        const status = error instanceof StatusError ? error : new StatusError("INTERNAL", String(error));
        reply({ code: grpc.status[status.code], details: status.message, name: "", message: status.message });
      };
      const act = () => {
        try {
          if (fault?.code !== undefined && fault.when !== "after") throw failureOf(fault);
          const result = answer(method, request);
          if (fault?.code !== undefined) throw failureOf(fault);
          if (fault?.hang !== true || fault.when !== "after")
            reply(null, fault?.corrupt === true ? corrupted(result) : result);
        } catch (error) {
          fail(error);
        }
      };
      if (fault?.hang === true && fault.when !== "after") return;
      if (fault?.delayMs === undefined) act();
      else after(fault.delayMs, act);
    };

  server.addService(service, Object.fromEntries(methods.map((method) => [method, handle(method)])));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: async () => {
      for (const timer of waiting) clearTimeout(timer);
      server.forceShutdown();
    },
  };
}

function corrupted(result: { readonly payload?: PayloadMessage }): object {
  const data = Uint8Array.from(result.payload?.data ?? []);
  data[0] = (data[0] ?? 0) ^ 1;
  return { ...result, payload: { ...result.payload, data } };
}

function loadProtocol(): { readonly grpc: typeof Grpc; readonly service: Grpc.ServiceDefinition } {
  const fromHere = createRequire(__filename);
  let entry: string;
  try {
    entry = fromHere.resolve(CLIENT);
  } catch {
    throw new Error(`The emulator needs the package "${CLIENT}". Run: npm install ${CLIENT}`);
  }
  const fromClient = createRequire(entry);
  const gax = fromClient("google-gax") as Gax;
  const definitions = fromHere(`${CLIENT}/build/protos/protos.json`) as object;
  const loaded = new gax.GrpcClient().loadProtoJSON(definitions) as {
    google: {
      cloud: { secretmanager: { v1: { SecretManagerService: { service: Grpc.ServiceDefinition } } } };
    };
  } & Grpc.GrpcObject;
  return { grpc: gax.grpc, service: loaded.google.cloud.secretmanager.v1.SecretManagerService.service };
}
