/** One revision: never changed, with an instance while it is asked. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Instance } from "./instance";
import { mount, type SecretSource } from "./secrets";
import type { Condition, Template } from "./wire";

/** How long a container has to start, where the test does not say; the real one gives 4 minutes: https://cloud.google.com/run/quotas */
const STARTUP_MS = 10_000;

export interface RevisionSetting {
  readonly service: string;
  readonly secrets: SecretSource;
  readonly startupMs?: number | undefined;
}

export class EmulatedRevision {
  conditions: readonly Condition[] = [{ type: "Ready", state: "CONDITION_RECONCILING", revisionReason: "PENDING" }];
  private instance: Promise<Instance | undefined> | undefined;
  private running: Instance | undefined;

  constructor(
    /** Its short name. */
    readonly name: string,
    readonly template: Template,
    private readonly setting: RevisionSetting,
  ) {}

  get isReady(): boolean {
    return this.conditions.some(({ type, state }) => type === "Ready" && state === "CONDITION_SUCCEEDED");
  }

  get hasFailed(): boolean {
    return this.conditions.some(({ type, state }) => type === "Ready" && state === "CONDITION_FAILED");
  }

  /** Looks at its secrets and starts a first instance, as a deployment does. */
  async deploy(): Promise<void> {
    const mounted = mount(this.template, this.setting.secrets);
    if ("denied" in mounted) {
      // Code: condition.proto of google.cloud.run.v2. Words: https://cloud.google.com/run/docs/troubleshooting
      const message =
        `Permission denied on secret: ${mounted.denied} for Revision service account. The service account used must be ` +
        "granted the 'Secret Manager Secret Accessor' role (roles/secretmanager.secretAccessor) at the secret, project " +
        "or higher level.";
      this.fail("SecretsAccessible", { reason: "SECRETS_ACCESS_CHECK_FAILED", message });
      return;
    }
    if ((await this.start()) === undefined) {
      // Code: condition.proto of google.cloud.run.v2. Words: https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start
      const message =
        "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 " +
        "environment variable within the allocated timeout.";
      this.fail("ContainerHealthy", { revisionReason: "HEALTH_CHECK_CONTAINER_ERROR", message });
      return;
    }
    this.conditions = ["Ready", "ContainerHealthy", "ContainerReady", "ResourcesAvailable"].map((type) => ({
      type,
      state: "CONDITION_SUCCEEDED" as const,
    }));
  }

  /** An instance is started on demand, and takes its secrets from the environment then. */
  async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (this.running?.runs !== true) this.instance = undefined;
    const instance = await this.start();
    if (instance === undefined) {
      outgoing.writeHead(503);
      outgoing.end();
    } else instance.forward(incoming, outgoing);
  }

  /** What gets no requests is scaled to none: https://cloud.google.com/run/docs/about-instance-autoscaling */
  scaleDown(): void {
    this.running?.leave();
    this.running = undefined;
    this.instance = undefined;
  }

  async stop(): Promise<void> {
    const instance = await this.instance;
    await instance?.stop();
  }

  fail(type: string, why: Pick<Condition, "reason" | "revisionReason" | "message">): void {
    this.conditions = ["Ready", type].map((each) => ({ type: each, state: "CONDITION_FAILED" as const, ...why }));
  }

  private start(): Promise<Instance | undefined> {
    this.instance ??= this.startOne();
    return this.instance;
  }

  private async startOne(): Promise<Instance | undefined> {
    const { service, secrets, startupMs = STARTUP_MS } = this.setting;
    const mounted = mount(this.template, secrets);
    if ("denied" in mounted) return undefined;
    const names = { K_SERVICE: service, K_REVISION: this.name };
    const started = await Instance.start(this.template.containers?.[0] ?? {}, mounted, names, startupMs);
    this.running = started;
    return started;
  }
}
