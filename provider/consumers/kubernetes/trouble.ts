/** What pods say of themselves when they do not come up. Pure. */
import { findReferences } from "./references";
import { isFinished, isReady, type ContainerStatus, type Pod, type PodEvent, type Volume } from "./workload";

export interface Trouble {
  readonly pod: string;
  /** The same for the same trouble of the same pod. */
  readonly id: string;
  /** The pod's own words, in a sentence part that names container or volume. */
  readonly detail: string;
  /** Whether it is certain by now, and need not be seen for a while first. */
  readonly isCertain: boolean;
}

/** https://kubernetes.io/docs/tasks/debug/debug-application/ */
const CANNOT_START = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ErrImagePull",
  "ImagePullBackOff",
  "ImageInspectError",
  "RegistryUnavailable",
  "CrashLoopBackOff",
]);
/** An app may fail to start once because something else was not ready. */
const CERTAIN_RESTARTS = 3;
const MAX_WORDS = 300;

/** Whether it may hang on a volume, which only its events tell. */
export function mayHangOnVolume(pod: Pod): boolean {
  const { status } = pod;
  if (status?.phase !== "Pending" || !isScheduled(pod)) return false;
  return statuses(pod).every(
    ({ state }) => state?.running === undefined && !CANNOT_START.has(state?.waiting?.reason ?? ""),
  );
}

/** @param events of this pod. */
export function troubleOf(pod: Pod, events: readonly PodEvent[]): Trouble | undefined {
  if (isReady(pod) || isFinished(pod) || pod.metadata.deletionTimestamp !== undefined) return undefined;
  for (const status of statuses(pod)) {
    const found = containerTrouble(pod, status);
    if (found) return found;
  }
  for (const event of events) {
    const found = event.reason === "FailedMount" ? mountTrouble(pod, event) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** What else it waits for; told when the time is over. */
export function describeWaiting(pod: Pod, events: readonly PodEvent[]): string {
  const { name } = pod.metadata;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  if (unscheduled) return `pod ${name} is not scheduled: ${words(unscheduled.message ?? unscheduled.reason)}`;
  const warning = events.at(-1);
  if (warning) return `pod ${name} is not ready, its last event: ${describeEvent(warning)}`;
  const waiting = statuses(pod).find(({ state }) => state?.waiting);
  const why = waiting ? `, container ${waiting.name} waits (${waiting.state?.waiting?.reason ?? "no reason"})` : "";
  return `pod ${name} is not ready${pod.status?.phase === "Running" ? ", though it runs" : why}`;
}

export function describeEvent({ reason = "", message = "" }: PodEvent): string {
  // What a probe got is the application's own words, which may be anything.
  const said =
    reason === "Unhealthy"
      ? /^\w+ probe (failed|errored)(: HTTP probe failed with statuscode: \d+)?/.exec(message)?.[0]
      : message;
  return `${reason} (${words(said)})`;
}

function containerTrouble(
  pod: Pod,
  { name, state, lastState, restartCount = 0 }: ContainerStatus,
): Trouble | undefined {
  const reason = state?.waiting?.reason;
  const isStuck = reason !== undefined && CANNOT_START.has(reason);
  const ended = state?.terminated ?? lastState?.terminated;
  const failsAgain = restartCount >= CERTAIN_RESTARTS && ended !== undefined;
  if (!isStuck && !failsAgain) return undefined;
  const last = ended ? `, its last end: ${ended.reason ?? "no reason"}, exit code ${ended.exitCode ?? "unknown"}` : "";
  const restarts = restartCount > 0 ? `, ${restartCount} restarts` : "";
  const message = state?.waiting?.message === undefined ? "" : ` (${words(state.waiting.message)})`;
  return {
    pod: pod.metadata.name,
    id: `${pod.metadata.uid} ${name} ${isStuck && reason !== "CrashLoopBackOff" ? reason : "restarts"}`,
    detail: `pod ${pod.metadata.name}, container ${name}: ${reason ?? "restarts"}${message}${restarts}${last}${pathOf(pod, name, state?.waiting?.message)}`,
    isCertain: failsAgain,
  };
}

/** Which variable or file it is about: the kubelet names only the Secret and the key. */
function pathOf(pod: Pod, container: string, message: string | undefined): string {
  const [, key, secret] = /couldn't find key (\S+) in Secret [^/\s]+\/(\S+)/.exec(message ?? "") ?? [];
  const [, missing] = /secret "([^"]+)" not found/i.exec(message ?? "") ?? [];
  const wheres = findReferences(pod.spec)
    .filter(({ where, path }) => path[0] !== "volumes" && where.endsWith(`"${container}"`))
    .filter(
      (one) =>
        one.secret === (secret ?? missing) && (key === undefined || one.keys.some((wanted) => wanted.key === key)),
    )
    .map(({ where }) => where);
  return wheres.length === 0 ? "" : `: ${[...new Set(wheres)].join(", ")}`;
}

/** Of volumes whose content comes from the API only: others may take their time. */
function mountTrouble(pod: Pod, { message = "" }: PodEvent): Trouble | undefined {
  const named = /for volume "([^"]+)"/.exec(message)?.[1];
  const volume = pod.spec.volumes?.find(({ name }) => name === named);
  if (!volume || !(volume.secret ?? volume.projected ?? volume["configMap"])) return undefined;
  if (!/not found|non-existent|references/i.test(message)) return undefined;
  return {
    pod: pod.metadata.name,
    id: `${pod.metadata.uid} ${volume.name} FailedMount`,
    detail: `pod ${pod.metadata.name}, volume "${volume.name}"${mountedBy(pod, volume)}: FailedMount (${words(message)})${fileOf(volume, message)}`,
    isCertain: false,
  };
}

function mountedBy({ spec }: Pod, { name }: Volume): string {
  const mounts = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].flatMap((container) =>
    (container.volumeMounts ?? [])
      .filter((mount) => mount.name === name)
      .map(
        ({ mountPath, subPath }) =>
          `container ${container.name} at ${mountPath}${subPath ? ` (subPath ${subPath})` : ""}`,
      ),
  );
  return mounts.length === 0 ? "" : `, mounted in ${mounts.join(", ")}`;
}

function fileOf({ secret, projected }: Volume, message: string): string {
  const key = /non-existent (?:secret|config) key: (\S+)/.exec(message)?.[1];
  if (key === undefined) return "";
  const items = [
    ...(secret?.items ?? []),
    ...(projected?.sources ?? []).flatMap((source) => source.secret?.items ?? []),
  ];
  const path = items.find((item) => item.key === key)?.path;
  const name = secret?.secretName === undefined ? "" : ` of the Secret "${secret.secretName}"`;
  return `: the key "${key}"${name}${path === undefined ? "" : ` for the path "${path}"`} does not exist`;
}

function statuses({ status }: Pod): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

function isScheduled({ spec }: Pod): boolean {
  return spec.nodeName !== undefined;
}

/** Of what the platform says, one readable line. */
function words(text: string | undefined): string {
  const line = (text ?? "no reason is told").replace(/\s+/g, " ").trim().replace(/\.+$/, "");
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}...` : line;
}
