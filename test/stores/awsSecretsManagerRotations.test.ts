/** Whole rotations with the store in AWS: killed at each call, and followed by a reader who knows nothing of us. */
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import { Runtime } from "../../provider/runtime";
import { awsSecretsManagerOptions, createAwsSecretsManagerStore } from "../../provider/stores/awsSecretsManager";
import { followedByNativeReaders } from "./followed";
import { killedAtEachCall } from "./killed";
import { REGION, startMoto, type Moto } from "./servers/moto";
import type { StoreUnderTest } from "./storeSite";

const CREDENTIALS = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_EC2_METADATA_DISABLED: "true" };

describe("a secret in AWS Secrets Manager", () => {
  let moto: Moto;
  let reader: SecretsManager;
  let under: StoreUnderTest;
  before(async function () {
    this.timeout(90_000);
    moto = await startMoto(100_000);
    Object.assign(process.env, CREDENTIALS);
    reader = new SecretsManager({ region: REGION, endpoint: moto.endpoint });
    under = {
      options: { type: "awsSecretsManager", region: REGION, endpoint: moto.endpoint },
      nameOption: "name",
      open: (options) =>
        createAwsSecretsManagerStore(awsSecretsManagerOptions.parse(options), new Runtime(() => undefined).context),
      readNative: async (name) => {
        const { SecretString } = await reader.getSecretValue({ SecretId: name });
        return SecretString === undefined ? null : (JSON.parse(SecretString) as Record<string, string>);
      },
    };
  });
  after(async () => {
    for (const name of Object.keys(CREDENTIALS)) Reflect.deleteProperty(process.env, name);
    reader.destroy();
    await moto.stop();
  });

  followedByNativeReaders(() => under);
  killedAtEachCall(() => under);
});
