/** Google's own client on an emulator: what an application uses that reads a secret and knows nothing of us. */
import { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { credentials } from "@grpc/grpc-js";

export const PROJECT = "shop-prod";

export function plainClient(endpoint: string): SecretManagerServiceClient {
  const [host = "", port] = endpoint.split(":");
  const auth = { getUniverseDomain: async () => "googleapis.com" } as never;
  return new SecretManagerServiceClient({
    apiEndpoint: host,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    auth,
  });
}

/** The payload as a text. @param version a number, an alias or `latest`. */
export async function accessText(
  client: SecretManagerServiceClient,
  secret: string,
  version: string | number,
): Promise<string> {
  const name = `projects/${PROJECT}/secrets/${secret}/versions/${version}`;
  const [answer] = await client.accessSecretVersion({ name });
  return Buffer.from(answer.payload?.data ?? []).toString("utf8");
}

/** What a rejected call was answered with, by gRPC's number. */
export async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
  } catch (error) {
    return (error as { code: number }).code;
  }
  throw new Error("the call went well");
}
