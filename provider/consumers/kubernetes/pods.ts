/** The pods of a workload, and which of them are of its template as it is now. */
import { selectorText, type Pod, type Workload } from "./workload";
import type { Cluster } from "./cluster";
import { VERSIONS } from "./notes";
import type { Wanted } from "./readers";
import { findReferences } from "./references";
import { referencesTo } from "./plan";

/** By ownership, not by labels alone: a label may be on anybody's pod. */
export async function podsOf(workload: Workload, cluster: Cluster): Promise<Pod[]> {
  const { kind, metadata, spec } = workload;
  const selector = selectorText(spec.selector);
  const owners = new Set([metadata.uid]);
  const [pods, replicaSets] = await Promise.all([
    cluster.listPods(selector),
    kind === "Deployment" ? cluster.listReplicaSets(selector) : [],
  ]);
  for (const { metadata: found } of replicaSets) if (isOwned(found, new Set([metadata.uid]))) owners.add(found.uid);
  return pods.filter((pod) => isOwned(pod.metadata, owners));
}

function isOwned(
  { ownerReferences = [] }: Pick<Pod["metadata"], "ownerReferences">,
  owners: ReadonlySet<string>,
): boolean {
  return ownerReferences.some(({ uid, controller }) => controller === true && owners.has(uid));
}

/** Whether it names the same Secrets of these secrets, and says the same of them, as the template does now. */
export function isOfTemplate(pod: Pod, { spec: { template } }: Workload, target: readonly Wanted[]): boolean {
  return marks(pod, target) === marks(template, target);
}

function marks({ metadata, spec }: Pick<Workload["spec"]["template"], "metadata" | "spec">, target: readonly Wanted[]) {
  return JSON.stringify([target.map((wanted) => namesOf(spec, wanted)), metadata?.annotations?.[VERSIONS] ?? null]);
}

/** The Secrets of one secret that it names, each once. */
export function namesOf(spec: Pod["spec"], wanted: Pick<Wanted, "base">): string[] {
  return [...new Set(referencesTo(wanted, findReferences(spec)).map(({ secret }) => secret))].sort();
}
