import * as pulumi from "@pulumi/pulumi";
import { Namespace } from "@pulumi/kubernetes/core/v1";
import { Role, RoleBinding } from "@pulumi/kubernetes/rbac/v1";
import { withoutAbsent } from "../absent";
import type { Descriptor } from "../options";
import {
  kubernetesSecret,
  type FieldsFormat,
  type KubernetesConnection,
  type KubernetesSecretOptions,
} from "../stores";
import { consumerRules, PIPELINE_RULES, ROLLING_RULES, type Rule } from "./roles";

/** Whom a role is given to. */
export type KubernetesSubject =
  | {
      readonly kind: "ServiceAccount";
      readonly name: pulumi.Input<string>;
      /** @default the store's namespace */
      readonly namespace?: pulumi.Input<string>;
    }
  | { readonly kind: "User" | "Group"; readonly name: pulumi.Input<string> };

export interface NamespaceToMake {
  readonly name: pulumi.Input<string>;
  readonly labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
}

export interface KubernetesSecretStoreArgs {
  /** A namespace that exists, by its name, or one to make. Pods mount Secrets of their own namespace only. */
  readonly namespace: pulumi.Input<string> | { readonly create: NamespaceToMake };
  /** From which the names of the Secrets are made: lower-case letters, digits, hyphens and dots, up to 63. */
  readonly name: pulumi.Input<string>;
  /** The `type` of the Secrets that readers get. @default "Opaque" */
  readonly secretType?: KubernetesSecretOptions["secretType"];
  /** Whether there is a Secret `<name>` too, changed in place, for readers who cannot follow a name. @default false */
  readonly stableName?: boolean;
  /** The keys of the Secrets. @default "fields", one for each field of the value */
  readonly format?: pulumi.Input<FieldsFormat>;
  /** Further labels of the Secrets. @default none */
  readonly labels?: pulumi.Input<Record<string, string>>;
  /** How the provider process reaches the cluster; the resources are made by the provider `kubernetes` of the program. */
  readonly connection?: pulumi.Input<KubernetesConnection>;
  /** Who runs `pulumi`: gets the role of the pipeline. @default nobody is given anything */
  readonly pipeline?: readonly KubernetesSubject[];
  /** Whether the pipeline may also roll the workloads of the namespace, as `consumer.kubernetes` does. @default false */
  readonly rollsWorkloads?: boolean;
  /** Who asks the API server for the stable Secret; with `stableName`. Pods that mount it need nothing. @default nobody */
  readonly consumers?: readonly KubernetesSubject[];
}

/** A place in a Kubernetes namespace for one rotating secret, and the roles of those who write and read it. */
export class KubernetesSecretStore extends pulumi.ComponentResource {
  /** For `store` of a rotating secret. Not known before namespace and role are there. */
  readonly store: pulumi.Output<Descriptor>;
  readonly namespace: pulumi.Output<string>;
  /** The namespace, where it was made here. */
  readonly madeNamespace: Namespace | undefined;
  /** What the pipeline may do, where there is a `pipeline`. */
  readonly pipelineRole: Role | undefined;
  /** What readers of the stable Secret may do, where there are `consumers`. */
  readonly consumerRole: Role | undefined;

  constructor(name: string, args: KubernetesSecretStoreArgs, opts?: pulumi.ComponentResourceOptions) {
    super("rotation:kubernetes:KubernetesSecretStore", name, {}, opts);
    assertConsumersCanRead(args);
    this.madeNamespace = isToMake(args.namespace) ? makeNamespace(name, args.namespace.create, this) : undefined;
    this.namespace = pulumi.output(isToMake(args.namespace) ? args.namespace.create.name : args.namespace);

    const rules = [...PIPELINE_RULES, ...(args.rollsWorkloads ? ROLLING_RULES : [])];
    const pipeline = this.give(`${name}-pipeline`, args.pipeline ?? [], rules);
    this.pipelineRole = pipeline?.role;
    this.consumerRole = this.give(
      `${name}-consumer`,
      args.consumers ?? [],
      pulumi.output(args.name).apply(consumerRules),
    )?.role;

    const { name: secret, format, labels, connection, secretType, stableName } = args;
    this.store = pulumi
      // With its role: it has to be there before the first version is made, and until the last one is torn down.
      .all([
        pulumi.output({ name: secret, format, labels, connection }),
        this.namespace,
        this.madeNamespace?.id,
        pipeline?.ready,
      ])
      .apply(([{ name: called, format: chosen, labels: further, connection: how }, namespace]) =>
        kubernetesSecret({
          ...withoutAbsent({ ...how, format: chosen, labels: further, secretType, stableName }),
          namespace,
          name: called,
        }),
      );
    this.registerOutputs();
  }

  /** A role in the namespace for these subjects; none without any. Named by the engine, so that it can be replaced. */
  private give(name: string, subjects: readonly KubernetesSubject[], rules: pulumi.Input<Rule[]>) {
    if (subjects.length === 0) return undefined;
    const options = { parent: this, ...(this.madeNamespace ? { dependsOn: this.madeNamespace } : {}) };
    const metadata = { namespace: this.namespace };
    const role = new Role(name, { metadata, rules }, options);
    const binding = new RoleBinding(
      name,
      {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
        subjects: subjects.map((subject) => this.subjectOf(subject)),
      },
      options,
    );
    return { role, ready: pulumi.all([role.id, binding.id]) };
  }

  private subjectOf(subject: KubernetesSubject) {
    const { kind, name } = subject;
    return kind === "ServiceAccount"
      ? { kind, name, namespace: subject.namespace ?? this.namespace }
      : { kind, name, apiGroup: "rbac.authorization.k8s.io" };
  }
}

function isToMake(
  namespace: KubernetesSecretStoreArgs["namespace"],
): namespace is { readonly create: NamespaceToMake } {
  return typeof namespace === "object" && !pulumi.Output.isInstance(namespace) && "create" in namespace;
}

function makeNamespace(name: string, args: NamespaceToMake, parent: pulumi.Resource): Namespace {
  const { name: called, labels } = args;
  return new Namespace(name, { metadata: { name: called, ...withoutAbsent({ labels }) } }, { parent });
}

function assertConsumersCanRead({ name, consumers = [], stableName = false }: KubernetesSecretStoreArgs): void {
  if (consumers.length === 0 || stableName) return;
  throw new Error(
    `consumers may read the Secret with the stable name, and there is none${typeof name === "string" ? ` for ${name}` : ""}: ` +
      "each version has a name of its own. Nothing was made. Say stableName: true; or leave consumers out and mount what " +
      "secretNameOf says, which needs no role.",
  );
}
