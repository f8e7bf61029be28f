/**
 * A session on one secret: the right to cause side effects (the lease of rule 21), the ledger as this run last saw or
 * wrote it, and the events of the audit trail that go with each change.
 *
 * An event travels in the ledger's outbox, in the same compare-and-swap as the change it tells of, and is then written
 * to the sink. So a run killed in between loses no event, and the trail is in the order of the changes.
 */
import { hostname } from "node:os";
import { appendEvent } from "../audit/chain";
import type { AuditEvent, AuditSink } from "../contracts/audit";
import type { AdapterContext } from "../contracts/context";
import type { CredentialKind } from "../contracts/kind";
import type { LedgerSnapshot, Revision, SecretStore, VersionRef } from "../contracts/store";
import { describeWaiting, judgeOutage, type AuditOutage } from "../lifecycle/auditOutage";
import { CancelledError, ConflictError, StateError, UnreachableError } from "../lifecycle/errors";
import {
  decodeLedger,
  forgetOldVersions,
  type AdapterDescription,
  type Lease,
  type LedgerState,
} from "../lifecycle/ledger";
import { asked, throughSeam, type Fence, type Seamed } from "./effects";
import { whereItStands } from "../lifecycle/standing";
import { isKnownDead, whoAmI } from "./process";

/** A lease not renewed for this long is over, in ms (rule 21), unless the store asks for a longer one. */
export const LEASE_MS = 60_000;
/** How often a lease is renewed in the time that it lasts. */
const RENEWALS = 3;
/** By how much the clocks of two machines may differ before it is noticed. */
const CLOCK_SKEW_MS = 5_000;

/** Everything a session works with, as configured for one secret. */
export interface Parts {
  readonly secret: string;
  readonly store: SecretStore;
  readonly replicas: readonly SecretStore[];
  readonly kind: CredentialKind;
  readonly audit: AuditSink;
  /** What happens while the sink cannot be written. @default "stop" */
  readonly auditOutage?: AuditOutage;
  readonly context: AdapterContext;
  readonly actor: AuditEvent["actor"];
  /** Throws when the engine that started this process is gone. */
  readonly parentLives: Fence;
  /** Opens a further store, such as the one that the secret has left. */
  readonly openStore: (options: AdapterDescription) => Promise<SecretStore>;
}

export interface EventFields {
  readonly step: string;
  readonly version: number | null;
  readonly result?: AuditEvent["result"];
  readonly reason: string;
  readonly detail?: AuditEvent["detail"];
}

export interface SessionOptions {
  /**
   * Keeps the outbox back until the first event of this session is committed. For adoption: what a restored ledger
   * still holds in its outbox may contradict the trail, and is put right together with that event.
   */
  readonly holdOutbox?: boolean;
}

/** Calls of one process on one secret follow each other: the lease is the process's, not the call's. */
const queues = new Map<string, Promise<unknown>>();
let open = 0;

/** Whether no session of this process is open. */
export function isIdle(): boolean {
  return open === 0;
}

export class Session {
  readonly store: Seamed<SecretStore>;
  readonly replicas: readonly Seamed<SecretStore>[];
  readonly kind: Seamed<CredentialKind>;
  readonly context: AdapterContext;
  private readonly audit: Seamed<AuditSink>;
  private state: LedgerState | null;
  private revision: Revision;
  private label: VersionRef | null;
  private flushed = 0;
  private outboxHeld: boolean;
  /** What the sink said when it could not be written: this session does not ask it again. */
  private trailDown: UnreachableError | undefined;
  /** Whether this session has put a lease into the ledger. */
  private holding = false;
  /** Whether it is decided that this session may act. */
  private started = false;
  private lost: Error | undefined;
  private writing: Promise<unknown> = Promise.resolve();
  private renewal: NodeJS.Timeout | undefined;
  private releasing = false;

  private constructor(
    private readonly parts: Parts,
    snapshot: LedgerSnapshot,
    options: SessionOptions,
  ) {
    this.outboxHeld = options.holdOutbox ?? false;
    const { fence, fenceOfLedger } = this;
    // The ledger's compare-and-swap protects what is kept in one place with it.
    const ofLedger = { promote: fenceOfLedger, clearCurrent: fenceOfLedger, commit: fenceOfLedger };
    this.store = throughSeam(parts.store, "store", "SecretStore", fence, ofLedger);
    this.replicas = parts.replicas.map((replica) => throughSeam(replica, "replica", "SecretStore", fence));
    this.kind = throughSeam(parts.kind, "issuer", "CredentialKind", fence);
    this.audit = throughSeam(parts.audit, "audit", "AuditSink", fenceOfLedger);
    this.context = parts.context;
    this.state = decodeLedger(snapshot.body, parts.store.location);
    this.revision = snapshot.revision;
    this.label = snapshot.current;
  }

  /**
   * Runs `work` while holding the secret's lease. Where there is no ledger yet, the lease comes with the first one.
   * @throws StateError when another run that may be alive holds it; nothing was done.
   */
  static async run<T>(parts: Parts, work: (session: Session) => Promise<T>, options: SessionOptions = {}): Promise<T> {
    const key = parts.store.location;
    const before = queues.get(key) ?? Promise.resolve();
    const mine = before.then(
      () => Session.hold(parts, work, options),
      () => Session.hold(parts, work, options),
    );
    queues.set(
      key,
      mine.catch(() => undefined),
    );
    return mine;
  }

  private static async hold<T>(
    parts: Parts,
    work: (session: Session) => Promise<T>,
    options: SessionOptions,
  ): Promise<T> {
    open++;
    try {
      const session = new Session(parts, await parts.store.load(), options);
      try {
        await session.acquire();
        return await work(session);
      } catch (error) {
        throw session.interrupted(error);
      } finally {
        await session.release();
      }
    } finally {
      open--;
    }
  }

  /** What a cancelled run says: where this secret stands now. */
  private interrupted(error: unknown): unknown {
    if (!(error instanceof CancelledError)) return error;
    return new CancelledError(`${error.message} ${this.secret}: ${whereItStands(this.state)}`, { cause: error });
  }

  openStore(options: AdapterDescription): Promise<SecretStore> {
    return this.parts.openStore(options);
  }

  get secret(): string {
    return this.parts.secret;
  }

  get stack(): string {
    return this.parts.actor.stack;
  }

  get now(): number {
    return this.context.clock.now();
  }

  /**
   * Throws when this run may cause no further side effect (rule 21). One that stood still past the end of its lease, as
   * when its machine slept, renews that first: where another run was at work meanwhile it has lost it.
   */
  readonly fence: Fence = async () => {
    await this.fenceOfLedger();
    if (!this.isOver(this.state?.lease)) return;
    try {
      await this.renew();
    } catch (error) {
      this.assertLease();
      throw error;
    }
  };

  /** For what the ledger's own compare-and-swap protects, and for the events that follow it. */
  private readonly fenceOfLedger: Fence = async () => {
    // Giving the lease back is allowed to a run that may do nothing else any more.
    if (this.releasing) return;
    this.assertLease();
    this.parts.context.signal.throwIfAborted();
    await this.parts.parentLives();
  };

  /** Whether there is a ledger at all; a torn-down one counts. */
  get hasLedger(): boolean {
    return this.state !== null;
  }

  /** The ledger as it was last read or written. @throws StateError when there is none. */
  get ledger(): LedgerState {
    if (this.state === null)
      throw new StateError(`${this.secret}: there is no ledger in ${this.parts.store.location}. Nothing was changed.`);
    return this.state;
  }

  /** The version that readers of "current" get. */
  get current(): VersionRef | null {
    return this.label;
  }

  /** The first ledger of a secret, or the first after a teardown. */
  async createLedger(initial: LedgerState, events: readonly EventFields[]): Promise<void> {
    // The trail of a new identity begins anew.
    this.flushed = 0;
    this.holding = true;
    await asked(() => this.write(() => ({ ...structuredClone(initial), lease: this.newLease() }), events));
    this.startRenewal();
  }

  /**
   * Changes the ledger by compare-and-swap and writes the events that go with it.
   * @throws ConflictError when somebody else changed it: this run has lost its right and stops.
   */
  async commit(change: (ledger: LedgerState) => void, ...events: readonly EventFields[]): Promise<void> {
    const next = () => {
      const ledger = structuredClone(this.ledger);
      change(ledger);
      return ledger;
    };
    await asked(() => this.write(next, events));
  }

  /** Moves the label of "current" in every store; rule 22: all replicas before anything is committed. */
  async promoteEverywhere(ref: VersionRef): Promise<void> {
    const epoch = this.epochOf(ref);
    await asked(async () => {
      await this.exclusively(async () => {
        this.revision = await this.store.promote(ref, this.label, this.revision, epoch);
        this.label = ref;
      });
      for (const replica of this.replicas) {
        const seen = await replica.load();
        await replica.promote(ref, seen.current, seen.revision, epoch);
      }
    });
  }

  /** Whether some store names what it makes after the epoch. */
  get namesEpochs(): boolean {
    return [this.store, ...this.replicas].some((store) => store.namesEpochs);
  }

  /** The epoch under which a version is handed out: it rises when another one becomes active. */
  private epochOf(ref: VersionRef): number {
    const { active, counters } = this.ledger;
    return active === ref.version ? counters.epoch : counters.epoch + 1;
  }

  async clearCurrentEverywhere(): Promise<void> {
    await asked(async () => {
      await this.exclusively(async () => {
        this.revision = await this.store.clearCurrent(this.revision);
        this.label = null;
      });
      for (const replica of this.replicas) await replica.clearCurrent((await replica.load()).revision);
    });
  }

  private async acquire(): Promise<void> {
    if (this.heldByAnother && (await this.isNotRenewed())) this.context.log.warn(this.describeTakeOver());
    else if (this.heldByAnother) {
      const held = this.heldByAnother;
      throw new StateError(
        `${this.secret}: another run holds the lease: run ${held.run} of ${held.user}@${held.host} (process ${held.pid}), ` +
          `since ${new Date(held.acquiredAt).toISOString()}, until ${new Date(held.expiresAt).toISOString()} unless it ` +
          `renews it. This run has done nothing. Wait for it, or stop it, and run again.`,
      );
    }
    await this.probeTrail();
    if (this.state === null) {
      this.started = true;
      return;
    }
    const waited = this.state.outbox.length;
    this.holding = true;
    try {
      await this.commit((ledger) => {
        ledger.lease = this.newLease();
      });
    } catch (error) {
      if (this.trailDown !== undefined && error === this.trailDown) this.judgeTrail(this.trailDown);
      throw error;
    }
    if (this.trailDown) this.judgeTrail(this.trailDown);
    else if (waited > 0 && !this.outboxHeld)
      this.context.log.info(
        `${this.secret}: ${waited === 1 ? "1 event that" : `${waited} events that`} waited in the ledger ` +
          `${waited === 1 ? "is" : "are"} in the audit trail ${this.audit.location} now.`,
      );
    this.started = true;
    this.startRenewal();
  }

  /** The lease of somebody else who may be at work. */
  private get heldByAnother(): Lease | null {
    const held = this.state?.lease ?? null;
    return held && !this.isMine(held) && held.expiresAt > this.now && !isKnownDead(held) ? held : null;
  }

  /**
   * A lease that runs longer than any does was taken by a clock ahead of ours, and its end would be waited for in vain.
   * Whether its holder lives shows without a clock: it renews.
   */
  private async isNotRenewed(): Promise<boolean> {
    const held = this.heldByAnother;
    if (!held || held.expiresAt <= this.now + this.leaseMs + CLOCK_SKEW_MS) return false;
    this.context.log.info(
      `${this.secret}: the lease of run ${held.run} of ${held.user}@${held.host} ends ` +
        `${new Date(held.expiresAt).toISOString()}, by a clock ahead of this machine's. Watching for ` +
        `${this.leaseMs / 1000} seconds whether it is renewed.`,
    );
    const before = this.revision;
    await this.context.clock.sleep(this.leaseMs, this.context.signal);
    const { revision, body, current } = await this.store.load();
    this.revision = revision;
    this.state = decodeLedger(body, this.store.location);
    this.label = current;
    return revision === before;
  }

  private describeTakeOver(): string {
    const { run, user, host } = this.ledger.lease ?? { run: "", user: "", host: "" };
    return (
      `${this.secret}: run ${run} of ${user}@${host} has not renewed its lease and is taken for dead. The clocks of ` +
      `that machine and this one differ by more than a minute: put them right.`
    );
  }

  /** Whether a run may start is decided here, so that it does not stop half-way when it could have known. */
  private async probeTrail(): Promise<void> {
    try {
      await this.parts.audit.probe?.();
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      this.trailDown = error;
      // Where something waits already it is said once, when it is known whether this one may start.
      if (this.policy === "stop" || this.state === null) this.judgeTrail(error);
    }
  }

  private judgeTrail(failure: UnreachableError): void {
    const { start, message } = judgeOutage({
      secret: this.secret,
      policy: this.policy,
      waiting: this.state?.outbox.length ?? 0,
      failure: failure.message,
    });
    if (!start) throw new UnreachableError(message, { cause: failure });
    this.context.log.warn(message);
  }

  private get policy(): AuditOutage {
    return this.parts.auditOutage ?? "stop";
  }

  private async release(): Promise<void> {
    clearInterval(this.renewal);
    if (this.lost || this.state === null) return;
    // Another run's, where this one was refused.
    const isMine = this.state.lease !== null && this.isMine(this.state.lease);
    if (!isMine && !this.holding) return;
    this.releasing = true;
    try {
      await this.commit((ledger) => {
        ledger.lease = null;
      });
    } catch (error) {
      // It was given back, and only the trail could not be told of what came before.
      if (this.ledger.lease === null) return;
      // The lease runs out by itself, and is void at once when this process ends.
      this.context.log.warn(`${this.secret}: the lease could not be given back: ${(error as Error).message}`);
    }
  }

  private startRenewal(): void {
    if (this.renewal) return;
    this.renewal = setInterval(() => {
      this.renew().catch((error: unknown) => {
        this.lost ??= error as Error;
      });
    }, this.leaseMs / RENEWALS);
    this.renewal.unref();
  }

  private renew(): Promise<void> {
    return this.commit((ledger) => {
      if (ledger.lease) ledger.lease.expiresAt = this.now + this.leaseMs;
    });
  }

  private get leaseMs(): number {
    return this.store.leaseMs ?? LEASE_MS;
  }

  private newLease(): Lease {
    const me = whoAmI();
    return { run: this.parts.actor.run, ...me, acquiredAt: this.now, expiresAt: this.now + this.leaseMs };
  }

  private isMine(lease: Lease): boolean {
    return lease.run === this.parts.actor.run && lease.pid === process.pid && lease.host === hostname();
  }

  private isOver(lease: Lease | null | undefined): boolean {
    return lease !== null && lease !== undefined && lease.expiresAt <= this.now;
  }

  private assertLease(): void {
    if (this.lost)
      throw new StateError(
        `${this.secret}: this run lost its lease (${this.lost.message}) and stops before its next side effect. ` +
          `Run again: whatever is unfinished is resumed.`,
      );
  }

  private async write(next: () => LedgerState, events: readonly EventFields[]): Promise<void> {
    await this.exclusively(async () => {
      const state = next();
      state.outbox = state.outbox.filter((event) => event.seq > this.flushed);
      for (const fields of events) {
        const event = this.auditEvent(state, fields);
        state.audit = { seq: event.seq, hash: event.hash };
        state.outbox.push(event);
      }
      forgetOldVersions(state);
      try {
        this.revision = await this.store.commit(state, this.revision);
      } catch (error) {
        if (error instanceof ConflictError) this.lost = error;
        throw error;
      }
      this.state = state;
      if (events.length > 0) this.outboxHeld = false;
      if (!this.outboxHeld) await this.deliver(state.outbox);
    });
  }

  /** In their order; what cannot be written stays in the outbox. */
  private async deliver(events: readonly AuditEvent[]): Promise<void> {
    if (this.trailDown && (this.policy === "buffer" || this.releasing)) return;
    for (const event of events) {
      try {
        await this.audit.record(event);
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
        const known = this.trailDown !== undefined;
        this.trailDown = error;
        if (this.policy === "stop") throw error;
        if (!known && this.started)
          this.context.log.warn(
            `${this.secret}: the audit trail went down under way, and the run goes on, as auditOutage: "buffer" says. ` +
              `${describeWaiting(events.length)}; the next run that reaches the trail writes them. ${error.message}`,
          );
        return;
      }
      this.flushed = event.seq;
    }
  }

  private auditEvent(state: LedgerState, fields: EventFields): AuditEvent {
    return appendEvent(state.audit.hash, {
      identity: state.identity,
      seq: state.audit.seq + 1,
      time: new Date(this.now).toISOString(),
      secret: this.secret,
      step: fields.step,
      version: fields.version,
      result: fields.result ?? "ok",
      reason: fields.reason,
      detail: fields.detail ?? {},
      actor: this.parts.actor,
    });
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.writing.then(work, work);
    this.writing = mine.catch(() => undefined);
    return mine;
  }
}
