/** Deployments, StatefulSets and DaemonSets of a Kubernetes namespace. */
import type { Consumer } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import type { Surroundings } from "../../net/kubernetes/client";
import { KubernetesConsumer } from "./consumer";
import type { KubernetesConsumerOptions } from "./options";

export { kubernetesConsumerOptions, type KubernetesConsumerOptions } from "./options";

/** @param surroundings given by tests. */
export function createKubernetesConsumer(
  options: KubernetesConsumerOptions,
  context: AdapterContext,
  surroundings?: Surroundings,
): Consumer {
  return new KubernetesConsumer(options, context, surroundings);
}
