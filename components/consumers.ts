import { lambda } from "./lambda";
import { cloudRun } from "./cloudRun";
import type { Descriptor, DurationText, SecretSource } from "./options";
import type { AwsConnection, KubernetesConnection } from "./stores";

interface ToldConsumerArgs {
  readonly name: string;
  /** Lower waves go first. @default 0 */
  readonly wave?: number;
  /**
   * Whether it stays on the version that it was told of until it is told of another one, also when it restarts by
   * itself. It is taken at its word. @default false
   */
  readonly pinned?: boolean;
  /** How long it may go on with a credential that it has read before; no longer than the secret's grace. @default "0s" */
  readonly readersCache?: DurationText;
  /** Where it says which version it uses. */
  readonly adoption?: {
    readonly url: string;
    readonly headers?: Record<string, string | SecretSource>;
    readonly caFile?: string;
  };
  /** @default "60s" */
  readonly adoptionTimeout?: DurationText;
  /** @default "500ms" */
  readonly interval?: DurationText;
}

export interface KubernetesConsumerOptions extends Omit<ToldConsumerArgs, "pinned"> {
  /** Of the workloads and of the Secrets. */
  readonly namespace: string;
  /** The workload; or `selector`. */
  readonly workload?: { readonly kind: "Deployment" | "StatefulSet" | "DaemonSet"; readonly name: string };
  /** A label selector, such as `app=orders`: every workload of these kinds that it fits is rolled. */
  readonly selector?: string;
  /** @default as kubectl finds it: `KUBECONFIG`, `~/.kube/config`, or in-cluster */
  readonly kubeconfig?: KubernetesConnection["kubeconfig"];
  /** Secret's name to the `name` of its kubernetesSecret store. @default the secret's own name */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Whether the workload names no Secret, and is only restarted, by an annotation. @default false */
  readonly annotationOnly?: boolean;
  /** Whether a resource of the program sets the reference; then it is only waited for and looked at. @default false */
  readonly declared?: boolean;
  /** How long the whole roll-out may take. @default "10m" */
  readonly timeout?: DurationText;
  /** How long one request may take, from 1 s to 5 min. @default "10s" */
  readonly requestTimeout?: DurationText;
  /** The time between two looks. @default "1s" */
  readonly interval?: DurationText;
}

/** Workloads that the library moves. */
export const consumer = {
  cloudRun,
  /** A process on the machine where `pulumi` runs. */
  process: (options: {
    readonly name: string;
    /** Lower waves go first. @default 0 */
    readonly wave?: number;
    /** Where its credential is delivered, mode 0600, replaced atomically. The process is then pinned to what it got. */
    readonly file?: string;
    /** How long it may go on with a credential that it has read before; no longer than the secret's grace. @default "0s" */
    readonly readersCache?: DurationText;
    readonly owner?: { readonly uid: number; readonly gid: number };
    /** A command, run without a shell, that returns when the process is started again. Never a secret in it. */
    readonly restart?: {
      readonly command: string[];
      readonly env?: Record<string, string>;
      /** @default "60s" */
      readonly timeout?: DurationText;
    };
    readonly signal?: { readonly pidFile: string; readonly name: string };
    /** When it serves again. */
    readonly ready?:
      | {
          readonly url: string;
          readonly expectStatus?: number | number[];
          readonly expectBody?: string;
          readonly caFile?: string;
        }
      | { readonly tcp: { readonly host: string; readonly port: number } };
    /** @default "60s" */
    readonly readyTimeout?: DurationText;
    /** Where it says which version it uses. */
    readonly adoption?: {
      readonly url: string;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
    };
    /** @default "60s" */
    readonly adoptionTimeout?: DurationText;
    /** @default "500ms" */
    readonly interval?: DurationText;
    /** Whether it may not be running yet. @default false */
    readonly optional?: boolean;
  }): Descriptor => ({ type: "process", ...options }),
  /**
   * Deployments, StatefulSets and DaemonSets of a Kubernetes namespace, which name the Secret of a version that the
   * kubernetesSecret store, or a replica, has made.
   */
  kubernetes: (options: KubernetesConsumerOptions): Descriptor => ({ type: "kubernetes", ...options }),
  /** A workload that is told by a signed HTTP call to reload. It is told which version, never the value. */
  httpHook: (
    options: ToldConsumerArgs & {
      /** Called by POST. */
      readonly url: string;
      /** The key that signs each call: of 24 bytes or more, or `whsec_` and its base64. */
      readonly signingKey: SecretSource;
      /** While the signing key is exchanged: the one before. Each call then has both signatures. */
      readonly formerSigningKey?: SecretSource;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
      /** What says that it has reloaded. @default 200 to 299 */
      readonly expectStatus?: number | number[];
      /** The longest that one call may take. @default "10s" */
      readonly timeout?: DurationText;
      /** How often it is called at most, while it does not answer or is busy. @default 5 */
      readonly attempts?: number;
    },
  ): Descriptor => ({ type: "httpHook", ...options }),
  /** A workload that a program moves. The program is told which version, never the value; 0 means that it was rolled. */
  command: (
    options: ToldConsumerArgs & {
      /** Program and arguments, run without a shell. Never a secret in it. */
      readonly command: string[];
      /** For both commands. A value that is secret is named by its source. */
      readonly env?: Record<string, string | SecretSource>;
      /** @default "60s" */
      readonly timeout?: DurationText;
      /** It only looks; 0 means that the workload uses the version and no other. In place of `adoption`. */
      readonly confirm?: {
        readonly command: string[];
        /** @default "10s" */
        readonly timeout?: DurationText;
      };
    },
  ): Descriptor => ({ type: "command", ...options }),
  /** A process on this machine that reads its credential again when it gets a signal. */
  signal: (
    options: ToldConsumerArgs & {
      /** A file whose first line is the id of the process. */
      readonly pidFile: string;
      /** @default "SIGHUP" */
      readonly signal?: string;
      /** The name of the program that has to run under that id. Linux only. */
      readonly program?: string;
    },
  ): Descriptor => ({ type: "signal", ...options }),
  lambda,
  /** A service of Amazon ECS, with rolling updates. Its tasks are replaced, since they read their secrets when they start. */
  ecs: (
    options: Omit<ToldConsumerArgs, "pinned"> &
      AwsConnection & {
        /** Its name or its ARN. */
        readonly cluster: string;
        /** Its name or its ARN. */
        readonly service: string;
        /** The container that uses the secrets. @default every container that names one of them */
        readonly container?: string;
        /**
         * `revise`: a revision of the task definition names the version, and tasks stay on it. `keep`: tasks are started
         * anew, and read what is current. @default "revise" where the task definition names a version already, else "keep"
         */
        readonly taskDefinition?: "revise" | "keep";
        /** How the task definition names each secret of the rollout: by its ARN, or by a variable with the version id. */
        readonly secrets?: Readonly<Record<string, string | { readonly arn?: string; readonly variable?: string }>>;
        /** So many tasks of the new deployment that end by themselves are a failure. @default 2 */
        readonly failedTasks?: number;
        /** How long the service may take to move. @default "15m" */
        readonly readyTimeout?: DurationText;
      },
  ): Descriptor => ({ type: "ecs", ...options }),
};
