/** What a Kubernetes consumer can be told. */
import { z } from "zod";
import { kubeconfigOption, MAX_LABEL_VALUE, namespaceOption, objectName } from "../../net/kubernetes/options";
import { describeValue, duration, flag, strictOptions, text } from "../../net/options";
import { toldConsumerOptions } from "../../net/toldConsumer";
import { KINDS } from "./workload";

const HOUR = 3_600_000;
const { name, wave, readersCache, adoption, adoptionTimeout } = toldConsumerOptions;

const workload = strictOptions("workload", {
  kind: z.enum(KINDS, {
    error: (issue) => `workload.kind must be one of ${KINDS.join(", ")}; it is ${describeValue(issue.input)}`,
  }),
  name: objectName("workload.name"),
});

export const kubernetesConsumerOptions = strictOptions("a kubernetes consumer", {
  type: z.literal("kubernetes", { error: 'the type of a kubernetes consumer must be "kubernetes"' }),
  name,
  wave,
  readersCache,
  adoption,
  adoptionTimeout,
  /** The namespace of the workloads and of the Secrets. */
  namespace: namespaceOption,
  /** The workload. Either this or `selector`. */
  workload: workload.optional(),
  /**
   * A label selector, such as "app=orders": every Deployment, StatefulSet and DaemonSet with such labels is rolled.
   * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
   */
  selector: text("selector", 1000).optional(),
  /**
   * How the cluster is reached, as for the kubernetesSecret store. Absent: `KUBECONFIG`, then `~/.kube/config`, then
   * the pod's service account; its current context.
   */
  kubeconfig: kubeconfigOption.optional(),
  /** Secret's name to the `name` of its kubernetesSecret store. Default: the secret's own name. */
  secrets: z
    .record(z.string(), objectName("the name of a kubernetesSecret store", MAX_LABEL_VALUE), {
      error: (issue) => `secrets must be an object of names of stores; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** Whether the workload names no Secret, and is only restarted, by an annotation. Default: false. */
  annotationOnly: flag("annotationOnly").optional(),
  /**
   * Whether a resource of the program sets the reference: then nothing is changed here, only waited for and looked at.
   * Default: false.
   */
  declared: flag("declared").optional(),
  /** How long the whole roll-out may take. A Deployment's `progressDeadlineSeconds` ends it too. Default: "10m". */
  timeout: duration("timeout", 1000, 24 * HOUR).optional(),
  /** How long one call of the API server may take. Default: "10s". */
  requestTimeout: duration("requestTimeout", 1000, 300_000).optional(),
  /** The time between two looks while it rolls. Default: "1s". */
  interval: duration("interval", 100, 60_000).optional(),
})
  .refine((options) => (options.workload === undefined) !== (options.selector === undefined), {
    path: ["workload"],
    error: "a kubernetes consumer needs either workload, { kind, name }, or selector, and not both",
  })
  .refine((options) => !options.annotationOnly || !options.declared, {
    path: ["annotationOnly"],
    error:
      "annotationOnly and declared exclude each other: with declared the resource of the program restarts the workload",
  });

export type KubernetesConsumerOptions = z.infer<typeof kubernetesConsumerOptions>;
