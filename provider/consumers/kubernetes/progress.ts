/** How far a roll-out is, as the API defines it for each kind of workload. Pure. */
import type { Condition, Workload } from "./workload";

export interface Progress {
  readonly is: "done" | "waiting" | "failed";
  /** Without a subject: `2 of 3 pods updated`. */
  readonly detail: string;
}

/** Why a change of its template would not reach its pods, and what to do; `undefined` where it does. */
export function whyNotRollable({ metadata, kind, spec }: Workload): string | undefined {
  const { paused, updateStrategy: strategy } = spec;
  if (metadata.deletionTimestamp !== undefined) return "it is being deleted";
  if (kind === "Deployment")
    return paused ? `it is paused. Resume it: kubectl rollout resume deployment/${metadata.name}` : undefined;
  if (strategy?.type === "OnDelete")
    return "its updateStrategy is OnDelete, so that its pods change only when somebody deletes them. Make it RollingUpdate";
  const partition = strategy?.rollingUpdate?.partition ?? 0;
  if (kind === "StatefulSet" && partition > 0)
    return `its updateStrategy has the partition ${partition}, so that pods with a lower number stay as they are. Take the partition away`;
  return undefined;
}

export function progressOf(workload: Workload): Progress {
  const { metadata, status = {} } = workload;
  if ((status.observedGeneration ?? 0) < metadata.generation)
    return { is: "waiting", detail: "its controller has not seen the change yet" };
  const progress = PROGRESS[workload.kind](workload);
  const why = progress.is === "waiting" ? whyNotRollable(workload) : undefined;
  return why === undefined ? progress : { is: "failed", detail: `${progress.detail}: ${why}` };
}

const PROGRESS = { Deployment: ofDeployment, StatefulSet: ofStatefulSet, DaemonSet: ofDaemonSet };

/** https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status */
function ofDeployment(workload: Workload): Progress {
  const { status = {}, spec } = workload;
  const wanted = spec.replicas ?? 1;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, conditions = [] } = status;
  const detail = `${updatedReplicas} of ${wanted} pods are updated, ${availableReplicas} available, ${Math.max(0, replicas - updatedReplicas)} of the version before are left`;
  if (updatedReplicas >= wanted && replicas <= updatedReplicas && availableReplicas >= updatedReplicas)
    return { is: "done", detail: wanted === 0 ? "it has 0 replicas" : detail };
  const progressing = conditions.find(({ type }) => type === "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded" && !isOfRolloutBefore(progressing, workload))
    return {
      is: "failed",
      detail: `it made no progress within its progressDeadlineSeconds (${spec.progressDeadlineSeconds ?? 600}): ${detail}`,
    };
  return { is: "waiting", detail: withFailure(detail, conditions) };
}

/**
 * The controller keeps the condition of a roll-out that failed until the next one makes progress, so one that is not
 * newer than the last change of the spec says nothing.
 */
function isOfRolloutBefore({ lastUpdateTime }: Condition, { metadata }: Workload): boolean {
  const written = (metadata.managedFields ?? [])
    .filter(({ subresource, fieldsV1 }) => !subresource && fieldsV1?.["f:spec"] !== undefined)
    .map(({ time }) => Date.parse(time ?? ""));
  return written.some((time) => time >= Date.parse(lastUpdateTime ?? ""));
}

/** That pods cannot be made, by a quota or a policy, is said there. */
function withFailure(detail: string, conditions: readonly Condition[]): string {
  const failure = conditions.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
  return failure
    ? `${detail}; pods cannot be made: ${failure.message ?? failure.reason ?? "no reason is told"}`
    : detail;
}

/** https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates */
function ofStatefulSet({ spec, status = {} }: Workload): Progress {
  const wanted = spec.replicas ?? 1;
  const { updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0, replicas = 0 } = status;
  const detail = `${updatedReplicas} of ${wanted} pods are updated, ${readyReplicas} ready`;
  if (wanted === 0 && replicas === 0) return { is: "done", detail: "it has 0 replicas" };
  const isUpdated = updatedReplicas >= wanted && status.currentRevision === status.updateRevision;
  const serves = readyReplicas >= wanted && availableReplicas >= wanted;
  return { is: isUpdated && serves && replicas <= wanted ? "done" : "waiting", detail };
}

/** https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/ */
function ofDaemonSet({ status = {} }: Workload): Progress {
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = status;
  const detail = `${updatedNumberScheduled} of ${desiredNumberScheduled} pods are updated, ${numberAvailable} available`;
  if (desiredNumberScheduled === 0) return { is: "done", detail: "it is to run on no node" };
  const done = updatedNumberScheduled >= desiredNumberScheduled && numberAvailable >= desiredNumberScheduled;
  return { is: done ? "done" : "waiting", detail };
}
