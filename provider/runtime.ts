/** What one provider process knows and keeps: time, the engine's address, configuration, and adapters made before. */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import type { AuditEvent } from "./contracts/audit";
import type { AdapterContext, Clock, Log } from "./contracts/context";
import type { AuditOutage } from "./lifecycle/auditOutage";
import { CancelledError, StateError } from "./lifecycle/errors";
import { createAdapter } from "./adapters";
import { watchForCancellation } from "./cancellation";
import { runClock } from "./clock";
import type { AdapterOptions } from "./inputs/common";
import type { SecretLink } from "./inputs/rollout";
import type { VersionRef } from "./lifecycle/values";
import { decodeLedger, type AdapterDescription, type LedgerState } from "./lifecycle/ledger";
import * as registry from "./registry";
import { digestOf, randomId } from "./rotation/fingerprint";
import { engineAddress, isListening, whoAmI } from "./rotation/process";
import { isIdle, type Parts } from "./rotation/session";
import { resolveSecret, type ConfigReader } from "./secretSource";

/** The engine shows what a provider prints as lines of the stack, so each line names its secret. */
const console_: Log = {
  info: (message) => {
    console.log(message);
  },
  warn: (message) => {
    console.warn(`warning: ${message}`);
  },
};

const ENGINE_WATCH_MS = 1000;

/** Ids by which pipelines name their runs. */
const PIPELINE_RUNS = ["GITHUB_RUN_ID", "CI_PIPELINE_ID", "BUILD_ID", "BUILDKITE_BUILD_ID", "CIRCLE_WORKFLOW_ID"];

/** Which adapters a secret uses. */
export interface Where {
  readonly name: string;
  readonly store: AdapterDescription;
  readonly replicas: readonly AdapterDescription[];
  readonly kind: AdapterDescription;
  readonly audit?: AdapterDescription | null | undefined;
  readonly auditOutage?: AuditOutage;
}

export class Runtime {
  readonly runId: string;
  private readonly made = new Map<string, Promise<unknown>>();
  private readonly engine = engineAddress();
  private readonly cancelled = new AbortController();
  private looks = 0;
  readonly context: AdapterContext;

  constructor(
    private readonly readConfig: ConfigReader,
    clock: Clock = runClock(),
    log: Log = console_,
  ) {
    // Every call of a server listens on it, and how many there are at once is bounded where they are made.
    setMaxListeners(0, this.cancelled.signal);
    const pipeline = PIPELINE_RUNS.map((name) => process.env[name]).find(Boolean);
    this.runId = pipeline ? `${pipeline}-${randomId().slice(0, 8)}` : randomId();
    this.context = {
      clock,
      log,
      signal: this.cancelled.signal,
      resolveSecret: (source) =>
        resolveSecret(source, this.readConfig, async (options) => {
          const store = await this.store(options);
          return { payload: await store.readPayload(), location: store.location };
        }),
    };
  }

  /** Rule 21: a provider whose engine is gone stops before its next side effect. */
  readonly parentLives = async (): Promise<void> => {
    if (this.engine && !(await isListening(this.engine)))
      throw new StateError(
        "The Pulumi engine that started this run is gone, so the run stops before its next side effect. Run again: " +
          "whatever is unfinished is resumed.",
      );
  };

  /** Ends every wait, and lets nothing new begin; the step under way ends by itself or is left to be resumed. */
  readonly cancel = (why: string): void => {
    this.cancelled.abort(
      new CancelledError(
        `The run was cancelled (${why}). It starts nothing more, and nothing is rolled back. Run pulumi up again: ` +
          `whatever is unfinished goes on from where it stopped.`,
      ),
    );
  };

  /** Ends with the engine, in an orderly way where there is still time for it. */
  followEngine(): void {
    if (!this.engine) return;
    watchForCancellation(this.cancel, isIdle);
    this.exitWithEngine(this.engine);
  }

  /** An engine that was killed leaves its providers behind. This one goes too, once it is in the middle of nothing. */
  private exitWithEngine(engine: NonNullable<ReturnType<typeof engineAddress>>): void {
    const parent = process.ppid;
    const look = async () => {
      // Asking the engine's port costs the engine something too, so not each time.
      if (process.ppid === parent && ++this.looks % 5 !== 0) return;
      if (await isListening(engine)) return;
      this.cancel("the Pulumi engine that started it is gone");
      if (isIdle()) process.exit(1);
    };
    setInterval(() => void look(), ENGINE_WATCH_MS).unref();
  }

  /** The same options give the same adapter, so that its connections serve every call. */
  make<T>(
    family: Readonly<Record<string, () => Promise<registry.Adapter<T>>>>,
    options: AdapterOptions,
    what: string,
  ): Promise<T> {
    const key = `${what} ${digestOf(options)}`;
    const made = (this.made.get(key) as Promise<T> | undefined) ?? createAdapter(family, options, what, this.context);
    this.made.set(key, made);
    // A failure is not kept: a credential that was missing may be there for the next call.
    made.catch(() => this.made.delete(key));
    return made;
  }

  store(options: AdapterOptions) {
    return this.make(registry.stores, options, "store");
  }

  async parts(where: Where, stack: string): Promise<Parts> {
    const [store, kind, audit, ...replicas] = await Promise.all([
      this.store(where.store),
      this.make(registry.kinds, where.kind, "credential kind"),
      this.make(registry.auditSinks, where.audit ?? defaultAudit(where.store), "audit sink"),
      ...where.replicas.map((replica) => this.store(replica)),
    ]);
    return {
      secret: where.name,
      store,
      replicas,
      kind,
      audit,
      auditOutage: where.auditOutage ?? "stop",
      context: this.context,
      actor: this.actor(stack),
      parentLives: this.parentLives,
      openStore: (options) => this.store(options),
    };
  }

  /** The ledger that a link leads to, `null` where there is none any more, and the version that is "current" there. */
  async look(link: Pick<SecretLink, "store">): Promise<{ ledger: LedgerState | null; current: VersionRef | null }> {
    const store = await this.store(link.store);
    const { body, current } = await store.load();
    return { ledger: decodeLedger(body, store.location), current };
  }

  async ledgerOf(link: Pick<SecretLink, "store">): Promise<LedgerState | null> {
    return (await this.look(link)).ledger;
  }

  /** What a rollout works with: the ledger tells what the owner declares. `null` where there is no ledger any more. */
  async partsOf(link: SecretLink, stack: string): Promise<Parts | null> {
    const ledger = await this.ledgerOf(link);
    return ledger && this.parts({ name: link.name, store: link.store, ...ledger.declared }, stack);
  }

  private actor(stack: string): AuditEvent["actor"] {
    const { user, host } = whoAmI();
    return { user, host, stack, run: this.runId };
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    const made = await Promise.allSettled(this.made.values());
    this.made.clear();
    for (const result of made) {
      if (result.status === "fulfilled") await (result.value as { close?: () => Promise<void> }).close?.();
    }
  }
}

/** The audit trail lies beside the secret, where the store has such a place. */
export function defaultAudit(store: AdapterOptions): AdapterOptions {
  if (store.type === "memory") return { type: "memory", name: store["name"] };
  const folder = store.type === "file" ? String(store["path"]) : ".rotation";
  return { type: "file", path: join(folder, "audit.jsonl") };
}
