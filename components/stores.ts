/** Stores of other vendors, as plain data. No SDK is loaded here: the adapter loads its own, in the provider process. */
import type { FieldsFormat, PayloadFormat } from "../provider/lifecycle/payload";
import type { Descriptor, DurationText, SecretSource } from "./options";

export type { FieldsFormat, PayloadFormat };

/** How the provider process logs in to Vault. Tokens are kept in memory only. */
export type VaultAuth =
  | {
      readonly method: "token";
      /** A token with the policy of the pipeline (docs/stores/vault.md). */
      readonly token: SecretSource;
    }
  | {
      readonly method: "appRole";
      /** Where the auth method is mounted. @default "approle" */
      readonly mount?: string;
      readonly roleId: string;
      readonly secretId: SecretSource;
    }
  | {
      readonly method: "kubernetes";
      /** Where the auth method is mounted. @default "kubernetes" */
      readonly mount?: string;
      readonly role: string;
      /** The service account's token. @default "/var/run/secrets/kubernetes.io/serviceaccount/token" */
      readonly tokenFile?: string;
    }
  | {
      readonly method: "jwt";
      /** Where the auth method is mounted. @default "jwt" */
      readonly mount?: string;
      readonly role: string;
      /** A signed token, such as the one a CI job gets. */
      readonly token: SecretSource;
    };

/** How the provider process reaches Vault. */
export interface VaultConnection {
  /**
   * `https://HOST:PORT`. Part of the store's identity: give it where runs come from several machines.
   * @default the environment variable `VAULT_ADDR`
   */
  readonly address?: string;
  /** A namespace of Vault Enterprise or HCP Vault, such as `admin/team-a`. @default none; `VAULT_NAMESPACE` is not read */
  readonly namespace?: string;
  /** @default the token in the environment variable `VAULT_TOKEN` */
  readonly auth?: VaultAuth;
  /** A PEM file of the authorities to trust, in place of those that Node.js trusts. @default those of Node.js */
  readonly caFile?: string;
  /** How long one request may take, from 100 ms to 5 min. @default "10s" */
  readonly timeout?: DurationText;
}

export interface VaultKvOptions extends VaultConnection {
  /** Where a KV v2 secrets engine is mounted. @default "secret" */
  readonly mount?: string;
  /**
   * The entry that readers read, without the mount and without `data/`: names with `/` between them. The ledger and our own record of the versions
   * are entries below `<path>-rotation/`, which readers need no access to.
   */
  readonly path: string;
  /** What readers find in the entry. @default "fields", the value's fields as they are */
  readonly format?: FieldsFormat;
}

/** An entry of a KV v2 secrets engine of HashiCorp Vault, or of OpenBao. `VaultKvSecret` makes its policies too. */
export function vaultKv(options: VaultKvOptions): Descriptor {
  return { type: "vaultKv", ...options };
}

/** How the provider process reaches AWS. */
export interface AwsConnection {
  /** @default that of the SDK: `AWS_REGION`, or the profile's */
  readonly region?: string;
  /** Another `https://` URL than the region's own, such as a VPC endpoint's. @default the region's */
  readonly endpoint?: string;
  /** A profile of the shared configuration files. @default the SDK's own chain of credentials */
  readonly profile?: string;
  /** A role that is assumed first, with the credentials found otherwise. @default none */
  readonly assumeRole?: {
    readonly roleArn: string;
    /** What the role's trust policy asks for in `sts:ExternalId`. @default none */
    readonly externalId?: string;
    /** What CloudTrail shows. @default "rotation" */
    readonly sessionName?: string;
  };
  /** How long one call may take, its repetitions included, from 100 ms to 10 min. @default "10s" */
  readonly timeout?: DurationText;
  /** How often a call is made at most that was throttled or met an error of the server: 1 to 20. @default 5 */
  readonly maxAttempts?: number;
}

export interface AwsSecretsManagerOptions extends AwsConnection {
  /**
   * The secret that readers read, up to 503 characters: letters, digits and `/_+=.@-`. The ledger and our own record of
   * the versions are in the secret `<name>-rotation`, which readers need no access to.
   */
  readonly name: string;
  /** What readers find in `AWSCURRENT`. @default "fields", a JSON object of the value's fields */
  readonly format?: PayloadFormat;
  /** The KMS key of secrets that the store makes. @default the account's `aws/secretsmanager` */
  readonly kmsKeyId?: string;
  /** For how many days a secret that the store made can be restored after a teardown: 7 to 30. @default 30 */
  readonly recoveryWindowDays?: number;
}

/** A secret of AWS Secrets Manager. `AwsSecret` makes it and its policies. */
export function awsSecretsManager(options: AwsSecretsManagerOptions): Descriptor {
  return { type: "awsSecretsManager", ...options };
}

/** How the provider process reaches Google Cloud. Credentials are the application default ones. */
export interface GcpConnection {
  /** `host:port`, such as a Private Service Connect endpoint. @default Google's own, of the location or the global one */
  readonly endpoint?: string;
  /** Plain text and no log-in, for an emulator on loopback only. @default false */
  readonly insecure?: boolean;
  /** How long one call may take, from 100 ms to 5 min. @default "10s" */
  readonly timeout?: DurationText;
}

/** Where a global secret is kept: wherever Google likes, or in these regions. */
export type GcpReplication = "automatic" | readonly string[];

export interface GcpSecretManagerOptions extends GcpConnection {
  /** The project's id, or its number. Part of the store's identity: one is not the other. */
  readonly project: string;
  /**
   * The secret that readers read, up to 246 characters: letters, digits, `_` and `-`. The ledger and our own record of
   * the versions are in the secret `<name>-rotation`, which readers need no access to.
   */
  readonly name: string;
  /** The region of a regional secret. @default none, a global one */
  readonly location?: string;
  /** For a global secret that the store makes. @default "automatic" */
  readonly replication?: GcpReplication;
  /** What readers find in `latest` and in the alias `current`. @default "fields", a JSON object of the value's fields */
  readonly format?: PayloadFormat;
}

/** A secret of Google Cloud Secret Manager. `GcpSecret` makes it and its permissions. */
export function gcpSecretManager(options: GcpSecretManagerOptions): Descriptor {
  return { type: "gcpSecretManager", ...options };
}

/** How the provider process reaches the cluster. */
export interface KubernetesConnection {
  /**
   * A kubeconfig file and one of its contexts, or the service account of the pod that runs `pulumi`.
   * @default as kubectl finds it: `KUBECONFIG`, `~/.kube/config`, or in-cluster
   */
  readonly kubeconfig?: { readonly path?: string; readonly context?: string } | "in-cluster";
  /**
   * What the cluster is called in messages and in the store's location: give it where one cluster is reached in several
   * ways, such as from a laptop and from a pod. @default the context, the kubeconfig's path, "in-cluster" or "default"
   */
  readonly cluster?: string;
  /** How long one request may take, from 1 s to 5 min. @default "10s" */
  readonly timeout?: DurationText;
}

export interface KubernetesSecretOptions extends KubernetesConnection {
  /** Where all Secrets of this one are. It has to exist. */
  readonly namespace: string;
  /**
   * Lower-case letters, digits, hyphens and dots, up to 63 characters. Each version that is handed out is an immutable Secret `<name>-v<version>-e<epoch>`: see `secretNameOf`. The ledger
   * and our own record of the versions are Secrets whose names begin with `<name>-rotation`.
   */
  readonly name: string;
  /** The `type` of the Secrets that readers get; it says which keys they need, see `format`. @default "Opaque" */
  readonly secretType?: "Opaque" | "kubernetes.io/tls" | "kubernetes.io/basic-auth";
  /**
   * Whether there is a Secret `<name>` too, changed in place, for readers who cannot follow a name. Pods that have it
   * as environment variables do not see the change. @default false
   */
  readonly stableName?: boolean;
  /** The keys of the Secrets. @default "fields", one for each field of the value */
  readonly format?: FieldsFormat;
  /** Further labels of the Secrets. @default none */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Secrets of a Kubernetes namespace. `KubernetesSecretStore` makes the namespace and its roles. */
export function kubernetesSecret(options: KubernetesSecretOptions): Descriptor {
  return { type: "kubernetesSecret", ...options };
}
