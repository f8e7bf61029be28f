/** What the tests of the Kubernetes consumer share: a control plane with simulated nodes, secrets in it, and workloads. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runClock } from "../../../provider/clock";
import {
  createKubernetesConsumer,
  kubernetesConsumerOptions,
  type KubernetesConsumerOptions,
} from "../../../provider/consumers/kubernetes";
import type { Consumer, RollTarget } from "../../../provider/contracts/consumer";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { SecretStore, StoredVersion } from "../../../provider/contracts/store";
import type { Surroundings } from "../../../provider/net/kubernetes/client";
import { createKubernetesSecretStore, kubernetesSecretStoreOptions } from "../../../provider/stores/kubernetesSecret";
import type { User } from "../../support/kubernetes";
import { startControlPlane, type ControlPlane } from "../servers/controlPlane";

export const NAMESPACE = "shop";
/** Part of every value; never to be seen anywhere. */
export const PASSWORD = "hunter2-never-print-this";
export const PLURALS = { Deployment: "deployments", StatefulSet: "statefulsets", DaemonSet: "daemonsets" } as const;
export type Kind = keyof typeof PLURALS;

/** For what a test does not say more closely. */
export type Any = any;

export class Site {
  private names = 0;
  private readonly stores = new Map<string, SecretStore>();

  private constructor(readonly plane: ControlPlane) {}

  static async start(): Promise<Site> {
    const plane = await startControlPlane();
    const site = new Site(plane);
    try {
      await site.must("POST", "/api/v1/namespaces", { metadata: { name: NAMESPACE } });
      await site.grant("pipeline", documentedRole("rotation-consumer"));
      await site.untilTrue(
        "the Role is in effect",
        async () => (await site.ask("GET", "pods", undefined, "pipeline")).code === 200,
      );
      return site;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.plane.stop();
  }

  newName(what = "orders"): string {
    return `${what}-${++this.names}`;
  }

  /** A version as the store of the secret hands it out, under an epoch. */
  publish(secret: string, version: number, epoch = version): Promise<StoredVersion> {
    return this.publishFields(secret, version, { username: `r${version}`, password: `${PASSWORD}-${version}` }, epoch);
  }

  async publishFields(
    secret: string,
    version: number,
    value: Readonly<Record<string, string>>,
    epoch = version,
  ): Promise<StoredVersion> {
    const stored: StoredVersion = {
      secret,
      ref: { version, token: `token of ${secret} ${version}` },
      fingerprint: `fp-${secret}-${version}`,
      issued: { role: `r${version}` },
      value,
    };
    const store = await this.storeOf(secret);
    await store.putVersion(stored);
    const { revision, current } = await store.load();
    await store.promote(stored.ref, current, revision, epoch);
    return stored;
  }

  /** @param more further fields of its spec, and `labels`, `podAnnotations` and `replicas`. */
  async deploy(kind: Kind, name: string, spec: Any, more: Any = {}): Promise<void> {
    const labels = { app: name };
    const template = { metadata: { labels, annotations: more.podAnnotations ?? {} }, spec };
    const { replicas = 3, podAnnotations: _annotations, labels: own = {}, ...others } = more;
    const body = {
      metadata: { name, labels: { app: name, ...own } },
      spec: {
        selector: { matchLabels: labels },
        ...(kind === "DaemonSet" ? {} : { replicas }),
        ...(kind === "StatefulSet" ? { serviceName: name } : {}),
        ...others,
        template,
      },
    };
    await this.must("POST", this.apps(kind), body);
    if (more.paused !== true) await this.untilRolled(kind, name);
  }

  async untilRolled(kind: Kind, name: string): Promise<void> {
    await this.untilTrue(`${kind} ${name} is rolled out`, async () => {
      const { metadata, spec, status = {} } = await this.get(kind, name);
      const wanted = kind === "DaemonSet" ? 2 : spec.replicas;
      const available = kind === "DaemonSet" ? status.numberAvailable : status.availableReplicas;
      return status.observedGeneration === metadata.generation && (available ?? 0) === wanted;
    });
  }

  /** As the documented Role allows, unless the options name another kubeconfig. */
  async consumer(given: Any, context: AdapterContext = realContext(), surroundings?: Surroundings): Promise<Consumer> {
    const kubeconfig = given.kubeconfig ?? { path: await this.plane.server.kubeconfig("pipeline") };
    const defaults = { type: "kubernetes", name: "orders", namespace: NAMESPACE, interval: "200ms", timeout: "60s" };
    const options: KubernetesConsumerOptions = kubernetesConsumerOptions.parse({ ...defaults, ...given, kubeconfig });
    return createKubernetesConsumer(options, context, surroundings);
  }

  get(kind: Kind, name: string): Promise<Any> {
    return this.must("GET", `${this.apps(kind)}/${name}`);
  }

  async template(kind: Kind, name: string): Promise<Any> {
    return (await this.get(kind, name)).spec.template;
  }

  /** The pods of an app that are not ending. */
  async pods(app: string): Promise<Any[]> {
    const { items } = await this.must("GET", `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=app%3D${app}`);
    return items.filter(({ metadata }: Any) => metadata.deletionTimestamp === undefined);
  }

  /** By name: how many replicas each is to have. */
  async replicaSets(app: string): Promise<Record<string, number>> {
    const path = `/apis/apps/v1/namespaces/${NAMESPACE}/replicasets?labelSelector=app%3D${app}`;
    const { items } = await this.must("GET", path);
    return Object.fromEntries(items.map(({ metadata, spec }: Any) => [metadata.name, spec.replicas]));
  }

  apps(kind: Kind): string {
    return `/apis/apps/v1/namespaces/${NAMESPACE}/${PLURALS[kind]}`;
  }

  patch(kind: Kind, name: string, body: Any): Promise<Any> {
    return this.must("PATCH", `${this.apps(kind)}/${name}`, body);
  }

  /** @param path below the namespace. */
  ask(method: string, path: string, body?: unknown, user: User = "admin") {
    return this.plane.server.ask(user, method, `/api/v1/namespaces/${NAMESPACE}/${path}`, body);
  }

  async must(method: string, path: string, body?: unknown): Promise<Any> {
    const answer = await this.plane.server.ask("admin", method, path, body);
    assert.ok(answer.code < 300, `${method} ${path}: ${answer.code} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** @param role an object, or YAML. */
  async grant(user: string, role: unknown): Promise<void> {
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
    const { metadata } = await this.must("POST", `${roles}/roles`, role);
    await this.must("POST", `${roles}/rolebindings`, {
      metadata: { name: `${metadata.name}-of-${user}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    });
  }

  async untilTrue(what: string, isSo: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await isSo())) {
      if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private async storeOf(secret: string): Promise<SecretStore> {
    let store = this.stores.get(secret);
    if (store) return store;
    const kubeconfig = { path: await this.plane.server.kubeconfig("admin") };
    const options = { type: "kubernetesSecret", namespace: NAMESPACE, name: secret, kubeconfig };
    store = createKubernetesSecretStore(kubernetesSecretStoreOptions.parse(options), realContext());
    this.stores.set(secret, store);
    return store;
  }
}

export function targetOf(...secrets: StoredVersion[]): RollTarget {
  return { secrets };
}

/** Has the Secret in its environment, all of it. */
export function podWithEnvFrom(secret: string): Any {
  return { containers: [{ name: "app", image: "app:1", envFrom: [{ secretRef: { name: secret } }] }] };
}

/** The text of the docs page, so that what is tested is what people copy. */
export function documentedRole(name: string): string {
  const page = readFileSync(join(__dirname, "../../../docs/consumers/kubernetes.md"), "utf8");
  const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, block]) => block ?? "");
  const found = blocks.find((block) => block.includes("kind: Role") && block.includes(`name: ${name}\n`));
  assert.ok(found, `docs/consumers/kubernetes.md has the Role ${name}`);
  return found;
}

export interface SeenContext extends AdapterContext {
  readonly lines: string[];
}

export function realContext(signal = new AbortController().signal): SeenContext {
  const lines: string[] = [];
  return {
    clock: runClock(),
    signal,
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    resolveSecret: () => Promise.reject(new Error("nothing here asks for a secret")),
    lines,
  };
}

export async function failureOf(action: Promise<unknown>): Promise<Error> {
  return action.then(
    () => assert.fail("it should have failed"),
    (error: unknown) => {
      assert.ok(error instanceof Error);
      const all = `${error.stack} ${JSON.stringify(error)} ${error.cause instanceof Error ? error.cause.stack : ""}`;
      assert.ok(!all.includes(PASSWORD), all);
      assert.ok(!/(admin|pipeline|app|nobody)-token/.test(all), all);
      return error;
    },
  );
}
