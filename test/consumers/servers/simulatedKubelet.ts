/**
 * What a kubelet does with the Secrets of a pod, for nodes where no container runs: a pod whose Secrets and keys are all
 * there is handed to kwok, which says that it runs; of any other it says what a kubelet says, and looks again.
 *
 * The texts are those of the kubelet: pkg/kubelet/kubelet_pods.go and pkg/volume/secret/secret.go of
 * https://github.com/kubernetes/kubernetes.
 */
import type { KubernetesServer } from "../../support/kubernetes";

const LOOK_EVERY_MS = 50;
const VERDICT = "kubelet.test/verdict";

/** For whatever a test does not say more closely. */
type Any = any;

interface Crashing {
  restarts: number;
  at: number;
}

export class SimulatedKubelet {
  /** Secrets with which an app crashes when it starts. */
  readonly broken = new Set<string>();
  /** How soon a container that has crashed is started again, and how often at most: a kubelet soon waits for minutes. */
  restarts = { everyMs: 700, most: 2 };
  /** When a pod was first seen not to come up, in ms of `performance.now()`; by its name. */
  readonly failingSince = new Map<string, number>();
  private readonly crashing = new Map<string, Crashing>();
  private readonly told = new Set<string>();
  private stopped = false;
  private readonly running: Promise<void>;

  constructor(private readonly server: KubernetesServer) {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const { body } = await this.ask("GET", "/api/v1/pods").catch(() => ({ body: { items: [] } }));
      const pods = (body.items ?? []) as Any[];
      // One that goes away meanwhile is no matter.
      await Promise.all(pods.map((pod) => this.see(pod).catch(() => undefined)));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  private async see(pod: Any): Promise<void> {
    const { metadata, spec } = pod;
    if (!spec.nodeName || metadata.deletionTimestamp || metadata.annotations?.[VERDICT]) return;
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
    const secrets = await this.secretsOf(pod);
    const volume = failedVolume(pod, secrets);
    const container = volume ? undefined : failedContainer(pod, secrets);
    const image = pod.spec.containers.find((one: Any) => one.image.includes("no-such-image"));
    const crashes =
      namesIn(pod).some((name) => this.broken.has(name)) || metadata.annotations?.["kubelet.test/crashes"];
    const hangs = metadata.annotations?.["kubelet.test/never-ready"] !== undefined;
    if (!volume && !container && !image && !crashes && !hangs) {
      this.failingSince.delete(metadata.name);
      await this.ask("PATCH", path, { metadata: { uid: metadata.uid, annotations: { [VERDICT]: "runs" } } });
      return;
    }
    if (!this.failingSince.has(metadata.name)) this.failingSince.set(metadata.name, performance.now());
    if (volume) {
      await this.tell(pod, "FailedMount", volume);
      await this.write(path, pod, () => ({ waiting: { reason: "ContainerCreating" } }));
    } else if (container) {
      const message = { reason: "CreateContainerConfigError", message: container.message };
      await this.write(path, pod, (name) => ({
        waiting: name === container.name ? message : { reason: "PodInitializing" },
      }));
    } else if (image) {
      const waiting = { reason: "ImagePullBackOff", message: `Back-off pulling image "${image.image}"` };
      await this.write(path, pod, (name) => (name === image.name ? { waiting } : { running: {} }));
    } else if (crashes) await this.crash(path, pod);
    else await this.write(path, pod, () => ({ running: { startedAt: new Date().toISOString() } }), "Running");
  }

  /** A container that ends at once: started again, and then held back for longer and longer. */
  private async crash(path: string, pod: Any): Promise<void> {
    const { uid, name } = pod.metadata;
    const now = performance.now();
    const seen = this.crashing.get(uid) ?? { restarts: -1, at: 0 };
    if (now - seen.at < this.restarts.everyMs) return;
    const restarts = Math.min(seen.restarts + 1, this.restarts.most);
    this.crashing.set(uid, { restarts, at: now });
    const terminated = { exitCode: 1, reason: "Error", message: "log-in failed with hunter2-never-print-this" };
    const message = `back-off 10s restarting failed container=app pod=${name}_${pod.metadata.namespace}(${uid})`;
    const state = restarts === 0 ? { terminated } : { waiting: { reason: "CrashLoopBackOff", message } };
    await this.write(path, pod, () => state, "Running", { restartCount: restarts, lastState: { terminated } });
  }

  private async write(
    path: string,
    pod: Any,
    stateOf: (container: string) => object,
    phase = "Pending",
    more: object = {},
  ) {
    const now = new Date().toISOString();
    const ready = pod.status.conditions?.find((one: Any) => one.type === "Ready");
    const containerStatuses = pod.spec.containers.map((container: Any) => ({
      name: container.name,
      image: container.image,
      imageID: "",
      ready: false,
      restartCount: 0,
      state: stateOf(container.name),
      ...more,
    }));
    const conditions = [
      ...(pod.status.conditions ?? []).filter((one: Any) => one.type !== "Ready"),
      {
        type: "Ready",
        status: "False",
        reason: "ContainersNotReady",
        lastTransitionTime: ready?.lastTransitionTime ?? now,
      },
    ];
    await this.ask("PATCH", `${path}/status`, {
      // Only of this one: a StatefulSet makes another of the same name.
      metadata: { uid: pod.metadata.uid },
      status: { phase, startTime: pod.status.startTime ?? now, conditions, containerStatuses },
    });
  }

  private async tell(pod: Any, reason: string, message: string): Promise<void> {
    const { uid, name, namespace } = pod.metadata;
    const key = `${uid} ${message}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    const now = new Date().toISOString();
    await this.ask("POST", `/api/v1/namespaces/${namespace}/events`, {
      metadata: { generateName: `${name}.`, namespace },
      involvedObject: { kind: "Pod", apiVersion: "v1", name, namespace, uid },
      ...{ type: "Warning", reason, message, count: 1, firstTimestamp: now, lastTimestamp: now },
      source: { component: "kubelet", host: pod.spec.nodeName },
    });
  }

  /** By name; `undefined` where there is none. */
  private async secretsOf(pod: Any): Promise<Map<string, Any>> {
    const found = new Map<string, Any>();
    for (const name of namesIn(pod)) {
      const { code, body } = await this.ask("GET", `/api/v1/namespaces/${pod.metadata.namespace}/secrets/${name}`);
      if (code === 200) found.set(name, body);
    }
    return found;
  }

  private ask(method: string, path: string, body?: unknown) {
    return this.server.ask("admin", method, path, body);
  }
}

function namesIn({ spec }: Any): string[] {
  const volumes = (spec.volumes ?? []).flatMap(sourcesOf).map((source: Any) => source.name);
  const containers = [...(spec.initContainers ?? []), ...spec.containers].flatMap((container: Any) => [
    ...(container.envFrom ?? []).map((one: Any) => one.secretRef?.name),
    ...(container.env ?? []).map((one: Any) => one.valueFrom?.secretKeyRef?.name),
  ]);
  return [...new Set<string>([...volumes, ...containers].filter(Boolean))];
}

function sourcesOf({ secret, projected }: Any): Any[] {
  const projections = (projected?.sources ?? []).flatMap((source: Any) => (source.secret ? [source.secret] : []));
  return [...(secret ? [{ ...secret, name: secret.secretName }] : []), ...projections];
}

function failedVolume({ spec }: Any, secrets: Map<string, Any>): string | undefined {
  for (const volume of spec.volumes ?? []) {
    for (const { name, items = [] } of sourcesOf(volume)) {
      const begins = `MountVolume.SetUp failed for volume "${volume.name}" : `;
      const secret = secrets.get(name);
      if (!secret) return `${begins}secret "${name}" not found`;
      const missing = items.find(({ key }: Any) => secret.data?.[key] === undefined);
      if (missing) return `${begins}references non-existent secret key: ${missing.key}`;
    }
  }
  return undefined;
}

function failedContainer(
  { spec, metadata }: Any,
  secrets: Map<string, Any>,
): { name: string; message: string } | undefined {
  for (const { name, env = [], envFrom = [] } of spec.containers) {
    for (const { secretRef } of envFrom)
      if (secretRef && !secrets.has(secretRef.name)) return { name, message: `secret "${secretRef.name}" not found` };
    for (const { valueFrom } of env) {
      const ref = valueFrom?.secretKeyRef;
      if (!ref) continue;
      const secret = secrets.get(ref.name);
      if (!secret) return { name, message: `secret "${ref.name}" not found` };
      if (secret.data?.[ref.key] === undefined)
        return { name, message: `couldn't find key ${ref.key} in Secret ${metadata.namespace}/${ref.name}` };
    }
  }
  return undefined;
}
