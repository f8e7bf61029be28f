/** What the tests of the store in AWS share: the server, a user for the pipeline, a user for a consumer, a fresh name. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SecretsManager } from "@aws-sdk/client-secrets-manager";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { SecretStore, StoredVersion, VersionRef } from "../../../provider/contracts/store";
import {
  awsSecretsManagerOptions,
  createAwsSecretsManagerStore,
  type AwsSecretsManagerOptions,
} from "../../../provider/stores/awsSecretsManager";
import { REGION, startMoto, type AccessKey, type Moto } from "./moto";

const PAGE = join(__dirname, "../../../docs/stores/aws.md");
const DOCUMENTED_NAME = "orders/db";
const VARIABLES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE", "AWS_CONFIG_FILE"].concat(
  ["AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_STS"],
);

export interface Lines {
  readonly warnings: string[];
  readonly infos: string[];
}

export interface AwsSite {
  readonly moto: Moto;
  /** The secret that was made up last. */
  readonly name: string;
  readonly lines: Lines;
  /** A name that nobody used yet; the pipeline and the consumer may do with it what the documentation allows them. */
  fresh(): Promise<string>;
  options(more?: Partial<AwsSecretsManagerOptions>): AwsSecretsManagerOptions;
  context(more?: Partial<AdapterContext>): AdapterContext;
  open(more?: Partial<AwsSecretsManagerOptions>, context?: AdapterContext): SecretStore;
  /** Whoever owns the account. */
  readonly admin: SecretsManager;
  /** Who has the documentation's policy of a consumer. */
  readonly consumer: SecretsManager;
  clientOf(key: AccessKey): SecretsManager;
  /** Runs what follows with other credentials in the environment, or none. */
  as(key: AccessKey | undefined, more?: Record<string, string>): void;
  readonly pipelineKey: AccessKey;
}

/** The policies of the page: the pipeline's, then the consumer's, for a secret of this name. */
export function documentedPolicies(name: string): readonly [object, object] {
  const blocks = [...readFileSync(PAGE, "utf8").matchAll(/```json\n(.*?)```/gs)].map(([, json]) => json ?? "");
  const policies = blocks.filter((json) => json.includes('"Statement"'));
  if (policies.length < 2) throw new Error(`${PAGE} has no policies`);
  const [pipeline, consumer] = policies.map(
    (json) => JSON.parse(json.replaceAll(`secret:${DOCUMENTED_NAME}-`, `secret:${name}-`)) as object,
  );
  return [pipeline!, consumer!];
}

export function makeStored(
  version: number,
  value: Record<string, string> = { password: `secret-${version}` },
): StoredVersion {
  const ref = { version, token: randomUUID() };
  return { secret: "orders-db", ref, fingerprint: `fp-${version}`, issued: { role: `orders_v${version}` }, value };
}

/** What a rotation does. */
export async function promoteNew(
  store: SecretStore,
  version: number,
  value?: Record<string, string>,
): Promise<VersionRef> {
  const { revision, current } = await store.load();
  const fence = await store.commit({ version }, revision);
  const ref = await store.putVersion(makeStored(version, value));
  await store.promote(ref, current, fence, 1);
  return ref;
}

/** Call within `describe`. @param versionsOfADay how many versions of a secret AWS allows, none older than a day. */
export function awsSite(versionsOfADay?: number): AwsSite {
  let started: Moto | undefined;
  let number = 0;
  let keys: Record<"admin" | "pipeline" | "consumer", AccessKey>;
  const opened: SecretStore[] = [];
  const clients: SecretsManager[] = [];
  const lines: Lines = { warnings: [], infos: [] };
  const before_ = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));

  const setEnvironment = (values: Record<string, string | undefined>) => {
    for (const name of VARIABLES) {
      const value = values[name];
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };

  before(async () => {
    const moto = (started = await startMoto(versionsOfADay));
    keys = {
      admin: await moto.user("admin"),
      pipeline: await moto.user("pipeline"),
      consumer: await moto.user("consumer"),
    };
    await moto.allow("admin", {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    });
    await moto.checkCredentials(true);
  });

  beforeEach(() => {
    site.as(keys.pipeline);
    lines.warnings.length = lines.infos.length = 0;
  });

  after(async () => {
    setEnvironment(before_);
    for (const store of opened) await store.close();
    for (const client of clients) client.destroy();
    await started?.stop();
  });

  const site: AwsSite = {
    lines,
    get moto() {
      if (started === undefined) throw new Error("the server is not up");
      return started;
    },
    get name() {
      return `${DOCUMENTED_NAME}-${number}`;
    },
    get pipelineKey() {
      return keys.pipeline;
    },
    get admin() {
      return site.clientOf(keys.admin);
    },
    get consumer() {
      return site.clientOf(keys.consumer);
    },
    fresh: async () => {
      number++;
      const [pipeline, consumer] = documentedPolicies(site.name);
      await site.moto.allow("pipeline", pipeline);
      await site.moto.allow("consumer", consumer);
      return site.name;
    },
    // Through the schema, as the registry does it.
    options: (more = {}) =>
      awsSecretsManagerOptions.parse({
        type: "awsSecretsManager",
        name: site.name,
        region: REGION,
        endpoint: site.moto.endpoint,
        ...more,
      }),
    context: (more = {}) => ({
      clock: { now: () => Date.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
      signal: new AbortController().signal,
      log: { info: (line) => lines.infos.push(line), warn: (line) => lines.warnings.push(line) },
      resolveSecret: () => Promise.reject(new Error("this store needs no secret")),
      ...more,
    }),
    open: (more, context = site.context()) => {
      const store = createAwsSecretsManagerStore(site.options(more), context);
      opened.push(store);
      return store;
    },
    clientOf: ({ accessKeyId, secretAccessKey }) => {
      const client = new SecretsManager({
        region: REGION,
        endpoint: site.moto.endpoint,
        credentials: { accessKeyId, secretAccessKey },
        maxAttempts: 1,
      });
      clients.push(client);
      return client;
    },
    as: (key, more = {}) =>
      setEnvironment({
        // The developer's own files are not part of the test.
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
        AWS_EC2_METADATA_DISABLED: "true",
        ...(key === undefined
          ? {}
          : { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: key.secretAccessKey }),
        ...more,
      }),
  };
  return site;
}
