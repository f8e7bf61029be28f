/** What the user writes to keep a secret in the Secrets of one Kubernetes namespace. */
import { z } from "zod";
import { fieldsFormat } from "../../lifecycle/payload";
import { LABEL_KEY_PREFIX, MANAGED_BY } from "../../net/kubernetes/marks";
import {
  DNS_SUBDOMAIN,
  kubeconfigOption,
  MAX_LABEL_VALUE,
  namespaceOption,
  objectName,
} from "../../net/kubernetes/options";
import { describeValue, duration, flag, strictOptions, text } from "../../net/options";

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
const LABEL_NAME = /^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$/;
/** The ends of the names that this store makes from a name. */
const RESERVED = /(-rotation(-[0-9a-f]{24})?|-v\d+-e\d+)$/;

/** Every Secret of ours carries it as a label's value. */
const name = objectName("name", MAX_LABEL_VALUE).refine((value) => !RESERVED.test(value), {
  error: (issue) =>
    `name must not end like the names that are made from it (-rotation, -v<number>-e<number>), or two secrets ` +
    `could meet; it is ${describeValue(issue.input)}`,
});

const SECRET_TYPES = ["Opaque", "kubernetes.io/tls", "kubernetes.io/basic-auth"] as const;

const labels = z
  .record(z.string(), z.string(), {
    error: (issue) => `labels must be an object of texts; it is ${describeValue(issue.input)}`,
  })
  .superRefine((given, context) => {
    for (const [key, value] of Object.entries(given)) {
      const wrong = whatIsWrongWithLabel(key, value);
      if (wrong !== undefined) context.addIssue({ code: "custom", message: wrong, path: [key] });
    }
  });

export const kubernetesSecretStoreOptions = strictOptions("the kubernetesSecret store", {
  type: z.literal("kubernetesSecret"),
  /** The namespace in which all of this secret's Secrets are. It must exist. */
  namespace: namespaceOption,
  /**
   * The secret's name, from which those of its Secrets are made: a DNS-1123 subdomain of at most 63 characters (it is
   * a label's value too) that does not end in `-rotation` or `-v<number>-e<number>`.
   */
  name,
  /**
   * How the cluster is reached: a kubeconfig's path and context, or "in-cluster" for the service account of the pod
   * that runs `pulumi`. Absent: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account; its current
   * context.
   */
  kubeconfig: kubeconfigOption.optional(),
  /**
   * What the cluster is called in messages and in the store's location. Two stores with the same cluster, namespace
   * and name are the same store. Absent: the context's name, the kubeconfig's path, "in-cluster" or "default". Give it
   * where the same cluster is reached in several ways, such as from a laptop and from a pod.
   */
  cluster: text("cluster", 253).optional(),
  /**
   * The type of the Secrets that readers get. `kubernetes.io/tls` needs the fields `tls.crt` and `tls.key`,
   * `kubernetes.io/basic-auth` needs `username` and `password`; see `format`. Default: "Opaque".
   * https://kubernetes.io/docs/concepts/configuration/secret/#secret-types
   */
  secretType: z
    .enum(SECRET_TYPES, {
      error: (issue) => `secretType must be one of ${SECRET_TYPES.join(", ")}; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /**
   * Whether one Secret, called `name`, follows "current", for readers that cannot be told a new name. It is changed in
   * place. Default: false.
   */
  stableName: flag("stableName").optional(),
  /** The fields of the Secrets that readers get. Default: the fields of the value. */
  format: fieldsFormat.optional(),
  /** Further labels of every Secret that this store makes. */
  labels: labels.optional(),
  /** How long one call of the API server may take, from 1 s to 5 min. Default: "10s". */
  timeout: duration("timeout", 1000, 300_000).optional(),
});

export type KubernetesSecretStoreOptions = z.infer<typeof kubernetesSecretStoreOptions>;
export type SecretType = NonNullable<KubernetesSecretStoreOptions["secretType"]>;

/** The name of the cluster in the store's location. */
export function clusterName({ cluster, kubeconfig: way }: KubernetesSecretStoreOptions): string {
  if (cluster !== undefined) return cluster;
  if (way === "in-cluster") return way;
  const parts = [way?.path, way?.context].filter((part) => part !== undefined);
  return parts.length === 0 ? "default" : parts.join("#");
}

function whatIsWrongWithLabel(key: string, value: string): string | undefined {
  const slash = key.indexOf("/");
  const [prefix, label] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
  if (prefix === LABEL_KEY_PREFIX || key === MANAGED_BY.key) return `labels must not set ${key}: this store sets it`;
  if (
    (prefix !== undefined && (prefix.length > 253 || !DNS_SUBDOMAIN.test(prefix))) ||
    label.length > MAX_LABEL_VALUE ||
    !LABEL_NAME.test(label)
  )
    return `labels has ${describeValue(key)}, which is no key of a label ([dns.prefix/]name, name of at most 63 characters)`;
  if (value !== "" && (value.length > MAX_LABEL_VALUE || !LABEL_NAME.test(value)))
    return `labels.${key} must be at most 63 letters, digits, -, _ and ., beginning and ending with a letter or digit; it is ${describeValue(value)}`;
  return undefined;
}
