/** Loads Google's client when it is first needed: only programs that keep a secret there have to install it. */
import { createRequire } from "node:module";
import type * as Sdk from "@google-cloud/secret-manager";
import { loadOptional } from "../../net/optionalPackage";
import { addressOf, type GcpSecretManagerOptions } from "./options";

export const PACKAGE = "@google-cloud/secret-manager";

export type SdkClient = Sdk.SecretManagerServiceClient;

export function loadSdk(
  load: () => Promise<unknown> = () => import("@google-cloud/secret-manager"),
): Promise<typeof Sdk> {
  return loadOptional(
    load,
    `Secrets in Google Cloud Secret Manager need the package "${PACKAGE}", which is not installed. ` +
      `Run: npm install ${PACKAGE}`,
  );
}

export async function makeClient(options: GcpSecretManagerOptions): Promise<SdkClient> {
  const { SecretManagerServiceClient } = await loadSdk();
  const address = addressOf(options);
  return new SecretManagerServiceClient({
    ...(address === undefined ? {} : { apiEndpoint: address.host, port: address.port }),
    ...(options.insecure === true ? withoutLogIn() : {}),
  });
}

/** The credentials have to come from the very gRPC that the client uses, wherever it is installed. */
function withoutLogIn(): object {
  const fromClient = createRequire(createRequire(__filename).resolve(PACKAGE));
  const { grpc } = fromClient("google-gax") as { grpc: { credentials: { createInsecure(): unknown } } };
  // Asked for by the client before each connection; the real one would look for somebody to log in as.
  const auth = { getUniverseDomain: async () => "googleapis.com" };
  return { sslCreds: grpc.credentials.createInsecure(), auth };
}
