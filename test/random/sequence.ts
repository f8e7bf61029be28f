/** Carries out a sequence of actions on a fresh world, with every invariant checked after every effect. */
import { env } from "node:process";
import { adopt, type AdoptionOrder } from "../../provider/rotation/adopt";
import { randomId } from "../../provider/rotation/fingerprint";
import { LEDGER_SCHEMA, type LedgerState } from "../../provider/lifecycle/ledger";
import { release } from "../../provider/rotation/release";
import type { Parts } from "../../provider/rotation/session";
import { Runtime } from "../../provider/runtime";
import { MiniStack, type RunResult, type UpOptions } from "../support/miniEngine";
import { describe, type Action } from "./actions";
import { Killed, Process, watch, type Effect, type Fault, type Watcher } from "./boundary";
import * as invariants from "./invariants";
import { Broken, liveCredentials } from "./invariants";
import { unsettled } from "./settled";
import { held, type Subject } from "./subject";
import { Tally } from "./tally";
import { nextClockChange, nextOpening } from "./wallClock";
import { backUp, DAY, entriesOf, GRACE, HOUR, MINUTE, putBack, World, type Backup, type Setup } from "./world";

const UNEXPECTED = ["TypeError", "ReferenceError", "RangeError", "SyntaxError", "ZodError"];

const NONE: Fault = { kind: "none" };
const CLEAN: Extract<Action, { do: "up" }> = {
  do: "up",
  mode: "plain",
  native: "ok",
  fault: NONE,
  between: false,
  continueOnError: false,
  retain: false,
};
/** How many moments can be gone back to. */
const BACKUPS = 6;

export class Sequence implements Watcher {
  readonly world: World;
  process = new Process(NONE, false);
  /** What happened, for whoever reads a failure. */
  readonly story: string[] = [];
  private broken: Broken | null = null;
  /** How much of the story has been searched for passwords. */
  private told = 0;
  private readonly backups: Backup[] = [];

  constructor(
    setup: Setup,
    readonly tally: Tally,
  ) {
    this.world = new World(setup, tally);
    watch(this);
  }

  before(effect: Effect): void {
    this.guard(() => invariants.checkBefore(this.world, effect));
  }

  after(effect: Effect): void {
    this.tally.count("effects");
    this.guard(() => {
      invariants.follow(this.world, effect);
      invariants.checkUsers(this.world);
    });
  }

  /** The library may catch the error; it is not lost, and the run goes no further. */
  private guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.broken ??= error as Broken;
      this.process.dead = true;
      throw error;
    }
  }

  async do(action: Action): Promise<void> {
    this.story.push(describe(action));
    this.backups.unshift(backUp(this.world));
    this.backups.splice(BACKUPS);
    await this.carryOut(action);
    this.guard(() => invariants.checkUsers(this.world));
    if (this.broken) throw this.broken;
  }

  private async carryOut(action: Action): Promise<void> {
    const { world } = this;
    switch (action.do) {
      case "up":
        await this.up(action);
        break;
      case "other up":
        await this.otherUp(action.fault);
        break;
      case "key up":
        await this.keyUp(action.fault);
        break;
      case "destroy":
        await this.end(action.fault, () => world.owner.destroy(), "destroy");
        break;
      case "take out of the program":
        await this.end(action.fault, () => world.owner.up(null, null, { retain: action.retain }), "removal");
        break;
      case "other destroy":
        world.otherDeclared = false;
        await this.run(action.fault, () => world.other.destroy(), "other destroy");
        break;
      case "former destroy":
        await this.formerDestroy(action.fault);
        break;
      case "spoil next version":
        this.spoil(action.how);
        break;
      case "mend everything":
        this.mend();
        break;
      case "restart workloads":
        if (!world.setup.pinned) for (const name of world.workloads()) world.restart(name);
        break;
      case "read current":
        this.read(world.secret.home);
        break;
      case "read replica":
        if (world.setup.replica) this.read("replica");
        break;
      case "change inputs":
        world.grants++;
        break;
      case "migrate":
        this.migrate();
        break;
      case "use superseded":
        this.useSuperseded();
        break;
      case "release what left":
        await this.release();
        break;
      case "rotation adopt":
        await this.adopt(action.fault);
        break;
      case "hand over":
        await this.handOver(action.fault);
        break;
      case "rename the rollout":
        this.rename(action.alias);
        break;
      case "forget in the state":
        this.forget(action.what);
        break;
      case "restore the state":
        this.restoreState(action.of, action.back);
        break;
      case "restore the ledger":
        this.restoreLedger(action.back, action.values);
        break;
      case "the state of an older package":
        this.olderShape();
        break;
      case "a newer package writes the ledger":
        this.newerShape();
        break;
      case "upgrade the package":
        this.upgrade();
        break;
      case "the issuer cannot tell who uses what":
        world.secret.issuer.tellsUse = false;
        break;
      case "wait":
        this.wait(action.for);
        break;
      case "wait for the clocks to change":
        this.waitForClockChange(action.minutes);
        break;
      case "set the clock back":
        world.setClockBack(HOUR);
        break;
      case "event":
        this.event(action.reason);
        break;
    }
  }

  private async up(action: Extract<Action, { do: "up" }>): Promise<RunResult> {
    const { world } = this;
    const { mode, native, fault, between } = action;
    const own = world.setup.confirmation === "required";
    const rollout = own && mode !== "without rollout" ? world.ownRollout : null;
    if (mode === "without rollout") world.leaveUsersUnnamed();
    const targetRollout = mode === "target rollout" && world.owner.secret !== null && world.owner.rollout !== null;
    const options: UpOptions = {
      targetSecret: mode === "target secret",
      targetRollout,
      force: mode === "force",
      continueOnError: action.continueOnError,
      retain: action.retain,
      further: world.furtherRollouts,
      native: async (ref: string) => {
        if (this.process.dead) throw new Killed("this process is dead");
        if (world.setup.dependents && mode !== "target secret") world.applyNative(ref, native);
        if (between) await this.otherUp(NONE, true);
        this.guard(() => invariants.checkUsers(world));
      },
    };
    const result = await this.run(
      fault,
      () => world.owner.up(world.secretArgs(), rollout, options),
      targetRollout ? "rollout up" : "up",
    );
    // As the error says: the former store is put back until a run has finished what it began there.
    if (result.error?.message.includes("Let a run with the former store finish it")) this.putStoreBack();
    if (!result.error && !targetRollout && this.backupIsCurrent()) world.restored = null;
    return result;
  }

  /** When the engine says that a secret is gone, nothing of it is left. */
  private async end(fault: Fault, work: () => Promise<RunResult>, what: "destroy" | "removal"): Promise<void> {
    const { world } = this;
    const { entry, ledger } = world;
    const ours = entry !== null && entry.identity === ledger?.identity && entry.owner === ledger.owner.id;
    const { error } = await this.run(fault, work, what);
    if (!ours || error || held(world.secret.home).body?.status !== "torn-down") return;
    this.tally.count("gone");
    const live = liveCredentials(world.secret);
    if (live.length > 0) throw new Broken(`promise2: ${what} leaves ${live.join(", ")}`);
  }

  private async otherUp(fault: Fault, nested = false): Promise<RunResult | null> {
    const { world } = this;
    if (!world.owner.secret) return null;
    world.otherDeclared = true;
    const link = world.owner.link;
    return this.run(fault, () => world.other.upRolloutOf(link, world.otherRollout), "other up", nested);
  }

  private async keyUp(fault: Fault): Promise<void> {
    const { world } = this;
    if (world.setup.key) await this.run(fault, () => world.keys.up(world.keyArgs(), null), "key up");
  }

  /** Not while a ledger is in place that may have forgotten who owns the secret now (rule 24). */
  private async formerDestroy(fault: Fault): Promise<void> {
    const { world } = this;
    const { former } = world;
    if (!former || world.restored) return;
    const { error } = await this.run(fault, () => former.destroy(), "former destroy");
    if (!error) world.former = null;
  }

  /** A clone of the owning stack, on a machine that does not see the backend's lock; or the other stack. */
  async intrude(who: "owner" | "other"): Promise<void> {
    if (this.process.nested) return;
    const { world } = this;
    if (who === "other") {
      await this.otherUp(NONE, true);
      return;
    }
    const clone = Object.assign(new MiniStack(world.clock, world.owner.name), entriesOf(world.owner));
    const rollout = world.setup.confirmation === "required" ? world.ownRollout : null;
    const options = { native: () => this.noNative(), further: world.furtherRollouts };
    await this.run(NONE, () => clone.up(world.secretArgs(), rollout, options), "intruder", true, clone);
  }

  /** Past the end of the lease, as it was when the process fell asleep. */
  oversleep(): void {
    this.world.clock.advance(MINUTE + 1001);
  }

  /** What the intruder's engine would do to the native resource is the outer run's to do. */
  private noNative(): void {
    if (this.world.setup.dependents) throw new Error("the intruder stops before the native resource");
  }

  private async run(
    fault: Fault,
    work: () => Promise<RunResult>,
    what: string,
    nested = false,
    clone?: MiniStack,
  ): Promise<RunResult> {
    const { world } = this;
    const outer = this.process;
    const process = new Process(fault, nested);
    this.process = process;
    this.tally.count("runs");
    const store = ["up", "rollout up", "intruder"].includes(what) ? world.secret.home : world.linkedStore;
    const forbidden = invariants.forbidden(world, store, what);
    const stacks = [...world.stacks, ...(clone ? [clone] : [])];
    const before = stacks.map((stack) => stack.onReturn);
    for (const stack of stacks) stack.onReturn = (call) => this.returned(process, call, what);
    const wasEnding = world.ending;
    world.ending = what === "destroy" || what === "removal";
    const result = await work();
    world.ending = wasEnding;
    stacks.forEach((stack, index) => (stack.onReturn = before[index] ?? stack.onReturn));
    this.process = outer;
    this.story.push(
      `   ${nested ? "within: " : ""}${what}: secret ${result.secret}, rollout ${result.rollout}, ${process.effects.length} effects` +
        (result.error ? `, ${result.error.name}: ${result.error.message}` : ""),
    );
    if (env["ROTATION_RANDOM_LOG"]) this.story.push(...result.log.map((line) => `      ${line}`));
    if (this.broken) throw this.broken;
    if (process.dead && "holder" in fault && fault.holder === "dead") world.showHolderDead();
    if (clone?.secret && !world.owner.secret && !result.error) Object.assign(world.owner, { secret: clone.secret });
    this.guard(() => {
      if (fault.kind !== "pause") invariants.checkForbidden(world, store, forbidden, process.effects);
      if (result.error && UNEXPECTED.includes(result.error.name)) throw new Broken(`unexpected: ${result.error.stack}`);
      invariants.checkSecrecy(world, result.log, messagesOf(result.error), this.story.slice(this.told));
      this.told = this.story.length;
      invariants.checkTrail(world);
    });
    return result;
  }

  private returned(process: Process, call: string, what: string): void {
    const { world } = this;
    process.assertAlive();
    // Between the rollout and the secret the engine deletes what depends on the secret.
    if ((what === "destroy" || what === "removal") && call === "rollout.delete") world.removeNative();
    const { fault } = process;
    if (fault.kind === "loseSave" && fault.at === process.returns++) process.kill();
  }

  /** Once a teardown is announced, or a backup put in place, nobody begins to use the secret. */
  private read(store: string): void {
    if (this.world.ledger?.status === "live" && !this.world.restored) this.world.readCurrent(store);
  }

  private spoil(how: Extract<Action, { do: "spoil next version" }>["how"]): void {
    const { world } = this;
    const next = (world.ledger?.counters.version ?? 0) + 1;
    if (how === "sick api") world.workload("api").sickOn.add(next);
    else if (how === "api refuses") world.workload("api").refuses.add(next);
    else if (how === "sick reports") world.workload("reports").sickOn.add(next);
    else world.secret.issuer.issuesWorking = false;
  }

  private mend(): void {
    const { world } = this;
    for (const name of world.workloads()) {
      world.workload(name).sickOn.clear();
      world.workload(name).refuses.clear();
    }
    for (const { issuer } of world.subjects) {
      issuer.issuesWorking = true;
      issuer.tellsUse = true;
      for (const credential of issuer.credentials.values()) {
        credential.works = true;
        credential.users.clear();
      }
    }
  }

  private putStoreBack(): void {
    const { secret } = this.world;
    secret.home = secret.migrateFrom ?? secret.home;
    secret.migrateFrom = null;
  }

  private migrate(): void {
    const { world } = this;
    const { secret } = world;
    if (!world.owner.secret || secret.migrateFrom || world.restored || world.newer) return;
    secret.migrateFrom = secret.home;
    secret.home = "db2";
  }

  /** Somebody nobody knows of: only the issuer sees them. */
  private useSuperseded(): void {
    const { issuer, ledger } = this.world.secret;
    for (const record of ledger?.versions ?? [])
      if (record.state === "superseded" || record.state === "rejected")
        issuer.credentials.get(record.issued?.["name"] ?? "")?.users.add("a straggler");
  }

  private event(reason: string): void {
    const { world } = this;
    const { secret } = world;
    const at = world.clock.now() - 5 * MINUTE;
    if (reason === "suspected-compromise") secret.compromisedBefore = Math.max(secret.compromisedBefore, at + MINUTE);
    world.events.push({ id: `E${world.events.length + 1}`, reason, time: new Date(at).toISOString() });
  }

  private wait(what: Extract<Action, { do: "wait" }>["for"]): void {
    const { clock, setup } = this.world;
    const lengths = {
      "a minute": MINUTE,
      "past the lease": MINUTE + 1001,
      grace: GRACE + 1,
      "a day": DAY,
      "the interval": 91 * DAY,
      "the window": 0,
    };
    clock.advance(lengths[what]);
    if (what === "the window" && setup.window) clock.time = Math.max(clock.time, nextOpening(setup.window, clock.time));
  }

  /** To a moment before or after the next change to or from daylight saving. */
  private waitForClockChange(minutes: number): void {
    const { clock, setup } = this.world;
    const change = nextClockChange(setup.window?.timeZone ?? "Europe/Berlin", clock.time + 4 * HOUR);
    clock.time = Math.max(clock.time, change + minutes * MINUTE);
  }

  /** With an alias the entry stays; without, the engine makes a new one first and deletes the old one last. */
  private rename(alias: boolean): void {
    const { world } = this;
    const { owner, rolloutName } = world;
    world.rolloutName = rolloutName === "orders" ? "orders-api" : "orders";
    if (alias || !owner.rollout) return;
    owner.further = { ...owner.further, [rolloutName]: owner.rollout };
    owner.rollout = null;
  }

  /** `pulumi state delete` */
  private forget(what: Extract<Action, { do: "forget in the state" }>["what"]): void {
    const { owner, other } = this.world;
    if (what === "secret") owner.secret = null;
    else if (what === "pending") owner.pending = [];
    else if (what === "rollout") owner.rollout = null;
    else other.rollout = null;
  }

  private restoreState(of: "owner" | "other", back: number): void {
    const backup = this.backups[back];
    const { world } = this;
    if (!backup || backup.owner !== world.owner) return;
    Object.assign(of === "owner" ? world.owner : world.other, structuredClone(backup.states[of]));
  }

  /** A backup of the store: what is in it was true once. One that is empty would be a store that was deleted. */
  private restoreLedger(back: number, values: boolean): void {
    const { world } = this;
    const { secret } = world;
    const backup = this.backups[back];
    const newest = backUp(world);
    const older = backup?.contents.body as LedgerState | undefined;
    const body = newest.contents.body as LedgerState;
    if (!backup || !older || world.restored || world.newer || secret.migrateFrom !== null) return;
    if (backup.store !== secret.home || older === body || world.foreignLease()) return;
    // Of a newer package, which is gone again: nothing here can read it.
    if (older.schema > LEDGER_SCHEMA) return;
    world.restored = newest;
    world.wasRestored = true;
    putBack(backup, { values });
    world.before.set(secret.home, older);
    this.tally.count("restored");
    for (const [version, { ref }] of secret.stored)
      if (!held(secret.home).versions.has(ref.token) && newest.contents.versions.has(ref.token))
        secret.lost.add(version);
    secret.kept.set(secret.home, held(secret.home).versions.size);
    invariants.forgetWhatCannotBeSaved(world, body, older);
  }

  /** Whether what came from the backup has been taken into the ledger, or never differed from it. */
  private backupIsCurrent(): boolean {
    const { restored } = this.world;
    if (!restored) return false;
    const { body } = held(restored.store);
    const trail = this.world.trails.find((one) => one.sink === restored.store);
    return body !== null && trail?.endsAs(body).length === 0;
  }

  /** `rotation adopt` in the owning stack. */
  private async adopt(fault: Fault): Promise<RunResult> {
    const { world } = this;
    const { entry, ledger, owner } = world;
    if (!ledger) return { log: [], secret: "none", rollout: "none" };
    const mine = ledger.owner.stack === owner.name ? ledger.owner : { id: randomId(), stack: owner.name };
    return this.adoptAs(fault, {
      entry: entry ? { version: entry.version, incarnation: entry.incarnation, epoch: entry.epoch } : null,
      identity: entry?.identity ?? null,
      owner: entry ? { id: entry.owner, stack: owner.name } : mine,
      reason: "the store was restored",
    });
  }

  private async adoptAs(fault: Fault, order: AdoptionOrder): Promise<RunResult> {
    const { world } = this;
    const { secret } = world;
    const result = await this.command(fault, "adopt", secret, order.owner.stack, async (parts) => {
      await adopt(parts, order, async (_ledger, plan) => {
        const touched = [...plan.recorded.map((record) => record.version), plan.counters.version];
        if (plan.forgetsConfirmations) secret.untoldUpTo = Math.max(secret.untoldUpTo, ...touched);
        return true;
      });
    });
    if (!result.error && world.restored) {
      this.tally.count("adopted");
      if (this.backupIsCurrent()) world.restored = null;
    }
    return result;
  }

  /** Another stack with the same program takes the secret over; the one that had it still has its entries. */
  private async handOver(fault: Fault): Promise<void> {
    const { world } = this;
    if (!world.owner.secret || world.former || !world.ledger || world.secret.migrateFrom) return;
    world.handOver();
    const owner = { id: randomId(), stack: world.owner.name };
    await this.adoptAs(fault, { entry: null, identity: null, owner, reason: "moved" });
    if (world.ledger.owner.stack === owner.stack) {
      this.tally.count("handedOver");
      return;
    }
    // Nothing came of it: the one that had it goes on.
    world.takeBack();
  }

  /** A package of an earlier release wrote the entry: version and incarnation in one text, and no epoch. */
  private olderShape(): void {
    const { owner, entry } = this.world;
    if (!owner.secret || !entry) return;
    const { version: _version, incarnation: _incarnation, epoch: _epoch, ...rest } = owner.secret.outputs;
    const versionId = `v${entry.version}#${entry.incarnation}`;
    owner.secret = { ...owner.secret, outputs: { ...rest, versionId } };
  }

  private newerShape(): void {
    const { world } = this;
    const { home, migrateFrom } = world.secret;
    if (!world.ledger || world.newer || world.restored || migrateFrom || world.foreignLease()) return;
    world.newer = true;
    world.replaceLedger(home, { ...world.ledger, schema: world.ledger.schema + 1 });
  }

  private upgrade(): void {
    const { world } = this;
    if (!world.newer || !world.ledger) return;
    world.newer = false;
    world.replaceLedger(world.secret.home, { ...world.ledger, schema: world.ledger.schema - 1 });
  }

  /** A command of the library, as a run of its own. */
  private command(
    fault: Fault,
    what: string,
    subject: Subject,
    stack: string,
    work: (parts: Parts) => Promise<unknown>,
  ): Promise<RunResult> {
    const { world } = this;
    const store = { type: "memory", name: subject.home };
    const { name } = subject;
    return this.run(
      fault,
      async () => {
        const log: string[] = [];
        const say = (message: string) => void log.push(message);
        const runtime = new Runtime(() => undefined, world.clock, { info: say, warn: say });
        try {
          const parts = await runtime.partsOf({ name, store, ref: "" }, stack);
          if (parts) await work(parts);
          return { log, secret: "none", rollout: "none" };
        } catch (error) {
          return { log, error: error as Error, secret: "none", rollout: "none" };
        } finally {
          await runtime.close();
        }
      },
      what,
    );
  }

  /**
   * Somebody has seen to it that nothing of what left runs any more, or that it is another rollout's now, and says so. A
   * rollout whose stack was destroyed before its engine knew of it is still registered, and has to be named.
   */
  private async release(): Promise<void> {
    const { world } = this;
    const { other } = world;
    if (world.newer || world.restored) return;
    for (const subject of world.subjects) {
      const { ledger } = subject;
      if (!ledger || world.foreignLease(subject.home)) continue;
      const lost = `${other.name}::reports`;
      if (lost in ledger.rollouts && !world.otherDeclared && !other.rollout) await this.releaseOne(subject, lost);
      const gone = Object.keys(ledger.rollouts).filter((key) => this.isLost(key));
      for (const key of [...gone, ...Object.keys(ledger.residues)]) await this.releaseOne(subject, key);
    }
  }

  /** Of this program, and neither declared any more nor in a state. */
  private isLost(key: string): boolean {
    const { owner, former, other, rolloutName, setup } = this.world;
    const [stack, name] = key.split("::") as [string, string];
    if (stack === other.name || stack === former?.name) return false;
    if (stack !== owner.name) return true;
    const inState = [owner.rollout, ...Object.values(owner.further)].some((entry) => entry?.outputs["name"] === name);
    return !inState && name !== rolloutName && !(name === "jobs" && setup.jobs);
  }

  private async releaseOne(subject: Subject, key: string): Promise<void> {
    const { world } = this;
    const stack = subject === world.secret ? world.owner : world.keys;
    const entry = world.entryOf(stack);
    if (!entry) return;
    const workload = world.workloadOf(key);
    const takenOver = Object.keys(subject.ledger?.rollouts ?? {}).some(
      (one) => one !== key && world.workloadOf(one) === workload,
    );
    if (!takenOver) {
      world.endWorkload(workload, subject);
      if (subject === world.secret && workload === "api" && !world.owner.rollout) world.removeNative();
    }
    this.story.push(`release ${key} from ${subject.name}${takenOver ? ", which is another rollout's now" : ""}`);
    const order = {
      owner: { id: entry.owner, stack: stack.name },
      entry,
      reason: "they are gone",
      rollout: key,
      inState: new Set<string>(),
    };
    const give = (parts: Parts) => release(parts, order, async () => true);
    await this.command(NONE, "release", subject, stack.name, give);
  }

  /**
   * Clean runs of each stack, with grace expiring between them, until everything is as it should be: at most three, one
   * more for a soak time; counted from the last one that made a version where a rotation was due, or took a restored
   * ledger into account.
   * @returns how many rounds that took.
   */
  async converge(): Promise<number> {
    const { world } = this;
    this.mend();
    this.upgrade();
    world.setClockRight();
    world.readers = [];
    for (const subject of world.subjects) {
      const lease = subject.ledger?.lease;
      if (lease) world.clock.time = Math.max(world.clock.time, lease.expiresAt + 1);
    }
    if (world.setup.confirmation === "elsewhere") world.otherDeclared = true;
    const allowed = world.setup.soak === "0s" ? 3 : 4;
    let why: string | null = null;
    const made = () => world.subjects.reduce((sum, { ledger }) => sum + (ledger?.counters.version ?? 0), 0);
    let versions = made();
    for (let round = 1, since = 1; since <= allowed && round < 4 * allowed; round++, since++) {
      this.story.push(`clean round ${round}`);
      await this.formerDestroy(NONE);
      await this.keyUp(NONE);
      if (await this.doAsTold(await this.up(CLEAN))) since = 0;
      if (world.otherDeclared) {
        if (await this.doAsTold(await this.otherUp(NONE))) since = 0;
      } else if (world.other.rollout) {
        const left = await this.run(NONE, () => world.other.destroy(), "other destroy");
        if (await this.doAsTold(left)) since = 0;
      }
      await this.release();
      world.clock.advance(GRACE + 1);
      why = unsettled(world);
      if (why === null && world.restored) {
        // Nothing has come of it so far; whoever put the backup in place has it taken into account.
        await this.adopt(NONE);
        since = 0;
      } else if (why === null) return round;
      if (made() > versions) since = 0;
      versions = made();
    }
    throw new Broken(`rest: ${allowed} clean rounds do not come to rest: ${why}`);
  }

  /** What the error of a run says is to be done. @returns whether something was done. */
  private async doAsTold(result: RunResult | null): Promise<boolean> {
    const { world } = this;
    const { message = "" } = result?.error ?? {};
    const toAdopt = message.includes("rotation adopt");
    if (!toAdopt && !message.includes("Restore a newer backup")) return false;
    const { error: refused } = toAdopt ? await this.adopt(NONE) : { error: result?.error };
    if (!refused) return true;
    if (refused.message.includes("pulumi state delete") && refused.message.includes("another secret")) {
      world.owner.secret = null;
      return true;
    }
    if (refused.message.includes("holds the lease")) {
      world.clock.advance(MINUTE);
      return true;
    }
    if (!world.restored) return false;
    // "Restore a newer backup", as far as there is one: of now.
    this.story.push("the newest backup is put back");
    putBack(world.restored, { values: true });
    // A teardown that had begun is not a new one.
    const { body } = held(world.restored.store);
    if (body) world.before.set(world.restored.store, body);
    world.restored = null;
    world.secret.lost.clear();
    return true;
  }

  /** What is asked for is done, once nothing stands in its way: every event is answered, and the schedule is kept. */
  async fulfil(): Promise<void> {
    const { world } = this;
    const issuedAt = () => {
      const { ledger } = world;
      const active = ledger?.versions.find((record) => record.version === ledger.active)?.issuedAt ?? 0;
      // An earlier version may bear a later moment than this one, and answer an event all the same.
      return world.wasSetBack ? Math.max(active, ledger?.confirmedIssueAt ?? 0) : active;
    };
    const open = () =>
      world.events.filter(({ time, reason }) => {
        const skew = reason === "suspected-compromise" ? MINUTE : 0;
        return issuedAt() <= Date.parse(time) + skew;
      });
    // The first of them may have to confirm what is there before it may rotate.
    for (let more = 0; more < 2 && open().length > 0; more++) {
      // A failed attempt is tried again after a day at most.
      world.clock.advance(DAY);
      await this.converge();
    }
    this.tally.count("rule11", world.events.length);
    if (open().length > 0)
      throw new Broken(
        `rule11: nothing answers ${open()
          .map(({ id }) => id)
          .join(", ")}`,
      );
    const { window } = world.setup;
    if (!window) return;
    const before = world.ledger?.counters.version ?? 0;
    world.clock.time = nextOpening(window, world.clock.time + 91 * DAY);
    const isRotated = () => (world.ledger?.counters.version ?? 0) !== before;
    for (let run = 0; run < 2 && !isRotated(); run++) await this.up(CLEAN);
    this.tally.count("window");
    if (!isRotated()) throw new Broken("window: nothing is rotated when it opens");
  }

  /** The end of everything: nothing of ours stays. */
  async destroyAll(): Promise<void> {
    const { world } = this;
    this.story.push("destroy everything");
    if (world.other.rollout) await this.run(NONE, () => world.other.destroy(), "other destroy");
    world.otherDeclared = false;
    await this.release();
    const results = [await this.run(NONE, () => world.owner.destroy(), "destroy")];
    if (world.setup.key) results.push(await this.run(NONE, () => world.keys.destroy(), "destroy"));
    for (const { error } of results) if (error) throw new Broken(`rest: destroy fails: ${error.message}`);
    this.tally.count("gone");
    for (const subject of world.subjects) {
      const live = liveCredentials(subject);
      if (live.length > 0) throw new Broken(`promise2: destroy leaves ${live.join(", ")}`);
      for (const store of subject.stores) {
        const { versions, current } = held(store);
        if (versions.size > 0 || current) throw new Broken(`promise2: destroy leaves versions in store ${store}`);
      }
    }
    invariants.checkSecrecy(world, this.story);
    invariants.checkWholeTrail(world);
  }
}

/** Without the stack, which is expensive to map to the sources and tells nothing else. */
function messagesOf(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messagesOf(error.cause)] : [];
}

export interface PlayOptions {
  readonly tally?: Tally;
  readonly onStart?: (sequence: Sequence) => void;
}

const BEGINNING: readonly Action[] = [CLEAN, { do: "other up", fault: NONE }, { do: "wait", for: "the interval" }];

/** @throws Broken with the whole story. */
export async function play(setup: Setup, actions: readonly Action[], options: PlayOptions = {}): Promise<void> {
  const { tally = new Tally(), onStart } = options;
  const sequence = new Sequence(setup, tally);
  onStart?.(sequence);
  tally.count("sequences");
  try {
    for (const action of [...BEGINNING.slice(0, setup.begin), ...actions]) await sequence.do(action);
    await sequence.converge();
    tally.count("rest");
    await sequence.fulfil();
    await sequence.destroyAll();
  } catch (error) {
    const setting = Object.entries(setup).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    throw new Error(
      [error instanceof Broken ? error.message : (error as Error).stack, setting.join(", "), ...sequence.story].join(
        "\n    ",
      ),
      { cause: error },
    );
  } finally {
    watch(null);
  }
}
