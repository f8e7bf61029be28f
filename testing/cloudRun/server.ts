/** The service behind gRPC, with the protocol definitions of the client that is installed. */
import { createRequire } from "node:module";
import type * as Grpc from "@grpc/grpc-js";
import { StatusError } from "../gcpSecretManager/status";
import type { Request } from "./wire";

const CLIENT = "@google-cloud/run";

/** The parts of `google-gax`, which the client brings along, that a server needs. */
interface Gax {
  readonly grpc: typeof Grpc;
  readonly GrpcClient: new () => { loadProtoJSON(definitions: object): Grpc.GrpcObject };
}

interface MessageType {
  fromObject(object: object): object;
  encode(message: object): { finish(): Uint8Array };
}

export interface RunningServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** By the name of a method; answers one call, or throws a {@link StatusError}. */
export type Methods = Readonly<Record<string, (request: Request, caller: string) => Promise<object>>>;

/** Which of Google's services has which of the methods. */
const SERVICES = {
  Services: ["GetService", "UpdateService"],
  Revisions: ["GetRevision", "ListRevisions"],
  Operations: ["GetOperation"],
} as const;

export async function serve(methods: Methods): Promise<RunningServer> {
  const { grpc, services } = loadProtocol();
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const handle =
    (method: string) =>
    (call: Grpc.ServerUnaryCall<Request, object>, reply: Grpc.sendUnaryData<object>): void => {
      const caller = call.getPeer();
      (methods[method]?.(call.request, caller) ?? Promise.reject(new StatusError("UNIMPLEMENTED", method))).then(
        (answer) => reply(null, answer),
        (error: unknown) => {
          const status = error instanceof StatusError ? error : new StatusError("INTERNAL", String(error));
          reply({ code: grpc.status[status.code], details: status.message, name: "", message: status.message });
        },
      );
    };
  for (const [name, names] of Object.entries(SERVICES))
    server.addService(
      services[name as keyof typeof SERVICES],
      Object.fromEntries(names.map((method) => [method, handle(method)])),
    );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, stop: async () => server.forceShutdown() };
}

/** A service as an operation carries it. */
export function packService(service: object): { readonly type_url: string; readonly value: Uint8Array } {
  const protos = createRequire(__filename)(`${CLIENT}/build/protos/protos`) as {
    google: { cloud: { run: { v2: { Service: MessageType } } } };
  };
  const { Service } = protos.google.cloud.run.v2;
  const value = Service.encode(Service.fromObject(service)).finish();
  return { type_url: "type.googleapis.com/google.cloud.run.v2.Service", value };
}

function loadProtocol(): {
  readonly grpc: typeof Grpc;
  readonly services: Readonly<Record<keyof typeof SERVICES, Grpc.ServiceDefinition>>;
} {
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
  type Defined = Readonly<Record<string, { readonly service: Grpc.ServiceDefinition }>>;
  const loaded = new gax.GrpcClient().loadProtoJSON(definitions) as unknown as {
    google: { cloud: { run: { v2: Defined } }; longrunning: Defined };
  };
  const find = (from: Defined, name: string) => {
    const found = from[name];
    if (found === undefined) throw new Error(`The package "${CLIENT}" does not define ${name}.`);
    return found.service;
  };
  const { run } = loaded.google.cloud;
  return {
    grpc: gax.grpc,
    services: {
      Services: find(run.v2, "Services"),
      Revisions: find(run.v2, "Revisions"),
      Operations: find(loaded.google.longrunning, "Operations"),
    },
  };
}
