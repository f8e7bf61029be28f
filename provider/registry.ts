/** Every adapter by its type, loaded when it is first needed. The only file that names adapters. */
import type { z } from "zod";
import type { AuditSink } from "./contracts/audit";
import type { HealthCheck } from "./contracts/check";
import type { Consumer } from "./contracts/consumer";
import type { AdapterContext } from "./contracts/context";
import type { CredentialKind, InputPolicy } from "./contracts/kind";
import type { SecretStore } from "./contracts/store";

export interface Adapter<T> {
  /** What the options may be; its messages go to the person who wrote them. */
  readonly options: z.ZodType;
  /** @param options as `options` parsed them. */
  readonly create: (options: never, context: AdapterContext) => T;
}

export interface KindAdapter extends Adapter<CredentialKind> {
  /** How each option reacts to a change. One that is not named rotates: a new version is the safe answer. */
  readonly inputPolicy: Readonly<Record<string, InputPolicy>>;
}

type Family<A> = Readonly<Record<string, () => Promise<A>>>;

export const kinds: Family<KindAdapter> = {
  awsAccessKey: async () => {
    const module = await import("./kinds/awsAccessKey/index.js");
    return {
      options: module.awsAccessKeyOptions,
      create: module.createAwsAccessKeyKind,
      inputPolicy: module.inputPolicy,
    };
  },
  postgresRole: async () => {
    const module = await import("./kinds/postgres/index.js");
    return { options: module.postgresOptions, create: module.createPostgresKind, inputPolicy: module.inputPolicy };
  },
  vaultAppRoleSecretId: async () => {
    const module = await import("./kinds/vaultAppRoleSecretId/index.js");
    const { vaultAppRoleSecretIdOptions: options, createVaultAppRoleSecretIdKind: create, inputPolicy } = module;
    return { options, create, inputPolicy };
  },
};

export const stores: Family<Adapter<SecretStore>> = {
  awsSecretsManager: async () => {
    const module = await import("./stores/awsSecretsManager/index.js");
    return { options: module.awsSecretsManagerOptions, create: module.createAwsSecretsManagerStore };
  },
  file: async () => {
    const module = await import("./stores/file/index.js");
    return { options: module.fileStoreOptions, create: module.createFileStore };
  },
  kubernetesSecret: async () => {
    const module = await import("./stores/kubernetesSecret/index.js");
    return { options: module.kubernetesSecretStoreOptions, create: module.createKubernetesSecretStore };
  },
  gcpSecretManager: async () => {
    const module = await import("./stores/gcpSecretManager/index.js");
    return { options: module.gcpSecretManagerOptions, create: module.createGcpSecretManagerStore };
  },
  memory: async () => {
    const module = await import("./stores/memory/index.js");
    return { options: module.memoryStoreOptions, create: module.createMemoryStore };
  },
  vaultKv: async () => {
    const module = await import("./stores/vaultKv/index.js");
    return { options: module.vaultKvStoreOptions, create: module.createVaultKvStore };
  },
};

export const auditSinks: Family<Adapter<AuditSink>> = {
  file: async () => {
    const module = await import("./audit/file.js");
    return { options: module.fileAuditOptions, create: module.createFileAuditSink };
  },
  memory: async () => {
    const module = await import("./audit/memory.js");
    return { options: module.memoryAuditOptions, create: module.createMemoryAuditSink };
  },
};

export const consumers: Family<Adapter<Consumer>> = {
  cloudRun: async () => {
    const module = await import("./consumers/cloudRun/index.js");
    return { options: module.cloudRunConsumerOptions, create: module.createCloudRunConsumer };
  },
  command: async () => {
    const module = await import("./consumers/command/index.js");
    return { options: module.commandConsumerOptions, create: module.createCommandConsumer };
  },
  ecs: async () => {
    const module = await import("./consumers/ecs/index.js");
    return { options: module.ecsConsumerOptions, create: module.createEcsConsumer };
  },
  httpHook: async () => {
    const module = await import("./consumers/httpHook/index.js");
    return { options: module.httpHookConsumerOptions, create: module.createHttpHookConsumer };
  },
  kubernetes: async () => {
    const module = await import("./consumers/kubernetes/index.js");
    return { options: module.kubernetesConsumerOptions, create: module.createKubernetesConsumer };
  },
  lambda: async () => {
    const module = await import("./consumers/lambda/index.js");
    return { options: module.lambdaConsumerOptions, create: module.createLambdaConsumer };
  },
  process: async () => {
    const module = await import("./consumers/process/index.js");
    return { options: module.processConsumerOptions, create: module.createProcessConsumer };
  },
  signal: async () => {
    const module = await import("./consumers/signal/index.js");
    return { options: module.signalConsumerOptions, create: module.createSignalConsumer };
  },
};

export const checks: Family<Adapter<HealthCheck>> = {
  cloudWatch: async () => {
    const module = await import("./checks/cloudWatch.js");
    return { options: module.cloudWatchCheckOptions, create: module.createCloudWatchCheck };
  },
  http: async () => {
    const module = await import("./checks/http.js");
    return { options: module.httpCheckOptions, create: module.createHttpCheck };
  },
  tcp: async () => {
    const module = await import("./checks/tcp.js");
    return { options: module.tcpCheckOptions, create: module.createTcpCheck };
  },
  sql: async () => {
    const module = await import("./checks/sql.js");
    return { options: module.sqlCheckOptions, create: module.createSqlCheck };
  },
  adoption: async () => {
    const module = await import("./checks/adoption.js");
    return { options: module.adoptionCheckOptions, create: module.createAdoptionCheck };
  },
  prometheus: async () => {
    const module = await import("./checks/prometheus.js");
    return { options: module.prometheusCheckOptions, create: module.createPrometheusCheck };
  },
  tls: async () => {
    const module = await import("./checks/tls.js");
    return { options: module.tlsCheckOptions, create: module.createTlsCheck };
  },
  command: async () => {
    const module = await import("./checks/command.js");
    return { options: module.commandCheckOptions, create: module.createCommandCheck };
  },
};
