/** The consumer of Kubernetes workloads does what every consumer does, killed at each call of the API included. */
import type { ConsumerSite } from "../../testing/consumerConformance";
import { consumerConformance } from "../../testing/consumerConformance";
import { interposed, type Hook } from "./kubernetes/interposed";
import { podWithEnvFrom, Site, type Any, type Kind } from "./kubernetes/site";

const LOOK_EVERY_MS = 100;
const NEVER = new Promise<never>(() => undefined);

/** One workload, whose pods are looked at all the time: a moment without a ready one is a request that failed. */
class Workload implements ConsumerSite {
  private readonly name: string;
  private failed = 0;
  private changed = 0;
  private denied = false;
  private generation = 0;
  /** Belongs to the consumer that makes the next call. */
  private cut: { left: number; moment: "before" | "after"; reached: () => void; of?: number } | undefined;
  private closed = false;
  private watching: Promise<void> | undefined;

  constructor(
    private readonly site: Site,
    private readonly kind: Kind,
  ) {
    this.name = site.newName();
  }

  async open(): Promise<this> {
    await this.version(1);
    await this.site.deploy(this.kind, this.name, podWithEnvFrom(this.secret(1)), { replicas: 2 });
    this.watching = this.watch();
    return this;
  }

  start(context: Parameters<ConsumerSite["start"]>[0]) {
    const workload = { kind: this.kind, name: this.name };
    const given = { workload, interval: "250ms", requestTimeout: "1s", adoptionTimeout: "10s" };
    return this.site.consumer(given, context, interposed(this.hookOf(++this.generation)));
  }

  version(version: number) {
    return this.site.publish(this.name, version);
  }

  breakVersion(version: number): void {
    this.site.plane.kubelet.broken.add(this.secret(version));
  }

  async serving(): Promise<number[]> {
    const ready = (await this.site.pods(this.name)).filter(isReady);
    const names = ready.map(({ spec }) => spec.containers[0].envFrom[0].secretRef.name as string);
    return [...new Set(names.map((name) => Number(/-v(\d+)-e\d+$/.exec(name)?.[1])))].sort((a, b) => a - b);
  }

  failedRequests = () => this.failed;
  changes = () => this.changed;

  cutAt(call: number, moment: "before" | "after"): Promise<void> {
    return new Promise((reached) => {
      this.cut = { left: call, moment, reached };
    });
  }

  deny(denied: boolean): void {
    this.denied = denied;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.watching;
    await this.site.must("DELETE", `${this.site.apps(this.kind)}/${this.name}`);
  }

  private secret(version: number): string {
    return `${this.name}-v${version}-e${version}`;
  }

  private hookOf(generation: number): Hook {
    return async ({ isChange }, proceed) => {
      if (generation !== this.generation) return NEVER;
      if (this.cut?.of !== undefined && this.cut.of !== generation) this.cut = undefined;
      const { cut } = this;
      if (cut) cut.of = generation;
      const isCut = cut !== undefined && --cut.left <= 0;
      if (isCut && (cut.moment === "before" || cut.left < 0)) {
        cut.reached();
        return NEVER;
      }
      const answer = await proceed(isChange && this.denied ? this.site.plane.server.token("nobody") : undefined);
      if (isChange) this.changed++;
      if (!isCut) return answer;
      cut.reached();
      return NEVER;
    };
  }

  private async watch(): Promise<void> {
    while (!this.closed) {
      if (!(await this.site.pods(this.name)).some(isReady)) this.failed++;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}

function isReady({ status }: Any): boolean {
  return status.conditions?.some((one: Any) => one.type === "Ready" && one.status === "True") ?? false;
}

describe("a Kubernetes workload, like every consumer", function () {
  this.timeout(300_000);
  let site: Site | undefined;

  before(async () => {
    site = await Site.start();
    // Faster than a real one, so that it is certain after a moment.
    site.plane.kubelet.restarts = { everyMs: 100, most: 3 };
  });
  after(async () => site?.stop());

  for (const kind of ["Deployment", "StatefulSet"] as const) {
    describe(`a ${kind}`, () => {
      const open = async () => {
        if (site === undefined) throw new Error("the control plane is not started yet");
        return new Workload(site, kind).open();
      };
      for (const c of consumerConformance({ open })) it(c.name, c.run);
    });
  }
});
