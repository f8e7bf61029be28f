/**
 * Workloads in a Kubernetes cluster: their pod templates name the Secret of the wanted version, and nothing else of them
 * is changed. What was rolled is read off the cluster each time.
 */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, ConflictError, ConsumerError, NotFoundError } from "../../lifecycle/errors";
import { awaitAdoption } from "../../net/awaitAdoption";
import { Calls } from "../../net/kubernetes/calls";
import { connect, type Surroundings } from "../../net/kubernetes/client";
import { durationMs } from "../../net/options";
import { describeTarget } from "../../net/target";
import { describeConsumer } from "../../net/toldConsumer";
import { waitUntil } from "../../net/waitUntil";
import { adoptionOf, type Seen } from "./adoption";
import { applyBody } from "./apply";
import { ADVICE, Cluster } from "./cluster";
import type { KubernetesConsumerOptions } from "./options";
import { plan } from "./plan";
import { podsOf } from "./pods";
import { readerSelector, wantedOf, type Wanted } from "./readers";
import { awaitRollout } from "./rolling";
import { describeWorkload, KINDS, type Workload } from "./workload";

/** How often a workload that somebody else changes at the same moment is looked at again. */
const APPLY_ATTEMPTS = 10;

export class KubernetesConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  readonly pinned: boolean;
  readonly readersCacheMs: number;
  readonly hasEvidence: boolean;
  readonly isDeclared: boolean;
  private readonly cluster: Cluster;
  private readonly annotationOnly: boolean;

  /** @param surroundings given by tests. */
  constructor(
    private readonly options: KubernetesConsumerOptions,
    private readonly context: AdapterContext,
    surroundings?: Surroundings,
  ) {
    const { name, namespace, kubeconfig, requestTimeout, adoption } = options;
    const described = describeConsumer(options);
    this.name = name;
    this.wave = described.wave;
    this.readersCacheMs = described.readersCacheMs ?? 0;
    this.annotationOnly = options.annotationOnly ?? false;
    // What the program declares is used from the moment the engine applies it, before it is rolled.
    this.isDeclared = options.declared ?? false;
    this.pinned = !this.annotationOnly && !this.isDeclared;
    this.hasEvidence = !this.annotationOnly || adoption !== undefined;
    const location = `Consumer "${name}"`;
    const calls = new Calls({ location, namespace, timeout: requestTimeout, advice: ADVICE }, context, () =>
      connect({ who: location, kubeconfig }, context, surroundings),
    );
    this.cluster = new Cluster(namespace, calls);
  }

  async roll(target: RollTarget): Promise<void> {
    this.context.signal.throwIfAborted();
    const wanted = await this.find(target);
    const workloads = await this.workloads();
    const impossible = workloads.flatMap((workload) => this.whyNot(workload, wanted) ?? []);
    if (impossible.length > 0)
      throw new ConfigurationError(
        `Consumer "${this.name}" cannot be rolled to ${describeTarget(target)}: ${impossible.join(". ")}. Nothing was changed.`,
      );
    for (const workload of workloads) await this.move(workload, wanted, target);
    const { options, cluster, context } = this;
    await awaitRollout({ options, cluster, context, target, wanted, workloads });
  }

  async confirm(target: RollTarget): Promise<Adoption> {
    const { name, adoptionTimeout, adoption, interval } = this.options;
    const timeoutMs = durationMs(adoptionTimeout, "60s");
    const wanted = await this.find(target);
    const seen = await waitUntil<Seen>(
      {
        what: `the pods of consumer "${name}" to use ${describeTarget(target)}`,
        intervalMs: durationMs(interval, "1s"),
        timeoutMs,
        ask: () => this.look(wanted),
        good: ({ adopted, isElsewhere }) => adopted || (isElsewhere === true && !this.isDeclared),
        describe: ({ detail }) => detail,
      },
      this.context,
    );
    const late = seen.isElsewhere && !this.isDeclared ? "" : `not within ${describeDuration(timeoutMs)}: `;
    if (!seen.adopted) return { adopted: false, detail: `${late}${seen.detail}` };
    if (adoption) {
      const request = { consumer: name, adoption, timeout: adoptionTimeout, interval };
      const { adopted, detail } = await awaitAdoption(request, target, this.context);
      return { adopted, detail: `${seen.detail}; ${detail}` };
    }
    if (this.annotationOnly)
      return { adopted: false, detail: `no evidence of the version in use: it was only restarted. ${seen.detail}` };
    return { adopted: true, detail: seen.detail };
  }

  private async look(wanted: readonly Wanted[]): Promise<Seen> {
    const workloads = await this.workloads();
    const all = await Promise.all(
      workloads.map(async (workload) =>
        adoptionOf(workload, await podsOf(workload, this.cluster), wanted, this.annotationOnly),
      ),
    );
    const not = all.filter(({ adopted }) => !adopted);
    const detail = (not.length > 0 ? not : all).map((one) => one.detail).join("; ");
    return { adopted: not.length === 0, detail, ...(not.some((one) => one.isElsewhere) ? { isElsewhere: true } : {}) };
  }

  /** What the cluster has of the target; nothing is looked up where no Secret is named. */
  private find(target: RollTarget): Promise<Wanted[]> {
    const { namespace, secrets = {} } = this.options;
    const place = `Consumer "${this.name}": the namespace "${namespace}"`;
    return Promise.all(
      target.secrets.map(async (version): Promise<Wanted> => {
        const { secret, ref, fingerprint } = version;
        const base = (Object.hasOwn(secrets, secret) ? secrets[secret] : undefined) ?? secret;
        if (this.annotationOnly) return { secret, base, version: ref.version, fingerprint, readers: [] };
        return wantedOf(version, base, await this.cluster.listSecrets(readerSelector(base, version)), place);
      }),
    );
  }

  private async workloads(): Promise<Workload[]> {
    const { workload, selector, namespace } = this.options;
    if (workload) {
      const found = await this.cluster.getWorkload(workload.kind, workload.name);
      if (found) return [found];
      throw new NotFoundError(
        `Consumer "${this.name}": there is no ${workload.kind} "${workload.name}" in the namespace "${namespace}". Nothing ` +
          "was changed. Deploy it, or correct `workload` or `namespace`.",
      );
    }
    const all: Workload[] = [];
    for (const kind of KINDS) all.push(...(await this.cluster.listWorkloads(kind, selector ?? "")));
    if (all.length > 0) return all;
    throw new NotFoundError(
      `Consumer "${this.name}": no Deployment, StatefulSet or DaemonSet in the namespace "${namespace}" has labels that ` +
        `fit ${JSON.stringify(selector)}. Nothing was changed. Deploy one, or correct \`selector\` or \`namespace\`.`,
    );
  }

  private whyNot(workload: Workload, wanted: readonly Wanted[]): string | undefined {
    const decided = plan(workload, wanted, this.annotationOnly);
    return decided.is === "impossible" ? `${describeWorkload(workload)}: ${decided.why}` : undefined;
  }

  /** One change for all secrets, so that it restarts once. Somebody else's change at the same moment is not overwritten. */
  private async move(seen: Workload, wanted: readonly Wanted[], target: RollTarget): Promise<void> {
    let workload: Workload | undefined = seen;
    for (let attempt = 1; attempt <= APPLY_ATTEMPTS; attempt++) {
      const decided = plan(workload, wanted, this.annotationOnly);
      if (decided.is === "there") return;
      if (decided.is === "impossible" || this.isDeclared)
        throw decided.is === "impossible"
          ? new ConsumerError(
              `Consumer "${this.name}": ${describeWorkload(workload)} was changed meanwhile: ${decided.why}.`,
            )
          : this.notDeclared(workload, decided.moves, target);
      const applied = await this.cluster.apply(workload, applyBody(decided.desired, decided.changed));
      if (applied !== "changed") {
        this.context.log.info(
          `Consumer "${this.name}": ${describeWorkload(workload)} is moved from ${decided.moves.join(", and from ")}.`,
        );
        return;
      }
      workload = await this.cluster.getWorkload(workload.kind, workload.metadata.name);
      if (workload?.metadata.uid !== seen.metadata.uid)
        throw new ConsumerError(
          `Consumer "${this.name}": ${describeWorkload(seen)} was deleted while it was to be moved to ${describeTarget(target)}.`,
        );
    }
    throw new ConflictError(
      `Consumer "${this.name}": ${describeWorkload(seen)} was changed by others ${APPLY_ATTEMPTS} times while it was to be moved to ` +
        `${describeTarget(target)}. It is as they left it. Stop what keeps changing it, then run again.`,
    );
  }

  private notDeclared(workload: Workload, moves: readonly string[], target: RollTarget): ConsumerError {
    return new ConsumerError(
      `Consumer "${this.name}": the pod template of ${describeWorkload(workload)} does not name ${describeTarget(target)}; it would ` +
        `have to change from ${moves.join(", and from ")}. Nothing was changed here, because it is declared in a program. Let ` +
        "that take the Secret's name from secretNameOf, name it in the rollout's `dependents`, and run it.",
    );
  }
}
