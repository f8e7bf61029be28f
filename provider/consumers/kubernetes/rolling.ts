/** Waits until workloads have rolled, or one of them cannot. */
import type { RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import type { Cluster } from "./cluster";
import type { KubernetesConsumerOptions } from "./options";
import { plan } from "./plan";
import { isOfTemplate, podsOf } from "./pods";
import { progressOf } from "./progress";
import type { Wanted } from "./readers";
import { describeEvent, describeWaiting, mayHangOnVolume, troubleOf, type Trouble } from "./trouble";
import { describeWorkload, isFinished, isReady, type Pod, type Workload } from "./workload";

/** How long a pod must be in trouble until it counts: some of it passes, such as a Secret that a node has not seen yet. */
const SETTLE_MS = 5000;
/** Of how many pods the events are asked for at a time. */
const MAX_ASKED = 3;

interface Look {
  readonly failed?: string;
  /** What is left, for the progress line. */
  readonly waiting: readonly string[];
}

export interface Rolling {
  readonly options: KubernetesConsumerOptions;
  readonly cluster: Cluster;
  readonly context: AdapterContext;
  readonly target: RollTarget;
  readonly wanted: readonly Wanted[];
  readonly workloads: readonly Workload[];
}

/** @throws ConsumerError when one does not come up, or the time is over. */
export async function awaitRollout(rolling: Rolling): Promise<void> {
  const { options, context, target, workloads } = rolling;
  const timeoutMs = durationMs(options.timeout, "10m");
  const watches = workloads.map((workload) => new Watch(workload, rolling));
  // The platform's words go into the log too.
  const redact = redactorFor(target);
  const last = await waitUntil<Look>(
    {
      what: `consumer "${options.name}" to roll to ${describeTarget(target)}`,
      intervalMs: durationMs(options.interval, "1s"),
      timeoutMs,
      ask: () => look(watches),
      good: ({ failed, waiting }) => failed !== undefined || waiting.length === 0,
      describe: ({ waiting }) => redact(waiting.join("; ")),
    },
    context,
  );
  if (last.failed === undefined && last.waiting.length === 0) return;
  const late = `not within ${describeDuration(timeoutMs)}: ${last.waiting.join("; ")}`;
  const details = last.failed ?? `${late}${await whatTheyWaitFor(watches)}`;
  throw new ConsumerError(
    `Consumer "${options.name}" does not come up with ${describeTarget(target)}: ${redact(details)}. Pods of the ` +
      `version before are kept by the workload's own strategy for as long as it can. Look at: kubectl describe pod -n ` +
      `${options.namespace}. It may be rolled again, to this or another version, at any time.`,
  );
}

async function look(watches: readonly Watch[]): Promise<Look> {
  const waiting: string[] = [];
  for (const watch of watches) {
    const seen = await watch.look();
    if (seen.failed !== undefined) return { failed: seen.failed, waiting };
    waiting.push(...seen.waiting);
  }
  return { waiting };
}

async function whatTheyWaitFor(watches: readonly Watch[]): Promise<string> {
  const details: string[] = [];
  for (const watch of watches) details.push(...(await watch.whatItWaitsFor()));
  return details.map((detail) => `; ${detail}`).join("");
}

class Watch {
  private done = false;
  /** When a trouble was first seen, by its id. */
  private readonly since = new Map<string, number>();

  constructor(
    private readonly first: Workload,
    private readonly rolling: Rolling,
  ) {}

  async look(): Promise<Look> {
    if (this.done) return { waiting: [] };
    const { kind, metadata } = this.first;
    const { cluster, wanted, options } = this.rolling;
    const who = describeWorkload(this.first);
    const workload = await cluster.getWorkload(kind, metadata.name);
    if (workload?.metadata.uid !== metadata.uid) return { failed: `${who} was deleted while it rolled`, waiting: [] };
    if (plan(workload, wanted, options.annotationOnly ?? false).is !== "there")
      return { failed: `${who}: somebody changed its pod template to another version while it rolled`, waiting: [] };
    const progress = progressOf(workload);
    this.done = progress.is === "done";
    if (this.done) return { waiting: [] };
    const detail = `${who}: ${progress.detail}`;
    const { pods, blocking } = await this.newPods(workload);
    if (blocking.length > 0 && options.declared)
      return { failed: `${detail}; ${deleteByHand(blocking, options.namespace)}`, waiting: [] };
    for (const pod of blocking) await this.deleteBlocking(workload, pod);
    const troubles = await this.troubles(pods);
    const words = troubles.length === 0 ? detail : `${detail}; ${troubles.map((one) => one.detail).join("; ")}`;
    if (progress.is === "failed") {
      const more = troubles.length > 0 ? [] : await this.whatIsSaid(workload, pods);
      return { failed: [words, ...more].join("; "), waiting: [] };
    }
    const isSure = troubles.some((trouble) => trouble.isCertain || this.isSettled(trouble));
    return isSure ? { failed: words, waiting: [] } : { waiting: [words] };
  }

  /** For when the time is over. */
  async whatItWaitsFor(): Promise<string[]> {
    if (this.done) return [];
    const workload = await this.rolling.cluster.getWorkload(this.first.kind, this.first.metadata.name);
    return workload ? this.whatIsSaid(workload, (await this.newPods(workload)).pods) : [];
  }

  /** Of the first pod that is not ready; where there is none, of the workload, whose pods perhaps cannot be made. */
  private async whatIsSaid(workload: Workload, pods: readonly Pod[]): Promise<string[]> {
    const { cluster } = this.rolling;
    const [pod] = pods.filter((one) => !isReady(one));
    if (pod) return [describeWaiting(pod, await cluster.listWarnings(pod))];
    const last = (await cluster.listWarnings(workload)).at(-1);
    return last ? [`its last event: ${describeEvent(last)}`] : [];
  }

  /** Those of the template as it is now, and those of another one that keep them from being made. */
  private async newPods(workload: Workload): Promise<{ pods: Pod[]; blocking: Pod[] }> {
    const { cluster, wanted } = this.rolling;
    const all = (await podsOf(workload, cluster)).filter(
      (pod) => !isFinished(pod) && pod.metadata.deletionTimestamp === undefined,
    );
    const isNew = (pod: Pod) => isOfTemplate(pod, workload, wanted);
    return { pods: all.filter(isNew), blocking: all.filter((pod) => !isNew(pod) && blocks(pod, workload)) };
  }

  private async troubles(pods: readonly Pod[]): Promise<Trouble[]> {
    const found: Trouble[] = [];
    let asked = 0;
    for (const pod of pods) {
      const ask = mayHangOnVolume(pod) && asked++ < MAX_ASKED;
      const trouble = troubleOf(pod, ask ? await this.rolling.cluster.listWarnings(pod) : []);
      if (trouble) found.push(trouble);
    }
    const ids = new Set(found.map(({ id }) => id));
    for (const id of this.since.keys()) if (!ids.has(id)) this.since.delete(id);
    for (const id of ids) if (!this.since.has(id)) this.since.set(id, this.rolling.context.clock.now());
    return found;
  }

  private isSettled({ id }: Trouble): boolean {
    const { clock } = this.rolling.context;
    return clock.now() - (this.since.get(id) ?? clock.now()) >= SETTLE_MS;
  }

  private async deleteBlocking(workload: Workload, pod: Pod): Promise<void> {
    const { context, cluster, options } = this.rolling;
    await cluster.deletePod(pod);
    context.log.info(
      `Consumer "${options.name}": ${describeWorkload(workload)} waited for pod ${pod.metadata.name} of a version that is being left, ` +
        "which does not come up; it was deleted, and is made anew with the wanted one.",
    );
  }
}

/**
 * A StatefulSet waits for each pod before it goes on to the next, also for one that cannot come up any more:
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
 */
function blocks(pod: Pod, { kind, spec, status, metadata }: Workload): boolean {
  if (kind !== "StatefulSet" || spec.podManagementPolicy === "Parallel") return false;
  if ((status?.observedGeneration ?? 0) < metadata.generation || isReady(pod)) return false;
  const isOld = pod.metadata.labels?.["controller-revision-hash"] !== status?.updateRevision;
  return isOld && (neverReady(pod) || troubleOf(pod, []) !== undefined);
}

function deleteByHand(pods: readonly Pod[], namespace: string): string {
  const names = pods.map((pod) => pod.metadata.name).join(" ");
  return `it waits for ${names} of a version that is being left, which does not come up: kubectl delete pod -n ${namespace} ${names}`;
}

/** Since it was started: a pod that was ready once has changed the condition later. */
function neverReady({ status }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  if (ready === undefined || status?.startTime === undefined) return true;
  return Date.parse(ready.lastTransitionTime ?? "") - Date.parse(status.startTime) <= SETTLE_MS;
}
