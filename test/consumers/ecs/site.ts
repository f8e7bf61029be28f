/** A service of the emulator whose tasks log in to an issuer, under load, and the secret that they read. */
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import type { Consumer, RollTarget } from "../../../provider/contracts/consumer";
import type { AdapterContext } from "../../../provider/contracts/context";
import type { StoredVersion } from "../../../provider/contracts/store";
import { createEcsConsumer, ecsConsumerOptions } from "../../../provider/consumers/ecs";
import { versionIdOf } from "../../../provider/net/aws/versionId";
import type { ConsumerSite } from "../../../testing";
import { ECS_CHANGES, startEcs, type EcsDoor, type EcsEmulator, type EcsService } from "../../../testing/ecs";
import { startIssuer, type Issuer } from "./issuer";

export const ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf";
const APP = join(__dirname, "app.child.cjs");
const FAMILY = "orders-api";

export interface EcsSiteOptions {
  readonly taskDefinition?: "revise" | "keep";
  readonly desiredCount?: number;
  readonly circuitBreaker?: { readonly rollback: boolean };
  readonly loadBalancer?: boolean;
  /** Whether the first task definition names the version 1. Default: what is current. */
  readonly namesVersion?: boolean;
  /** Further options of the consumers. */
  readonly options?: Record<string, unknown>;
}

/** Credentials of the process, as the SDK finds them; nobody verifies them. */
export function useCredentials(): void {
  const set = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_EC2_METADATA_DISABLED: "true" };
  const former = new Map<string, string | undefined>();
  before(() => {
    for (const [name, value] of Object.entries(set)) {
      former.set(name, process.env[name]);
      process.env[name] = value;
    }
  });
  after(() => {
    for (const [name, value] of former) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
}

export async function until(what: string, isSo: () => boolean): Promise<void> {
  const limit = performance.now() + 15_000;
  while (!isSo()) {
    if (performance.now() > limit) throw new Error(`in vain waited for ${what}`);
    await sleep(5);
  }
}

export class EcsSite implements ConsumerSite {
  readonly stored = new Map<number, StoredVersion>();
  readonly versionsById = new Map<string, StoredVersion>();
  /** Called before a task is given a secret; what it throws is Secrets Manager's answer. */
  onSecret: (() => Promise<void>) | undefined;
  /** AWSCURRENT. */
  current: string;
  service!: EcsService;
  private door: EcsDoor | undefined;
  private onOpen: ((door: EcsDoor) => void) | undefined;
  private failed = 0;
  private isClosed = false;
  private traffic: Promise<void> = Promise.resolve();

  private constructor(
    readonly ecs: EcsEmulator,
    readonly issuer: Issuer,
    private readonly site: EcsSiteOptions,
  ) {
    this.current = versionIdOf(this.version(1).ref);
  }

  static async open(options: EcsSiteOptions = {}): Promise<EcsSite> {
    const issuer = await startIssuer();
    // The site comes after the emulator that asks it.
    const holder: { site?: EcsSite } = {};
    const ecs = await startEcs({
      secrets: async ({ arn, versionId, versionStage }) => {
        const { site } = holder;
        await site?.onSecret?.();
        const id =
          versionId ?? (versionStage === undefined || versionStage === "AWSCURRENT" ? site?.current : undefined);
        const found = site?.versionsById.get(id ?? "");
        // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors
        if (arn !== ARN || !found || id === undefined)
          throw new Error(
            `ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: ${id}`,
          );
        return { versionId: id, text: JSON.stringify({ ...found.value, version: String(found.ref.version) }) };
      },
    });
    const site = (holder.site = new EcsSite(ecs, issuer, options));
    await site.deploy();
    return site;
  }

  async deploy(): Promise<void> {
    const { desiredCount = 1, circuitBreaker, loadBalancer, namesVersion = false } = this.site;
    this.define(namesVersion ? versionIdOf(this.version(1).ref) : "");
    this.service = this.ecs.createService({
      name: FAMILY,
      taskDefinition: FAMILY,
      desiredCount,
      ...(circuitBreaker ? { circuitBreaker } : {}),
      ...(loadBalancer === undefined ? {} : { loadBalancer }),
    });
    await until("the service to serve", () => this.service.balancer.keys().length === desiredCount);
    this.traffic = this.sendTraffic();
  }

  /** Registers a revision as the user's program would. */
  define(versionId: string, more: Record<string, unknown> = {}) {
    const secret = (name: string, key: string) => ({ name, valueFrom: `${ARN}:${key}::${versionId}` });
    return this.ecs.register({
      family: FAMILY,
      executionRoleArn: "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
      cpu: "256",
      memory: "512",
      networkMode: "awsvpc",
      requiresCompatibilities: ["FARGATE"],
      tags: [{ key: "team", value: "orders" }],
      containerDefinitions: [
        {
          name: "app",
          image: "orders:1",
          entryPoint: [process.execPath],
          command: [APP],
          environment: [{ name: "ISSUER", value: this.issuer.url }],
          secrets: [secret("PASSWORD", "password"), secret("VERSION", "version")],
        },
      ],
      ...more,
    });
  }

  optionsOf(endpoint: string): Record<string, unknown> {
    const { taskDefinition, options } = this.site;
    return {
      type: "ecs",
      name: "orders",
      cluster: this.ecs.cluster,
      service: FAMILY,
      secrets: { "orders-db": ARN },
      ...(taskDefinition ? { taskDefinition } : {}),
      region: "eu-west-1",
      endpoint,
      timeout: "2s",
      maxAttempts: 1,
      interval: "200ms",
      readyTimeout: "10s",
      adoptionTimeout: "2s",
      ...options,
    };
  }

  async start(context: AdapterContext, more: Record<string, unknown> = {}): Promise<Consumer> {
    await this.door?.close();
    this.door = await this.ecs.open();
    this.onOpen?.(this.door);
    this.onOpen = undefined;
    const options = ecsConsumerOptions.parse({ ...this.optionsOf(this.door.endpoint), ...more });
    const consumer = createEcsConsumer(options, context);
    return {
      name: consumer.name,
      wave: consumer.wave,
      pinned: consumer.pinned,
      hasEvidence: consumer.hasEvidence,
      roll: (target) => {
        // A version becomes current before its consumers are rolled.
        this.promote(target);
        return consumer.roll(target);
      },
      confirm: (target) => consumer.confirm(target),
    };
  }

  promote({ secrets: [first] }: RollTarget): void {
    if (first) this.current = versionIdOf(first.ref);
  }

  version(version: number): StoredVersion {
    const known = this.stored.get(version);
    if (known) return known;
    const password = `s3cret-of-version-${version}-${Math.random().toString(36).slice(2)}`;
    const made: StoredVersion = {
      secret: "orders-db",
      ref: { version, token: `0f1c9e0a-8f7e-4c3b-9d2e-${String(version).padStart(12, "0")}` },
      fingerprint: `fp${version}`.padEnd(8, "0"),
      issued: { user: `orders_v${version}` },
      value: { password },
    };
    this.issuer.accepts.add(password);
    this.stored.set(version, made);
    this.versionsById.set(versionIdOf(made.ref), made);
    return made;
  }

  breakVersion(version: number): void {
    this.issuer.accepts.delete(this.version(version).value["password"] ?? "");
  }

  async serving(): Promise<readonly number[]> {
    const ids = this.service.balancer.keys().flatMap((task) => [...task.versions.values()]);
    const versions = ids.map((id) => this.versionsById.get(id)?.ref.version ?? 0);
    return [...new Set(versions)].sort((a, b) => a - b);
  }

  failedRequests(): number {
    return this.failed;
  }

  changes(): number {
    return this.ecs.calls.filter(({ operation }) => ECS_CHANGES.includes(operation)).length;
  }

  cutAt(call: number, moment: "before" | "after"): Promise<void> {
    if (this.door) return this.door.cutAt(call, moment);
    // The first consumer is still to come.
    return new Promise((resolve, reject) => {
      this.onOpen = (door) => void door.cutAt(call, moment).then(resolve, reject);
    });
  }

  deny(denied: boolean): void {
    this.ecs.deny(denied ? ECS_CHANGES.map((operation) => `ecs:${operation}`) : []);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.traffic;
    await this.ecs.stop();
    await this.issuer.close();
  }

  private async sendTraffic(): Promise<void> {
    while (!this.isClosed) {
      const { status } = await this.service.balancer.request("/");
      if (status !== 200) this.failed += 1;
      await sleep(10);
    }
  }
}
