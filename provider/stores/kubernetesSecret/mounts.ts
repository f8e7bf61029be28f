/** Which pods have a Secret: those that still have a version hold its retirement back. */
import type { UsageReport, Use } from "../../contracts/kind";
import { NotTheApi } from "../../net/kubernetes/answers";
import type { Calls } from "../../net/kubernetes/calls";
import type { ApiPod } from "../../net/kubernetes/client";
import type { Resource } from "../../net/kubernetes/failures";
import type { Names } from "./names";

const PODS: Resource = { kind: "Pod", plural: "pods", group: "" };
const LIST_PAGE = 200;
/** Their containers have ended and are not started again. */
const ENDED: ReadonlySet<string | undefined> = new Set(["Succeeded", "Failed"]);

export class Mounts {
  constructor(
    private readonly namespace: string,
    private readonly calls: Calls,
    private readonly names: Names,
  ) {}

  /** Every pod of the namespace that has a Secret of this version, under whatever epoch. */
  async of(version: number): Promise<UsageReport> {
    const pods = await this.pods();
    if (pods === undefined)
      return {
        verdict: "unknown",
        uses: [],
        detail: `the pods of the namespace "${this.namespace}" may not be listed (verb "list", resource "pods")`,
      };
    const uses = pods.flatMap((pod) => this.useBy(pod, version));
    return { verdict: uses.length > 0 ? "used" : "not-seen", uses };
  }

  private useBy(pod: ApiPod, version: number): Use[] {
    if (ENDED.has(pod.status?.phase)) return [];
    const ways = secretsOf(pod).filter(({ secret }) => this.names.isReaderOf(secret, version));
    const [first] = ways;
    if (first === undefined) return [];
    const owner = pod.metadata?.ownerReferences?.find((one) => one.controller);
    const since = pod.status?.startTime?.getTime();
    return [
      {
        by:
          `pod ${this.namespace}/${pod.metadata?.name ?? "(unnamed)"}` +
          `${owner === undefined ? "" : ` of ${owner.kind} ${owner.name}`}, which has the Secret ${first.secret} as ` +
          ways.map(({ as }) => as).join(" and "),
        application: owner?.name ?? pod.metadata?.name ?? "(unnamed)",
        ...(since === undefined ? {} : { since }),
      },
    ];
  }

  /** @returns `undefined` where they may not be listed. */
  private async pods(): Promise<ApiPod[] | undefined> {
    const { namespace } = this;
    const all: ApiPod[] = [];
    let next: string | undefined;
    do {
      const request = { namespace, limit: LIST_PAGE, ...(next ? { _continue: next } : {}) };
      const page = await this.calls.call<{ items: ApiPod[]; next: string | undefined } | undefined>(
        { verb: "list", resource: PODS },
        async ({ core }) => {
          const list = await core.listNamespacedPod(request);
          if (list.kind !== "PodList") throw new NotTheApi();
          return { items: list.items, next: list.metadata?._continue };
        },
        (answer) => (answer.code === 403 ? { is: undefined } : undefined),
      );
      if (page === undefined) return undefined;
      all.push(...page.items);
      next = page.next;
    } while (next);
    return all;
  }
}

/** The Secrets that a pod's specification names, each with the way in which it has it. */
function secretsOf({ spec }: Pick<ApiPod, "spec">): { readonly secret: string; readonly as: string }[] {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const named: { secret: string | undefined; as: string }[] = [
    ...(spec?.volumes ?? []).flatMap(({ name, secret, projected, csi }) =>
      [
        secret?.secretName,
        csi?.nodePublishSecretRef?.name,
        ...(projected?.sources ?? []).map((source) => source.secret?.name),
      ].map((one) => ({ secret: one, as: `volume "${name}"` })),
    ),
    ...containers.flatMap(({ name, env, envFrom }) => [
      ...(env ?? []).map((variable) => ({
        secret: variable.valueFrom?.secretKeyRef?.name,
        as: `variable ${variable.name} of container "${name}"`,
      })),
      ...(envFrom ?? []).map((source) => ({
        secret: source.secretRef?.name,
        as: `variables of container "${name}"`,
      })),
    ]),
    ...(spec?.imagePullSecrets ?? []).map(({ name }) => ({ secret: name, as: "image pull secret" })),
  ];
  return named.flatMap(({ secret, as }) => (secret === undefined || secret === "" ? [] : [{ secret, as }]));
}
