/** Carries out a sequence of actions on a fresh world, with every invariant checked after every effect. */
import { env } from "node:process";
import { release } from "../../provider/rotation/release";
import { Runtime } from "../../provider/runtime";
import { MiniStack, type RunResult } from "../support/miniEngine";
import { describe, type Action } from "./actions";
import { Killed, Process, watch, type Effect, type Fault, type Watcher } from "./boundary";
import { Broken, checkRevocation, checkSecrecy, checkTrail, checkUsers, follow, liveCredentials } from "./invariants";
import { unsettled } from "./settled";
import { DAY, GRACE, HOUR, MINUTE, World, type Setup } from "./world";

const UNEXPECTED = ["TypeError", "ReferenceError", "RangeError", "SyntaxError", "ZodError"];

const CLEAN = { do: "up", mode: "plain", native: "ok", fault: { kind: "none" }, between: false } as const;

export class Sequence implements Watcher {
  readonly world: World;
  process = new Process({ kind: "none" }, false);
  /** What happened, for whoever reads a failure. */
  readonly story: string[] = [];
  effects = 0;
  runs = 0;
  private broken: Broken | null = null;

  constructor(setup: Setup) {
    this.world = new World(setup);
    watch(this);
  }

  before(effect: Effect): void {
    this.guard(() => checkRevocation(this.world, effect));
  }

  after(effect: Effect): void {
    this.effects++;
    this.guard(() => {
      follow(this.world, effect);
      checkUsers(this.world);
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
    await this.carryOut(action);
    this.guard(() => checkUsers(this.world));
    if (this.broken) throw this.broken;
  }

  private async carryOut(action: Action): Promise<void> {
    const { world } = this;
    const { api, reports } = { api: world.workload("api"), reports: world.workload("reports") };
    const next = (world.ledger?.counters.version ?? 0) + 1;
    switch (action.do) {
      case "up":
        await this.up(action);
        break;
      case "other up":
        await this.otherUp(action.fault);
        break;
      case "destroy":
        await this.end(action.fault, () => world.owner.destroy(), "destroy");
        break;
      case "take out of the program":
        await this.end(action.fault, () => world.owner.up(null, null), "removal");
        break;
      case "other destroy":
        world.otherDeclared = false;
        await this.run(action.fault, () => world.other.destroy(), "other destroy");
        break;
      case "spoil next version":
        if (action.how === "sick api") api.sickOn.add(next);
        else if (action.how === "api refuses") api.refuses.add(next);
        else if (action.how === "sick reports") reports.sickOn.add(next);
        else world.issuer.issuesWorking = false;
        break;
      case "mend everything":
        this.mend();
        break;
      case "restart workloads":
        if (!world.setup.pinned) for (const name of ["api", "reports"]) world.restart(name);
        break;
      case "read current":
        world.readCurrent(world.home);
        break;
      case "read replica":
        if (world.setup.replica) world.readCurrent("replica");
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
      case "wait":
        world.clock.advance(
          {
            "a minute": MINUTE,
            "past the lease": MINUTE + 1001,
            grace: GRACE + 1,
            "a day": DAY,
            "the interval": 91 * DAY,
          }[action.for],
        );
        break;
      case "set the clock back":
        world.setClockBack(HOUR);
        break;
      case "event":
        this.event(action.reason);
        break;
    }
  }

  private async up({ mode, native, fault, between }: Extract<Action, { do: "up" }>): Promise<RunResult> {
    const { world } = this;
    const { confirmation, dependents } = world.setup;
    const rollout = confirmation === "required" && mode !== "without rollout" ? world.ownRollout : null;
    const options = {
      targetSecret: mode === "target secret",
      targetRollout: mode === "target rollout" && world.owner.secret !== null,
      force: mode === "force",
      native: async (ref: string) => {
        if (this.process.dead) throw new Killed("this process is dead");
        if (dependents && mode !== "target secret") world.applyNative(ref, native);
        if (between) await this.otherUp({ kind: "none" }, true);
        this.guard(() => checkUsers(world));
      },
    };
    const result = await this.run(fault, (stack) => stack.up(world.secretArgs(), rollout, options), "up");
    // As the error says: the former store is put back until a run has finished what it began there.
    if (result.error?.message.includes("Let a run with the former store finish it")) this.putStoreBack();
    return result;
  }

  /** When the engine says that a secret is gone, nothing of it is left. */
  private async end(fault: Fault, work: () => Promise<RunResult>, what: "destroy" | "removal"): Promise<void> {
    const { world } = this;
    const had = world.owner.secret !== null;
    const { error } = await this.run(fault, work, what);
    const live = liveCredentials(world);
    if (had && !error && live.length > 0) throw new Broken(`6: ${what} leaves ${live.join(", ")}`);
  }

  private async otherUp(fault: Fault, nested = false): Promise<void> {
    const { world } = this;
    if (!world.owner.secret) return;
    world.otherDeclared = true;
    const link = world.owner.link;
    await this.run(fault, () => world.other.upRolloutOf(link, world.otherRollout), "other up", nested);
  }

  /** A clone of the owning stack, on a machine that does not see the backend's lock; or the other stack. */
  async intrude(who: "owner" | "other"): Promise<void> {
    if (this.process.nested) return;
    const { world } = this;
    if (who === "other") return this.otherUp({ kind: "none" }, true);
    const clone = new MiniStack(world.clock);
    Object.assign(clone, {
      secret: world.owner.secret,
      pending: [...world.owner.pending],
      rollout: world.owner.rollout,
    });
    const rollout = world.setup.confirmation === "required" ? world.ownRollout : null;
    await this.run(
      { kind: "none" },
      () => clone.up(world.secretArgs(), rollout, { native: () => this.noNative() }),
      "intruder",
      true,
      clone,
    );
  }

  /** What the intruder's engine would do to the native resource is the outer run's to do. */
  private noNative(): void {
    if (this.world.setup.dependents) throw new Error("the intruder stops before the native resource");
  }

  private async run(
    fault: Fault,
    work: (stack: MiniStack) => Promise<RunResult>,
    what: string,
    nested = false,
    clone?: MiniStack,
  ): Promise<RunResult> {
    const { world } = this;
    const outer = this.process;
    const process = new Process(fault, nested);
    this.process = process;
    this.runs++;
    const lease = world.foreignLease(what === "up" || what === "intruder" ? world.home : world.linkedStore);
    const stacks = [world.owner, world.other, ...(clone ? [clone] : [])];
    const before = stacks.map((stack) => stack.onReturn);
    for (const stack of stacks) stack.onReturn = (call) => this.returned(process, call, what);
    const wasEnding = world.ending;
    world.ending = what.startsWith("destroy") || what === "removal";
    const result = await work(world.owner);
    world.ending = wasEnding;
    stacks.forEach((stack, index) => (stack.onReturn = before[index] ?? stack.onReturn));
    this.process = outer;
    this.story.push(
      `   ${nested ? "within: " : ""}${what}: secret ${result.secret}, rollout ${result.rollout}, ${process.effects.length} effects` +
        (result.error ? `, ${result.error.name}: ${result.error.message}` : ""),
    );
    if (env["ROTATION_RANDOM_LOG"]) this.story.push(...result.log.map((line) => `      ${line}`));
    if (this.broken) throw this.broken;
    if (process.dead && "holder" in fault && fault.holder === "dead") await world.showHolderDead();
    if (clone?.secret && !world.owner.secret && !result.error) Object.assign(world.owner, { secret: clone.secret });
    this.guard(() => {
      if (lease && process.effects.length > 0)
        throw new Broken(`21: though another run held the lease, this one did ${process.effects.join(", ")}`);
      if (result.error && UNEXPECTED.includes(result.error.name)) throw new Broken(`unexpected: ${result.error.stack}`);
      checkSecrecy(world, result.log, String(result.error?.stack), this.story);
      checkTrail(world);
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

  private mend(): void {
    const { world } = this;
    for (const name of ["api", "reports"]) {
      world.workload(name).sickOn.clear();
      world.workload(name).refuses.clear();
    }
    world.issuer.issuesWorking = true;
    for (const credential of world.issuer.credentials.values()) {
      credential.works = true;
      credential.users.clear();
    }
  }

  private putStoreBack(): void {
    this.world.home = this.world.migrateFrom ?? this.world.home;
    this.world.migrateFrom = null;
  }

  private migrate(): void {
    const { world } = this;
    if (!world.owner.secret || world.migrateFrom) return;
    world.migrateFrom = world.home;
    world.home = "db2";
  }

  /** Somebody nobody knows of: only the issuer sees them. */
  private useSuperseded(): void {
    const { world } = this;
    for (const record of world.ledger?.versions ?? [])
      if (record.state === "superseded" || record.state === "rejected")
        world.issuer.credentials.get(record.issued?.["name"] ?? "")?.users.add("a straggler");
  }

  private event(reason: string): void {
    const { world } = this;
    const at = world.clock.now() - 5 * MINUTE;
    if (reason === "suspected-compromise") world.compromisedBefore = Math.max(world.compromisedBefore, at + MINUTE);
    world.events.push({ id: `E${world.events.length + 1}`, reason, time: new Date(at).toISOString() });
  }

  /**
   * Somebody has seen to it that nothing of what left runs any more, and says so. A rollout whose stack was destroyed
   * before its engine knew of it is still registered, and has to be named.
   */
  private async release(): Promise<void> {
    const { world } = this;
    const { ledger, owner, other } = world;
    if (!ledger || world.foreignLease() || !owner.secret) return;
    const lost = `${other.name}::reports`;
    if (lost in ledger.rollouts && !world.otherDeclared && !other.rollout) await this.releaseOne(lost, "reports");
    for (const [key, { name }] of Object.entries(ledger.residues)) await this.releaseOne(key, name);
  }

  private async releaseOne(rollout: string, name: string): Promise<void> {
    const { world } = this;
    const { owner } = world;
    world.endWorkload(name === "orders" ? "api" : "reports");
    if (name === "orders" && !owner.rollout) world.removeNative();
    const { version, incarnation, epoch } = owner.secret?.outputs ?? {};
    this.process = new Process({ kind: "none" }, false);
    const runtime = new Runtime(() => undefined, world.clock, { info: () => undefined, warn: () => undefined });
    const parts = await runtime.partsOf(owner.link as never, owner.name);
    if (!parts) return;
    const order = {
      owner: { id: String(owner.secret?.outputs["owner"]), stack: owner.name },
      entry: { version, incarnation, epoch } as never,
      reason: "they are gone",
      rollout,
      inState: new Set<string>(),
    };
    this.story.push(`release ${rollout}`);
    await release(parts, order, async () => true).catch((error: unknown) => this.story.push(`   ${String(error)}`));
  }

  /**
   * Clean runs of each stack, with grace expiring between them, until everything is as it should be: at most three, one
   * more for a soak time; counted from the last one that made a version where a rotation was due.
   * @returns how many rounds that took.
   */
  async converge(): Promise<number> {
    const { world } = this;
    this.mend();
    world.readers = [];
    const lease = world.ledger?.lease;
    if (lease) world.clock.time = Math.max(world.clock.time, lease.expiresAt + 1);
    if (world.setup.confirmation === "elsewhere") world.otherDeclared = true;
    const allowed = world.setup.soak === "0s" ? 3 : 4;
    let why: string | null = null;
    let versions = world.ledger?.counters.version ?? 0;
    for (let round = 1, since = 1; since <= allowed && round < 3 * allowed; round++, since++) {
      this.story.push(`clean round ${round}`);
      await this.up(CLEAN);
      if (world.otherDeclared) await this.otherUp({ kind: "none" });
      else if (world.other.rollout) await this.run({ kind: "none" }, () => world.other.destroy(), "other destroy");
      await this.release();
      world.clock.advance(GRACE + 1);
      why = unsettled(world);
      if (why === null) return round;
      const made = world.ledger?.counters.version ?? 0;
      if (made > versions) since = 0;
      versions = made;
    }
    throw new Broken(`6: ${allowed} clean rounds do not converge: ${why}`);
  }

  /** The end of everything: nothing of ours stays. */
  async destroyAll(): Promise<void> {
    const { world } = this;
    this.story.push("destroy everything");
    if (world.other.rollout) await this.run({ kind: "none" }, () => world.other.destroy(), "other destroy");
    const { error } = await this.run({ kind: "none" }, () => world.owner.destroy(), "destroy");
    if (error) throw new Broken(`6: destroy fails: ${error.message}`);
    const live = liveCredentials(world);
    if (live.length > 0) throw new Broken(`6: destroy leaves ${live.join(", ")}`);
    for (const [name, { versions, current }] of world.mirrors)
      if (versions.size > 0 || current) throw new Broken(`6: destroy leaves versions in store ${name}`);
  }
}

export interface Told {
  readonly rounds: number;
  readonly effects: number;
  readonly runs: number;
}

/** @throws Broken with the whole story. */
export async function play(
  setup: Setup,
  actions: readonly Action[],
  onStart?: (sequence: Sequence) => void,
): Promise<Told> {
  const sequence = new Sequence(setup);
  onStart?.(sequence);
  try {
    const beginning: Action[] = [CLEAN, { do: "other up", fault: CLEAN.fault }, { do: "wait", for: "the interval" }];
    for (const action of [...beginning.slice(0, setup.begin), ...actions]) await sequence.do(action);
    const needed = await sequence.converge();
    await sequence.destroyAll();
    return { rounds: needed, effects: sequence.effects, runs: sequence.runs };
  } catch (error) {
    const setting = Object.entries(setup).map(([name, value]) => `${name}: ${value}`);
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
