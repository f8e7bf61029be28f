/** A secret with its stack, all adapters in memory, and ways to look at it in the middle of a run. */
import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import type { AuditEvent } from "../../provider/contracts/audit";
import type { SecretStore } from "../../provider/contracts/store";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import { SEAM_HOOK, type SeamHook } from "../../provider/rotation/effects";
import { Runtime } from "../../provider/runtime";
import { memoryIssuer, type MemoryCredential, type MemoryIssuer } from "../../testing/memoryKind";
import { memoryWorkload, type MemoryWorkload } from "../../testing/memoryWorkload";
import {
  MiniStack,
  registerMemoryAdapters,
  resetMemory,
  TestClock,
  type Properties,
  type RunResult,
  type UpOptions,
} from "../support/miniEngine";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Keys of rollouts in the ledger. */
export const ORDERS = "org/app/prod::orders";
export const REPORTS = "org/reports/prod::reports";

export const store = { type: "memory", name: "db" };
export const replica = { type: "memory", name: "copy" };

export const secret = (more: Properties = {}): Properties => ({
  name: "orders-db",
  kind: { type: "memory", name: "issuer" },
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h" },
  ...more,
});

export type RolloutArgs = (link: Properties) => Properties;

export const rollout =
  (more: Properties = {}): RolloutArgs =>
  (link) => ({
    name: "orders",
    secrets: [link],
    consumers: [{ type: "memory", name: "api" }],
    checks: [{ type: "memory", name: "api-health", workload: "api" }],
    ...more,
  });

/** A rollout of another stack. */
export const reports = (more: Properties = {}): RolloutArgs =>
  rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }], checks: [], ...more });

type Moment = "before" | "after";

export class Site {
  readonly clock = new TestClock();
  readonly stack = new MiniStack(this.clock);
  /** Owns nothing; uses the secret of the first. */
  readonly other = new MiniStack(this.clock, "org/reports/prod");

  constructor() {
    registerMemoryAdapters();
    resetMemory();
  }

  get api(): MemoryWorkload {
    return memoryWorkload("api");
  }

  get issuer(): MemoryIssuer {
    return memoryIssuer("issuer");
  }

  /** A run that has to go through. */
  async up(
    args: Properties | null = secret(),
    roll: RolloutArgs | null = rollout(),
    options: UpOptions = {},
  ): Promise<RunResult> {
    const result = await this.stack.up(args, roll, options);
    assert.ifError(result.error);
    return result;
  }

  /** Only the secret, so that the new version stays unconfirmed. */
  upSecretOnly(args = secret()): Promise<RunResult> {
    return this.up(args, rollout(), { targetSecret: true });
  }

  /** A run that has to fail. @returns its message. */
  async fails(
    args: Properties | null = secret(),
    roll: RolloutArgs | null = rollout(),
    options: UpOptions = {},
  ): Promise<string> {
    const { error } = await this.stack.up(args, roll, options);
    assert.ok(error, "the run fails");
    return error.message;
  }

  async upOther(args = reports(), link = this.stack.link): Promise<void> {
    assert.ifError((await this.other.upRolloutOf(link, args)).error);
  }

  /** v2 is current and unconfirmed, v1 superseded. */
  async rotateUnconfirmed(): Promise<void> {
    await this.up();
    this.clock.advance(91 * DAY);
    await this.upSecretOnly();
  }

  open(options: typeof store = store): Promise<SecretStore> {
    return new Runtime(() => undefined, this.clock).store(options);
  }

  ledger(of: typeof store = store): Promise<LedgerState> {
    return this.stack.ledger(of);
  }

  async change(change: (ledger: LedgerState) => void): Promise<void> {
    const opened = await this.open();
    const { body, revision } = await opened.load();
    change(body as LedgerState);
    await opened.commit(body, revision);
  }

  async states(): Promise<Record<string, string>> {
    return Object.fromEntries(
      (await this.ledger()).versions.map((record) => [`v${record.version}`, record.state] as const),
    );
  }

  async mayUse(key: string): Promise<readonly (number | "unknown")[] | undefined> {
    return (await this.ledger()).rollouts[key]?.mayUse;
  }

  /** The versions that the issuer has. */
  live(): string[] {
    return [...this.issuer.credentials.values()].map((one) => one.name.split("-")[2] ?? "");
  }

  credential(version: number): MemoryCredential {
    const found = [...this.issuer.credentials.values()].find((one) => one.name.includes(`-v${version}-`));
    assert.ok(found, `v${version} is at the issuer`);
    return found;
  }

  events(step: string): AuditEvent[] {
    return memoryAuditTrail("db").events.filter((event): event is AuditEvent => event?.step === step);
  }

  /** Does something at a point of the seam, during `work`, the first time that it is passed. */
  async at<T>(point: string, moment: Moment, act: () => unknown, work: () => Promise<T>): Promise<T> {
    const hooks = globalThis as Record<symbol, unknown>;
    let acted = false;
    const hook: SeamHook = async (passed, when) => {
      if (acted || passed !== point || when !== moment) return;
      acted = true;
      await act();
    };
    hooks[SEAM_HOOK] = hook;
    try {
      const result = await work();
      assert.ok(acted, `the run passes ${point}`);
      return result;
    } finally {
      Reflect.deleteProperty(hooks, SEAM_HOOK);
    }
  }

  /** The ledger as it is when a run comes to a point. */
  async ledgerAt(point: string, work: () => Promise<unknown>): Promise<LedgerState> {
    let seen: LedgerState | undefined;
    await this.at(point, "before", async () => (seen = structuredClone(await this.ledger())), work);
    assert.ok(seen);
    return seen;
  }

  /** A run that comes to an end at a point. */
  async stopAt(point: string, moment: Moment, args = secret(), roll: RolloutArgs | null = rollout()): Promise<void> {
    const stop = () => {
      throw new Error("killed");
    };
    assert.match(await this.at(point, moment, stop, () => this.fails(args, roll)), /killed/);
  }
}
