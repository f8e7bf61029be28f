/** Carries out a sequence of actions on a fresh world, with every invariant checked after every effect. */
import { release } from "../../provider/rotation/release";
import { Runtime } from "../../provider/runtime";
import { MiniStack, type RunResult } from "../support/miniEngine";
import { describe, type Action } from "./actions";
import { Killed, Process, watch, type Effect, type Fault, type Watcher } from "./boundary";
import { Broken, checkRevocation, checkSecrecy, checkTrail, checkUsers, follow, liveCredentials } from "./invariants";
import { DAY, GRACE, HOUR, MINUTE, SECRET, World, type Setup } from "./world";

const UNEXPECTED = ["TypeError", "ReferenceError", "RangeError", "SyntaxError", "ZodError"];

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

  private async carryOut(action: Action): Promise<unknown> {
    const { world } = this;
    const { api, reports } = { api: world.workload("api"), reports: world.workload("reports") };
    const next = (world.ledger?.counters.version ?? 0) + 1;
    switch (action.do) {
      case "up":
        return this.up(action);
      case "other up":
        return this.otherUp(action.fault);
      case "destroy":
        return this.run(action.fault, () => world.owner.destroy(), "destroy");
      case "take out of the program":
        return this.run(action.fault, () => world.owner.up(null, null), "removal");
      case "other destroy":
        world.otherDeclared = false;
        return this.run(action.fault, () => world.other.destroy(), "other destroy");
      case "spoil next version":
        if (action.how === "sick api") return api.sickOn.add(next);
        if (action.how === "api refuses") return api.refuses.add(next);
        if (action.how === "sick reports") return reports.sickOn.add(next);
        return (world.issuer.issuesWorking = false);
      case "mend everything":
        return this.mend();
      case "restart workloads":
        if (!world.setup.pinned) for (const name of ["api", "reports"]) world.restart(name);
        return;
      case "read current":
        return world.readCurrent(world.home);
      case "read replica":
        return world.setup.replica && world.readCurrent("replica");
      case "change inputs":
        return world.grants++;
      case "migrate":
        return this.migrate();
      case "use superseded":
        return this.useSuperseded();
      case "release what left":
        return this.release();
      case "wait":
        return world.clock.advance(
          { "a minute": MINUTE, "past the lease": MINUTE + 1001, grace: GRACE + 1, "a day": DAY, "the interval": 91 * DAY }[action.for],
        );
      case "set the clock back":
        return world.setClockBack(HOUR);
      case "event":
        return this.event(action.reason);
    }
  }

  private up({ mode, native, fault, between }: Extract<Action, { do: "up" }>): Promise<RunResult> {
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
    return this.run(fault, (stack) => stack.up(world.secretArgs(), rollout, options), "up");
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
    Object.assign(clone, { secret: world.owner.secret, pending: [...world.owner.pending], rollout: world.owner.rollout });
    const rollout = world.setup.confirmation === "required" ? world.ownRollout : null;
    await this.run({ kind: "none" }, () => clone.up(world.secretArgs(), rollout, { native: () => this.noNative() }), "intruder", true, clone);
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
    const lease = world.foreignLease;
    const stacks = [world.owner, world.other, ...(clone ? [clone] : [])];
    const before = stacks.map((stack) => stack.onReturn);
    for (const stack of stacks) stack.onReturn = (call) => this.returned(process, call, what);
    const result = await work(world.owner);
    stacks.forEach((stack, index) => (stack.onReturn = before[index] ?? stack.onReturn));
    this.process = outer;
    this.story.push(
      `   ${nested ? "within: " : ""}${what}: secret ${result.secret}, rollout ${result.rollout}, ${process.effects.length} effects` +
        (result.error ? `, ${result.error.name}: ${result.error.message}` : ""),
    );
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

  /** Somebody has seen to it that nothing of what left runs any more, and says so. */
  private async release(): Promise<void> {
    const { world } = this;
    const { ledger, owner } = world;
    if (!ledger || Object.keys(ledger.residues).length === 0 || world.foreignLease || !owner.secret) return;
    for (const residue of Object.values(ledger.residues)) world.endWorkload(residue.name === "orders" ? "api" : "reports");
    if ("org/app/prod::orders" in ledger.residues && !owner.rollout) world.removeNative();
    const { outputs } = owner.secret;
    this.process = new Process({ kind: "none" }, false);
    const runtime = new Runtime(() => undefined, world.clock, { info: () => undefined, warn: () => undefined });
    const parts = await runtime.partsOf(owner.link as never, owner.name);
    const entry = { version: outputs["version"], incarnation: outputs["incarnation"], epoch: outputs["epoch"] } as never;
    const order = { owner: { ...ledger.owner }, entry, reason: "they are gone", inState: new Set<string>() };
    await release(parts!, order, async () => true).catch((error: unknown) => this.story.push(`   ${String(error)}`));
  }

  /**
   * Clean runs of each stack, with grace expiring between them, until everything is as it should be.
   * @returns how many rounds that took.
   */
  async converge(rounds: number): Promise<number> {
    const { world } = this;
    this.mend();
    world.readers = [];
    const lease = world.ledger?.lease;
    if (lease) world.clock.time = Math.max(world.clock.time, lease.expiresAt + 1);
    if (world.setup.confirmation === "elsewhere") world.otherDeclared = true;
    let why: string | null = null;
    for (let round = 1; round <= rounds; round++) {
      this.story.push(`clean round ${round}`);
      await this.up({ do: "up", mode: "plain", native: "ok", fault: { kind: "none" }, between: false });
      if (world.otherDeclared) await this.otherUp({ kind: "none" });
      else if (world.other.rollout) await this.run({ kind: "none" }, () => world.other.destroy(), "other destroy");
      await this.release();
      world.clock.advance(GRACE + 1);
      why = this.unsettled();
      if (why === null) return round;
    }
    throw new Broken(`6: ${rounds} clean rounds do not converge: ${why}`);
  }

  private unsettled(): string | null {
    const { world } = this;
    const { ledger, owner } = world;
    if (ledger?.status !== "live" || ledger.active === null) return `the ledger is ${ledger?.status}`;
    const active = ledger.versions.find((record) => record.version === ledger.active);
    const live = liveCredentials(world);
    if (live.length !== 1 || live[0] !== active?.issued?.["name"]) return `live: ${live.join(", ")}, active: v${ledger.active}`;
    for (const name of [world.home, ...(world.setup.replica ? ["replica"] : [])]) {
      const { versions, current } = world.mirror(name);
      if (versions.size !== 1 || !versions.has(active.rotationId)) return `store ${name} has ${versions.size} versions`;
      if (current?.token !== active.rotationId) return `"current" of ${name} is v${current?.version}`;
    }
    if (world.migrateFrom && world.mirror(world.migrateFrom).versions.size > 0) return "the former store is not empty";
    const open = ledger.versions.filter((record) => record.endedAt === null && record !== active);
    if (open.length > 0) return open.map((record) => `v${record.version} is ${record.state}`).join(", ");
    const unsure = Object.values(ledger.rollouts).filter((one) => one.mayUse.length !== 1 || one.mayUse[0] !== ledger.active);
    if (unsure.length > 0) return `not confirmed by ${unsure.map((one) => one.name).join(", ")}`;
    if (ledger.rotation && ledger.rotation.phase !== "done") return `the rotation is ${ledger.rotation.phase}`;
    if (ledger.lease) return "a lease is held";
    if (owner.pending.length > 0) return `${owner.pending.length} pending deletes`;
    const { version, incarnation, epoch } = owner.secret?.outputs ?? {};
    if (version !== ledger.active || incarnation !== ledger.counters.incarnation || epoch !== ledger.counters.epoch)
      return `the state names v${version}#${incarnation}@${epoch}, the ledger v${ledger.active}#${ledger.counters.incarnation}@${ledger.counters.epoch}`;
    if (world.setup.confirmation === "required" && world.workload("api").versions.get(SECRET) !== version) return "api uses another version";
    if (world.setup.dependents && (world.native.size !== 1 || !world.native.has(version))) return "the native resource uses another version";
    return null;
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
export async function play(setup: Setup, actions: readonly Action[], rounds = 8): Promise<Told> {
  const sequence = new Sequence(setup);
  try {
    for (const action of actions) await sequence.do(action);
    const needed = await sequence.converge(rounds);
    await sequence.destroyAll();
    return { rounds: needed, effects: sequence.effects, runs: sequence.runs };
  } catch (error) {
    const setting = Object.entries(setup).map(([name, value]) => `${name}: ${value}`);
    throw new Error(
      [error instanceof Broken ? error.message : (error as Error).stack, setting.join(", "), ...sequence.story].join("\n    "),
      { cause: error },
    );
  } finally {
    watch(null);
  }
}
