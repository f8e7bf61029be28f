/**
 * One service: what it was told, what is so by now, and how the one becomes the other.
 *
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#Service, and what service.proto of
 * google.cloud.run.v2 says of `reconciling`: while it is true, what is told of revisions and traffic may be as before; when
 * it has failed, it stays as it was for the last serving revision.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { StatusError } from "../gcpSecretManager/status";
import { FrontDoor, Picker } from "./frontDoor";
import { EmulatedRevision, type RevisionSetting } from "./revision";
import { checkAnnotations, checkEtag, checkPaths, checkTraffic } from "./rules";
import type { Condition, ServiceMessage, Template, TrafficTarget } from "./wire";

const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
/** How long a step of the reconciliation takes, in ms. */
const STEP_MS = 5;

export interface Gate {
  /** Resolves when such operations may go on. */
  open(of: "revisions" | "traffic"): Promise<void>;
}

interface Route {
  readonly targets: readonly TrafficTarget[];
  readonly tags: ReadonlyMap<string, FrontDoor>;
}

export class EmulatedService {
  private template: Template;
  private labels: Readonly<Record<string, string>>;
  private annotations: Readonly<Record<string, string>>;
  private traffic: readonly TrafficTarget[];
  private etag = `"${randomUUID()}"`;
  private generation = 1;
  private observed = 0;
  private reconciling = 0;
  private made = 0;
  private latestCreated = "";
  private latestReady = "";
  private configuration: Condition = { type: "ConfigurationsReady", state: "CONDITION_PENDING" };
  private routes: Condition = { type: "RoutesReady", state: "CONDITION_PENDING" };
  private route: Route = { targets: [], tags: new Map() };
  private readonly picker = new Picker<string>();
  private isStopped = false;
  readonly revisions = new Map<string, EmulatedRevision>();

  private constructor(
    /** `projects/P/locations/R/services/S` */
    readonly name: string,
    given: ServiceMessage,
    private readonly setting: Omit<RevisionSetting, "service">,
    private readonly gate: Gate,
    private door: FrontDoor | undefined,
  ) {
    this.template = given.template ?? {};
    this.labels = { ...given.labels };
    this.annotations = { ...given.annotations };
    this.traffic = given.traffic ?? [];
  }

  /** @returns it at once; {@link settled} when it serves. */
  static async create(
    name: string,
    given: ServiceMessage,
    setting: Omit<RevisionSetting, "service">,
    gate: Gate,
  ): Promise<EmulatedService> {
    check(given);
    const service = new EmulatedService(name, given, setting, gate, undefined);
    service.door = await FrontDoor.open((incoming, outgoing) => void service.answer(incoming, outgoing));
    void service.reconcile(service.make(service.template));
    return service;
  }

  get uri(): string {
    return this.door?.uri ?? "";
  }

  /** Percent of the requests by revision, as the front door sends them. */
  get shares(): ReadonlyMap<string, number> {
    const shares = new Map<string, number>();
    for (const target of this.route.targets) {
      const revision = this.resolve(target);
      const percent = target.percent ?? 0;
      if (percent > 0) shares.set(revision, (shares.get(revision) ?? 0) + percent);
    }
    return shares;
  }

  get isReconciling(): boolean {
    return this.reconciling > 0;
  }

  /** What is told, as a program of a user's finds it. */
  get told(): { readonly template: Template; readonly traffic: readonly TrafficTarget[] } {
    return { template: this.template, traffic: this.traffic };
  }

  /** Whether a change with these fields makes a revision. */
  deploys(given: ServiceMessage, paths: readonly string[]): boolean {
    return takes(paths, "template") && !isSame(given.template ?? {}, this.template);
  }

  /**
   * Carries it out. Without paths everything is replaced: update_mask of service.proto is optional.
   * @returns resolves when the operation is done.
   */
  update(given: ServiceMessage, paths: readonly string[]): Promise<void> {
    checkPaths(paths);
    checkEtag(given, this.etag);
    check(given);
    const template = given.template ?? {};
    const deploys = this.deploys(given, paths);
    if (deploys) this.checkName(template);
    if (takes(paths, "template")) this.template = template;
    if (takes(paths, "traffic")) this.traffic = given.traffic ?? [];
    if (takes(paths, "annotations")) this.annotations = { ...given.annotations };
    if (takes(paths, "labels")) this.labels = { ...given.labels };
    this.etag = `"${randomUUID()}"`;
    this.generation += 1;
    return this.reconcile(deploys ? this.make(template) : undefined);
  }

  async settled(): Promise<void> {
    while (this.isReconciling) await delay(STEP_MS);
  }

  message(): object {
    const full = (revision: string) => (revision === "" ? "" : `${this.name}/revisions/${revision}`);
    return {
      name: this.name,
      etag: this.etag,
      generation: String(this.generation),
      observedGeneration: String(this.observed),
      labels: this.labels,
      annotations: this.annotations,
      template: this.template,
      traffic: this.traffic.length > 0 ? this.traffic : [{ type: LATEST, percent: 100 }],
      trafficStatuses: this.route.targets.map((target) => ({
        ...target,
        ...(target.tag ? { uri: this.route.tags.get(target.tag)?.uri ?? "" } : {}),
      })),
      latestCreatedRevision: full(this.latestCreated),
      latestReadyRevision: full(this.latestReady),
      terminalCondition: this.terminal,
      conditions: [this.configuration, this.routes],
      reconciling: this.isReconciling,
      uri: this.uri,
    };
  }

  revisionMessage(revision: EmulatedRevision): object {
    const { revision: _name, annotations, labels, ...rest } = revision.template;
    return {
      ...rest,
      annotations,
      labels,
      name: `${this.name}/revisions/${revision.name}`,
      service: this.name,
      conditions: revision.conditions,
      reconciling: !revision.isReady && !revision.hasFailed,
      logUri: `https://console.cloud.google.com/logs/viewer?resource=cloud_run_revision/revision_name/${revision.name}`,
    };
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all([this.door?.close(), ...[...this.route.tags.values()].map((door) => door.close())]);
    await Promise.all([...this.revisions.values()].map((revision) => revision.stop()));
  }

  private get terminal(): Condition {
    if (this.isReconciling) return { type: "Ready", state: "CONDITION_RECONCILING", reason: "WAITING_FOR_OPERATION" };
    const failed = [this.configuration, this.routes].find(({ state }) => state === "CONDITION_FAILED");
    return failed === undefined ? { type: "Ready", state: "CONDITION_SUCCEEDED" } : { ...failed, type: "Ready" };
  }

  /** A name that another revision has stays that one's; which code it is answered with is seen, not documented. */
  private checkName({ revision = "" }: Template): void {
    if (revision === "" || !this.revisions.has(revision)) return;
    throw new StatusError(
      "ALREADY_EXISTS",
      `Revision named '${revision}' with different configuration already exists.`,
    );
  }

  /** https://cloud.google.com/run/docs/managing/revisions: names are made of the service's, a number and three letters. */
  private make(template: Template): EmulatedRevision {
    this.made += 1;
    const service = this.name.slice(this.name.lastIndexOf("/") + 1);
    const letters = randomUUID()
      .replace(/[^a-f]/g, "")
      .padEnd(3, "x")
      .slice(0, 3);
    const name = template.revision || `${service}-${String(this.made).padStart(5, "0")}-${letters}`;
    return new EmulatedRevision(name, template, { ...this.setting, service });
  }

  private async reconcile(revision: EmulatedRevision | undefined): Promise<void> {
    this.reconciling += 1;
    try {
      // It takes a moment until anything is seen of a change.
      await delay(STEP_MS);
      if (revision !== undefined) {
        this.revisions.set(revision.name, revision);
        this.latestCreated = revision.name;
      }
      await this.gate.open(revision === undefined ? "traffic" : "revisions");
      if (revision !== undefined) await this.bringUp(revision);
      await delay(STEP_MS);
      await this.moveTraffic();
    } finally {
      this.reconciling -= 1;
      if (this.configuration.state === "CONDITION_SUCCEEDED") this.observed = this.generation;
    }
  }

  private async bringUp(revision: EmulatedRevision): Promise<void> {
    if (this.isStopped) return;
    await revision.deploy();
    // Another one may have been made meanwhile.
    if (this.latestCreated !== revision.name) return;
    if (revision.isReady) {
      this.latestReady = revision.name;
      this.configuration = { type: "ConfigurationsReady", state: "CONDITION_SUCCEEDED" };
      return;
    }
    const why = revision.conditions.find(({ type }) => type === "Ready");
    this.configuration = {
      type: "ConfigurationsReady",
      state: "CONDITION_FAILED",
      reason: "REVISION_FAILED",
      message: `Revision '${revision.name}' is not ready and cannot serve traffic. ${why?.message ?? ""}`,
    };
  }

  private async moveTraffic(): Promise<void> {
    if (this.isStopped) return;
    const wanted = this.traffic.length > 0 ? this.traffic : [{ type: LATEST, percent: 100 } as const];
    for (const target of wanted) {
      const revision = this.resolve(target);
      if (this.revisions.get(revision)?.isReady === true) continue;
      const message = `Revision '${revision}' is not ready and cannot serve traffic.`;
      this.routes = { type: "RoutesReady", state: "CONDITION_FAILED", reason: "REVISION_FAILED", message };
      return;
    }
    this.routes = { type: "RoutesReady", state: "CONDITION_SUCCEEDED" };
    const tags = new Map<string, FrontDoor>();
    for (const target of wanted) {
      const { tag } = target;
      if (!tag) continue;
      const revision = this.resolve(target);
      tags.set(
        tag,
        await FrontDoor.open((incoming, outgoing) => void this.revisions.get(revision)?.answer(incoming, outgoing)),
      );
    }
    const former = this.route;
    this.route = { targets: wanted, tags };
    await Promise.all([...former.tags.values()].map((door) => door.close()));
    const addressed = new Set(wanted.map((target) => this.resolve(target)));
    for (const revision of this.revisions.values())
      if (revision.isReady && !addressed.has(revision.name) && revision.name !== this.latestCreated)
        revision.scaleDown();
  }

  private resolve({ type, revision = "" }: TrafficTarget): string {
    return type === LATEST || revision === "" ? this.latestReady : revision.slice(revision.lastIndexOf("/") + 1);
  }

  private async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const picked = this.picker.pick(this.shares);
    const revision = picked === undefined ? undefined : this.revisions.get(picked);
    if (revision === undefined) outgoing.writeHead(404).end();
    else await revision.answer(incoming, outgoing);
  }
}

function check({ annotations, template, traffic }: ServiceMessage): void {
  checkAnnotations(annotations);
  checkAnnotations(template?.annotations);
  checkTraffic(traffic ?? []);
}

function takes(paths: readonly string[], path: string): boolean {
  return paths.length === 0 || paths.includes(path);
}

/** Templates with the same content make no new revision. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value)
    .filter(([, inner]) => !isEmpty(inner))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, inner]) => `${key}:${canonical(inner)}`);
  return `{${parts.join(",")}}`;
}

/** What proto3 does not tell from absent. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "string" && value.endsWith("_UNSPECIFIED");
}
