/** The calls of the API server that this consumer makes. Workloads are taken as they are, with all that is in them. */
import { ConfigurationError } from "../../lifecycle/errors";
import { isAbsent, NotTheApi, type Answer } from "../../net/kubernetes/answers";
import type { Calls } from "../../net/kubernetes/calls";
import type { ApiDeleteOptions, Apis } from "../../net/kubernetes/client";
import { SECRETS, type Advice, type Resource } from "../../net/kubernetes/failures";
import { FIELD_MANAGER } from "./apply";
import type { FoundSecret } from "./readers";
import { RESOURCES, type Kind, type OwnerReference, type Pod, type PodEvent, type Workload } from "./workload";

const APPS = { group: "apps", version: "v1" };
const PAGE = 200;
const PODS: Resource = { kind: "Pod", plural: "pods", group: "" };
const EVENTS: Resource = { kind: "Event", plural: "events", group: "" };
const REPLICA_SETS: Resource = { kind: "ReplicaSet", plural: "replicasets", group: "apps" };

export const ADVICE: Advice = {
  tooLarge: "an object may have 1.5 MiB. Nothing was changed. Make the pod template smaller.",
  quota: "Raise the quota.",
  admission: "Let it allow this; its reasons are in its log.",
  invalid: "The pod template as it would be is not allowed; correct it in the workload.",
  rolePage: "docs/consumers/kubernetes.md",
};

export interface ReplicaSet {
  readonly metadata: { readonly uid: string; readonly ownerReferences?: readonly OwnerReference[] };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export class Cluster {
  constructor(
    private readonly namespace: string,
    private readonly calls: Calls,
  ) {}

  /** @returns `undefined` where there is none of that name. */
  getWorkload(kind: Kind, name: string): Promise<Workload | undefined> {
    const { namespace } = this;
    const resource = RESOURCES[kind];
    return this.calls.call<Workload | undefined>(
      { verb: "get", resource, name },
      async ({ objects }) => {
        const request = { ...APPS, namespace, plural: resource.plural, name };
        return workload(kind, await objects.getNamespacedCustomObject(request));
      },
      (answer) => (isAbsent(answer, resource.plural, name) ? { is: undefined } : undefined),
    );
  }

  async listWorkloads(kind: Kind, labelSelector: string): Promise<Workload[]> {
    const found = await this.listApps(RESOURCES[kind], labelSelector, (answer) => {
      if (answer.code !== 400) return undefined;
      throw new ConfigurationError(
        `selector must be a label selector such as "app=orders,tier in (web,api)"; the API server cannot read ` +
          `${JSON.stringify(labelSelector)}. Nothing was changed.`,
      );
    });
    return found.map((one) => workload(kind, one));
  }

  async listReplicaSets(labelSelector: string): Promise<ReplicaSet[]> {
    return (await this.listApps(REPLICA_SETS, labelSelector)) as ReplicaSet[];
  }

  /** Server-side apply of the fields in `body`; only where the workload still is as its resourceVersion says. */
  apply({ kind, metadata: { name } }: Workload, body: object): Promise<Workload | "changed"> {
    const { namespace } = this;
    const resource = RESOURCES[kind];
    return this.calls.call<Workload | "changed">(
      { verb: "patch", resource, name },
      async ({ objects, apply }) => {
        const request = {
          ...APPS,
          namespace,
          plural: resource.plural,
          name,
          body,
          fieldManager: FIELD_MANAGER,
          force: true,
        };
        return workload(kind, await objects.patchNamespacedCustomObject(request, apply));
      },
      (answer) => (isAbsent(answer, resource.plural, name) || answer.code === 409 ? { is: "changed" } : undefined),
    );
  }

  async listPods(labelSelector: string): Promise<Pod[]> {
    const { namespace } = this;
    return this.all({ verb: "list", resource: PODS }, async ({ core }, page) => {
      const list = await core.listNamespacedPod({ namespace, labelSelector, ...page });
      if (list.kind !== "PodList") throw new NotTheApi();
      return { items: list.items.map((pod) => plainJson(pod) as Pod), next: list.metadata?._continue };
    });
  }

  /** Only the one that was seen, not one that has its name meanwhile. Gone already is success. */
  async deletePod({ metadata: { name, uid } }: Pod): Promise<void> {
    const { namespace } = this;
    await this.calls.call<undefined>(
      { verb: "delete", resource: PODS, name },
      async ({ core }) => {
        const body = { preconditions: { uid } } as unknown as ApiDeleteOptions;
        await core.deleteNamespacedPod({ name, namespace, body });
        return undefined;
      },
      (answer) => (isAbsent(answer, PODS.plural, name) || answer.code === 409 ? { is: undefined } : undefined),
    );
  }

  /** Its warnings, the latest last. */
  async listWarnings({ metadata: { uid } }: Pick<Pod | Workload, "metadata">): Promise<PodEvent[]> {
    const { namespace } = this;
    const fieldSelector = `involvedObject.uid=${uid},type=Warning`;
    const events = await this.all({ verb: "list", resource: EVENTS }, async ({ core }, page) => {
      const list = await core.listNamespacedEvent({ namespace, fieldSelector, ...page });
      if (list.kind !== "EventList") throw new NotTheApi();
      return { items: list.items, next: list.metadata?._continue };
    });
    const at = (event: (typeof events)[number]) => Number(event.lastTimestamp ?? event.eventTime ?? 0);
    return events.sort((a, b) => at(a) - at(b)).map((event) => plainJson(event) as PodEvent);
  }

  /** What pods can read, without what is in it. */
  async listSecrets(labelSelector: string): Promise<FoundSecret[]> {
    const { namespace } = this;
    return this.all({ verb: "list", resource: SECRETS }, async ({ core }, page) => {
      const list = await core.listNamespacedSecret({ namespace, labelSelector, ...page });
      if (list.kind !== "SecretList") throw new NotTheApi();
      const items = list.items.map(({ metadata, data = {} }) => ({
        metadata: plainJson(metadata) as FoundSecret["metadata"],
        keys: Object.keys(data),
      }));
      return { items, next: list.metadata?._continue };
    });
  }

  private listApps(
    resource: Resource,
    labelSelector: string,
    known?: (answer: Answer) => { readonly is: Page<unknown> } | undefined,
  ): Promise<unknown[]> {
    const { namespace } = this;
    const ask = async ({ objects }: Apis, page: object): Promise<Page<unknown>> => {
      const request = { ...APPS, namespace, plural: resource.plural, labelSelector, ...page };
      const list = (await objects.listNamespacedCustomObject(request)) as ApiList;
      if (list.kind !== `${resource.kind}List`) throw new NotTheApi();
      return { items: list.items ?? [], next: list.metadata?.continue };
    };
    return this.all({ verb: "list", resource }, ask, known);
  }

  private async all<T>(
    request: { readonly verb: "list"; readonly resource: Resource },
    ask: (apis: Apis, page: { limit: number; _continue?: string }) => Promise<Page<T>>,
    known?: (answer: Answer) => { readonly is: Page<T> } | undefined,
  ): Promise<T[]> {
    const all: T[] = [];
    let next: string | undefined;
    do {
      const page = { limit: PAGE, ...(next ? { _continue: next } : {}) };
      const answer: Page<T> = await this.calls.call(request, (apis) => ask(apis, page), known);
      all.push(...answer.items);
      next = answer.next;
    } while (next);
    return all;
  }
}

interface ApiList {
  readonly kind?: string;
  readonly items?: readonly unknown[];
  readonly metadata?: { readonly continue?: string };
}

/** @throws NotTheApi where this is no workload: a portal's page, say, that was answered with 200. */
function workload(kind: Kind, found: unknown): Workload {
  const { metadata, spec } = (found ?? {}) as Partial<Workload>;
  if (!metadata?.name || !metadata.uid || !metadata.resourceVersion || !spec) throw new NotTheApi();
  return { ...(found as Workload), kind };
}

/** With times as texts, as the API has them. */
function plainJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? {}));
}
