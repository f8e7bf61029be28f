/**
 * The calls that the real engine makes on our two resource types, in its order (docs/protocol.md, "What a provider call
 * can know"), against the real handler with adapters in memory. Each run is a new provider process: it knows nothing of
 * the runs before. What the real engine does in these situations is asserted by the tests in test/engine.
 */
import { rolloutProvider } from "../../provider/engine/rollout";
import { secretVersionProvider } from "../../provider/engine/secretVersion";
import type { Clock } from "../../provider/contracts/context";
import { decodeLedger, type LedgerState } from "../../provider/lifecycle/ledger";
import type { VersionRef } from "../../provider/lifecycle/values";
import * as registry from "../../provider/registry";
import { Runtime } from "../../provider/runtime";
import { resetMemoryAuditTrails } from "../../provider/audit/memory";
import { resetMemoryStores } from "../../provider/stores/memory";
import { z } from "zod";
import { createMemoryKind, resetMemoryIssuers, type MemoryKindOptions } from "../../testing/memoryKind";
import {
  createMemoryCheck,
  createMemoryConsumer,
  memoryCheckOptions,
  memoryConsumerOptions,
  resetMemoryWorkloads,
} from "../../testing/memoryWorkload";

export type Properties = Record<string, unknown>;

/** Makes the adapters in memory known to the handler, for this test process. */
export function registerMemoryAdapters(): void {
  const options = z.strictObject({
    type: z.literal("memory"),
    name: z.string(),
    grants: z.array(z.string()).default([]),
  });
  Object.assign(registry.kinds, {
    memory: async () => ({
      options,
      create: (options: MemoryKindOptions) => createMemoryKind(options),
      inputPolicy: { name: "refuse" },
    }),
  });
  Object.assign(registry.consumers, {
    memory: async () => ({ options: memoryConsumerOptions, create: createMemoryConsumer }),
  });
  Object.assign(registry.checks, { memory: async () => ({ options: memoryCheckOptions, create: createMemoryCheck }) });
}

/** Empties everything that adapters in memory have kept. */
export function resetMemory(): void {
  resetMemoryStores();
  resetMemoryIssuers();
  resetMemoryWorkloads();
  resetMemoryAuditTrails();
}

export class TestClock implements Clock {
  constructor(public time = Date.UTC(2026, 0, 1)) {}
  now(): number {
    return this.time;
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.time += ms;
    await Promise.resolve();
  }
  advance(ms: number): void {
    this.time += ms;
  }
}

interface EntryInState {
  id: string;
  inputs: Properties;
  outputs: Properties;
}

export interface UpOptions {
  /** Only the secret, as with `--target`. */
  readonly targetSecret?: boolean;
  /** Only the rollout, as with `--target`: neither the secret nor the native resource is looked at. */
  readonly targetRollout?: boolean;
  /** As with `--replace`. */
  readonly force?: boolean;
  /** What a resource of the program does with the reference; an error stops the run. */
  readonly native?: (ref: string) => void | Promise<void>;
  /** The engine is killed before it saves what `create()` returned. */
  readonly loseCreate?: boolean;
  /** Further rollouts of the program, by resource name; what the state has beyond them is deleted. */
  readonly further?: Readonly<Record<string, RolloutArgs>>;
  /** As with `--continue-on-error`, at its worst: what does not depend on the failed step goes on, deletes included. */
  readonly continueOnError?: boolean;
  /** As with `retainOnDelete` of the secret: its entries leave the state, and nothing is called. */
  readonly retain?: boolean;
}

export type RolloutArgs = (link: Properties) => Properties;

export interface RunResult {
  readonly log: string[];
  readonly error?: Error;
  /** What the engine did to the secret. */
  readonly secret: "created" | "replaced" | "updated" | "same" | "none";
  readonly rollout: "created" | "updated" | "same" | "none";
}

const PROVIDER = { __provider: "text" };

/** One stack: a secret, a native resource, and a rollout. */
export class MiniStack {
  secret: EntryInState | null = null;
  pending: EntryInState[] = [];
  rollout: EntryInState | null = null;
  /** Rollouts beside that one, by resource name. */
  further: Record<string, EntryInState> = {};
  /** Called when a provider call has returned, before the engine saves what came of it; an error: it never does. */
  onReturn: (call: string) => void = () => undefined;

  constructor(
    readonly clock: TestClock,
    readonly name = "org/app/prod",
  ) {}

  private process() {
    const log: string[] = [];
    const record = (message: string) => void log.push(message);
    const runtime = new Runtime(() => undefined, this.clock, { info: record, warn: record });
    return { log, runtime, secretVersion: secretVersionProvider(runtime), rollout: rolloutProvider(runtime) };
  }

  /** @param rolloutArgs `null` for a program without a rollout; a function gets the secret's link. */
  async up(
    secretArgs: Properties | null,
    rolloutArgs: RolloutArgs | null,
    options: UpOptions = {},
  ): Promise<RunResult> {
    const { log, runtime, secretVersion, rollout } = this.process();
    const errors: unknown[] = [];
    /** @returns whether it went well; where it did not, what depends on it is left out. */
    const step = async (work: () => Promise<void>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        if (!options.continueOnError) throw error;
        errors.push(error);
        return false;
      }
    };
    let did: RunResult["secret"] = "none";
    let rolled: RunResult["rollout"] = "none";
    try {
      const applied = await step(async () => {
        if (!secretArgs || options.targetRollout) return;
        did = await this.stepSecret(secretVersion, { stack: this.name, ...secretArgs, ...PROVIDER }, options);
        await options.native?.(String(this.secret?.outputs["ref"]));
      });
      if (applied && !options.targetSecret) {
        if (rolloutArgs) await step(async () => void (rolled = await this.stepRollout(rollout, rolloutArgs)));
        if (!options.targetRollout)
          for (const [name, args] of Object.entries(options.further ?? {}))
            await step(() => this.stepFurther(rollout, name, args));
      }
      if (!rolloutArgs && !options.targetSecret) await step(() => this.deleteRollout(rollout));
      if (!options.targetSecret && !options.targetRollout)
        for (const name of Object.keys(this.further))
          if (!(name in (options.further ?? {}))) await step(() => this.deleteFurther(rollout, name));
      if (!options.targetRollout) await this.deleteVersions(secretVersion, secretArgs === null, step, options);
      return { log, secret: did, rollout: rolled, ...(errors[0] ? { error: errors[0] as Error } : {}) };
    } catch (error) {
      return { log, error: error as Error, secret: did, rollout: rolled };
    } finally {
      await runtime.close();
    }
  }

  private async deleteVersions(
    provider: ReturnType<typeof secretVersionProvider>,
    removed: boolean,
    step: (work: () => Promise<void>) => Promise<boolean>,
    { retain }: UpOptions,
  ): Promise<void> {
    const remove = async ({ id, outputs }: EntryInState): Promise<void> => {
      if (retain) return;
      await provider.delete(id, outputs);
      this.onReturn("secret.delete");
    };
    if (removed && this.secret) {
      const entry = this.secret;
      await step(async () => {
        await remove(entry);
        this.secret = null;
      });
    }
    for (const entry of [...this.pending])
      await step(async () => {
        await remove(entry);
        this.pending = this.pending.filter((other) => other !== entry);
      });
  }

  private async deleteRollout(provider: ReturnType<typeof rolloutProvider>): Promise<void> {
    if (!this.rollout) return;
    await provider.delete(this.rollout.id, this.rollout.outputs);
    this.onReturn("rollout.delete");
    this.rollout = null;
  }

  private async deleteFurther(provider: ReturnType<typeof rolloutProvider>, name: string): Promise<void> {
    const { [name]: entry, ...rest } = this.further;
    if (!entry) return;
    await provider.delete(entry.id, entry.outputs);
    this.onReturn("further.delete");
    this.further = rest;
  }

  private async stepSecret(
    provider: ReturnType<typeof secretVersionProvider>,
    args: Properties,
    options: UpOptions,
  ): Promise<RunResult["secret"]> {
    const old = this.secret;
    const inputs = await this.checked(provider, options.force ? undefined : old?.inputs, args);
    if (!old || options.force) return this.createSecret(provider, inputs, options, old ? "replaced" : "created");
    const verdict = await provider.diff(old.id, old.outputs, inputs);
    if ("replaces" in verdict) {
      const again = await this.checked(provider, undefined, args);
      return this.createSecret(provider, again, options, "replaced");
    }
    if (!verdict.changes) {
      old.inputs = inputs;
      return "same";
    }
    const { outs } = await provider.update(old.id, old.outputs, inputs);
    this.onReturn("secret.update");
    this.secret = { id: old.id, inputs, outputs: { ...outs, ...PROVIDER } };
    return "updated";
  }

  private async createSecret(
    provider: ReturnType<typeof secretVersionProvider>,
    inputs: Properties,
    options: UpOptions,
    how: "created" | "replaced",
  ): Promise<"created" | "replaced"> {
    const { id, outs } = await provider.create(inputs);
    this.onReturn("secret.create");
    if (options.loseCreate) throw new Error("the engine was killed");
    if (this.secret) this.pending = [...this.pending, this.secret];
    this.secret = { id, inputs, outputs: { ...outs, ...PROVIDER } };
    return how;
  }

  private async checked(
    provider: {
      check(
        olds: Properties | undefined,
        news: Properties,
      ): Promise<{ inputs: Properties; failures?: { property: string; reason: string }[] }>;
    },
    olds: Properties | undefined,
    args: Properties,
  ): Promise<Properties> {
    const { inputs, failures } = await provider.check(olds, structuredClone(args));
    if (failures && failures.length > 0) throw new Error(failures.map((failure) => failure.reason).join("\n"));
    return { ...inputs, ...PROVIDER };
  }

  /** What another stack would read by a stack reference. */
  get link(): Properties {
    const { name, store, ref } = this.secret?.outputs ?? {};
    return { name, store, ref };
  }

  async stepRollout(
    provider: ReturnType<typeof rolloutProvider>,
    args: RolloutArgs,
    link = this.link,
  ): Promise<RunResult["rollout"]> {
    const { entry, did } = await this.applyRollout(provider, this.rollout, args(link));
    this.rollout = entry;
    return did;
  }

  private async stepFurther(
    provider: ReturnType<typeof rolloutProvider>,
    name: string,
    args: RolloutArgs,
  ): Promise<void> {
    const { entry } = await this.applyRollout(provider, this.further[name] ?? null, args(this.link));
    this.further = { ...this.further, [name]: entry };
  }

  private async applyRollout(
    provider: ReturnType<typeof rolloutProvider>,
    old: EntryInState | null,
    args: Properties,
  ): Promise<{ entry: EntryInState; did: "created" | "updated" | "same" }> {
    const inputs = await this.checked(provider, old?.inputs, { stack: this.name, ...args, ...PROVIDER });
    if (!old) {
      const { id, outs } = await provider.create(inputs);
      this.onReturn("rollout.create");
      return { entry: { id, inputs, outputs: { ...outs, ...PROVIDER } }, did: "created" };
    }
    const { changes } = await provider.diff(old.id, old.outputs, inputs);
    if (!changes) return { entry: old, did: "same" };
    const { outs } = await provider.update(old.id, old.outputs, inputs);
    this.onReturn("rollout.update");
    return { entry: { id: old.id, inputs, outputs: { ...outs, ...PROVIDER } }, did: "updated" };
  }

  /** A stack that only has a rollout, of another stack's secret. */
  async upRolloutOf(link: Properties, args: (link: Properties) => Properties): Promise<RunResult> {
    const { log, runtime, rollout } = this.process();
    try {
      return { log, secret: "none", rollout: await this.stepRollout(rollout, args, link) };
    } catch (error) {
      return { log, error: error as Error, secret: "none", rollout: "none" };
    } finally {
      await runtime.close();
    }
  }

  async destroy(): Promise<RunResult> {
    const { log, runtime, secretVersion, rollout } = this.process();
    try {
      await this.deleteRollout(rollout);
      for (const name of Object.keys(this.further)) await this.deleteFurther(rollout, name);
      for (const entry of [...this.pending, ...(this.secret ? [this.secret] : [])]) {
        await secretVersion.delete(entry.id, entry.outputs);
        this.onReturn("secret.delete");
        this.pending = this.pending.filter((other) => other !== entry);
      }
      this.secret = null;
      return { log, secret: "none", rollout: "none" };
    } catch (error) {
      return { log, error: error as Error, secret: "none", rollout: "none" };
    } finally {
      await runtime.close();
    }
  }

  /** As `pulumi refresh`: reads what the state names and keeps what is found. */
  async refresh(): Promise<RunResult> {
    const { log, runtime, secretVersion } = this.process();
    try {
      for (const entry of [...this.pending, ...(this.secret ? [this.secret] : [])]) {
        const { id, props } = await secretVersion.read(entry.id, entry.outputs);
        if (!id) throw new Error("the engine would forget the entry");
        entry.outputs = props;
      }
      return { log, secret: "none", rollout: "none" };
    } catch (error) {
      return { log, error: error as Error, secret: "none", rollout: "none" };
    } finally {
      await runtime.close();
    }
  }

  /** The versions that a store has. */
  async stored(store: { type: string; [option: string]: unknown }): Promise<readonly VersionRef[]> {
    return (await new Runtime(() => undefined, this.clock).store(store)).list();
  }

  async ledger(store: { type: string; [option: string]: unknown }): Promise<LedgerState> {
    const runtime = new Runtime(() => undefined, this.clock);
    const opened = await runtime.store(store);
    return decodeLedger((await opened.load()).body, opened.location) as LedgerState;
  }
}
