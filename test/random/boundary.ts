/**
 * The edge of a simulated provider process: every call of the handler on an adapter in memory passes here. It counts the
 * side effects, makes the one that is asked for fail, and is where the process dies: from then on nothing that the dead
 * run still tries has any effect, not even what does not pass the library's own seam.
 */
import { UnreachableError } from "../../provider/lifecycle/errors";
import * as registry from "../../provider/registry";
import type { World } from "./world";
import { registerMemoryAdapters } from "../support/miniEngine";
import { installPlainCopy } from "./plainCopy";

export type Place = "store" | "replica" | "issuer" | "audit" | "consumer";

/** What goes wrong in a run. `at` counts its side effects, for `loseSave` its provider calls. */
export type Fault =
  | { readonly kind: "none" }
  /** The process ends there; `holder` says whether the next run can know that. */
  | { readonly kind: "killBefore" | "killAfter"; readonly at: number; readonly holder: "dead" | "unknown" }
  /** The process lives on and is told that nobody answered; after `replyLost` it happened all the same. */
  | { readonly kind: "failBefore" | "replyLost"; readonly at: number }
  /** From that effect on, to the end of the run. */
  | { readonly kind: "down"; readonly place: Place; readonly at: number }
  /** The engine is killed before it saves what a provider call returned. */
  | { readonly kind: "loseSave"; readonly at: number }
  /** Another run starts in the middle of this one, as where the backend's lock does not work. */
  | { readonly kind: "intruder"; readonly at: number; readonly who: "owner" | "other" }
  /** The process stands still after an effect until its lease is over, as when a machine sleeps, and then goes on. */
  | { readonly kind: "pause"; readonly at: number; readonly meanwhile: "nobody" | "owner" | "other" };

export class Killed extends Error {
  override readonly name = "Killed";
}

/** One provider process. */
export class Process {
  dead = false;
  /** Side effects begun, in order, each with the name of the adapter. */
  readonly effects: { readonly point: string; readonly name: string }[] = [];
  /** Whether the audit sink has refused an event, and has taken none since. */
  unrecorded = false;
  returns = 0;

  constructor(
    readonly fault: Fault,
    /** Runs inside another one: on another machine, so it does not share that one's queue. */
    readonly nested: boolean,
  ) {}

  kill(): never {
    this.dead = true;
    throw new Killed("the process was killed");
  }

  assertAlive(): void {
    if (this.dead) throw new Killed("this process is dead");
  }
}

export interface Effect {
  readonly process: Process;
  /** As the seam names it: `issuer.revoke`. */
  readonly point: string;
  /** The name of the store, or of whatever else it is. */
  readonly name: string;
  readonly args: any[];
}

/** Who watches: the world in which the processes run. */
export interface Watcher {
  readonly process: Process;
  readonly world: World;
  before(effect: Effect): void;
  after(effect: Effect): void;
  /** Runs the intruder of a process. */
  intrude(who: "owner" | "other"): Promise<void>;
  /** Time passes without the process, until its lease is over. */
  oversleep(): void;
}

/** What a mutation returns instead of making the call, with what the caller is told: nothing happened. */
export class Skipped {
  constructor(readonly answer: unknown) {}
}

/** Changes what a call does; for the test of the test. */
export type Mutate = (effect: Effect, call: () => Promise<unknown>, watcher: Watcher) => Promise<unknown>;

/** Changes what is read; for the test of the test. */
export type MutateRead = (point: string, answer: any, watcher: Watcher) => unknown;

const EFFECTS: Readonly<Record<string, readonly string[]>> = {
  store: ["putVersion", "promote", "clearCurrent", "disable", "enable", "retire", "commit"],
  issuer: ["issue", "disable", "enable", "revoke"],
  audit: ["record"],
  consumer: ["roll"],
};

let watcher: Watcher | null = null;
let mutate: Mutate | null = null;
let mutateRead: MutateRead | null = null;

export function watch(by: Watcher | null): void {
  watcher = by;
}

export function mutateCalls(by: Mutate | null): void {
  mutate = by;
}

export function mutateReads(by: MutateRead | null): void {
  mutateRead = by;
}

function guarded<T extends object>(adapter: T, family: string, place: Place, name: string): T {
  const world = watcher;
  if (!world) return adapter;
  const { process } = world;
  return new Proxy(adapter, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (property === "location" && process.nested) return `${String(member)} from another machine`;
      if (typeof member !== "function" || property === "close") return member;
      const isEffect = EFFECTS[family]?.includes(String(property));
      return async (...args: unknown[]) => {
        process.assertAlive();
        const call = () => member.apply(target, args) as Promise<unknown>;
        const point = `${place}.${String(property)}`;
        if (isEffect) return cause({ process, point, name, args }, call, world);
        if (isDown(process, place) && property !== "propose" && property !== "confirm") throw unreachable(point);
        const answer = await call();
        return mutateRead ? mutateRead(point, answer, world) : answer;
      };
    },
  });
}

function isDown({ fault, effects }: Process, place: Place): boolean {
  return fault.kind === "down" && fault.place === place && effects.length >= fault.at;
}

function unreachable(point: string): UnreachableError {
  return new UnreachableError(`${point} does not answer.`);
}

/** A mutation of the audit trail may also change what is done about its failure; any other only what the call does. */
async function cause(effect: Effect, call: () => Promise<unknown>, world: Watcher): Promise<unknown> {
  const { process, point } = effect;
  if (!point.startsWith("audit")) return carryOut(effect, call, world);
  const record = async () => {
    try {
      const recorded = await carryOut(effect, call, world);
      process.unrecorded = false;
      return recorded;
    } catch (error) {
      process.unrecorded = true;
      throw error;
    }
  };
  return mutate ? mutate(effect, record, world) : record();
}

async function carryOut(effect: Effect, call: () => Promise<unknown>, world: Watcher): Promise<unknown> {
  const { process, point, name } = effect;
  const { fault } = process;
  const place = point.split(".")[0] as Place;
  const hit = "at" in fault && fault.at === process.effects.length;
  if (isDown(process, place)) throw unreachable(point);
  process.effects.push({ point, name });
  if (hit && fault.kind === "intruder") await world.intrude(fault.who);
  if (hit && fault.kind === "killBefore") process.kill();
  if (hit && fault.kind === "failBefore") throw unreachable(point);
  world.before(effect);
  const result = await (mutate && place !== "audit" ? mutate(effect, call, world) : call());
  if (result instanceof Skipped) return result.answer;
  world.after(effect);
  if (hit && fault.kind === "killAfter") process.kill();
  if (hit && fault.kind === "replyLost") throw unreachable(point);
  if (hit && fault.kind === "pause") {
    world.oversleep();
    if (fault.meanwhile !== "nobody") await world.intrude(fault.meanwhile);
  }
  return result;
}

/** Puts the boundary around every adapter in memory. @returns how to take it away again. */
export function installBoundary(): () => void {
  registerMemoryAdapters();
  const undo: (() => void)[] = [installPlainCopy()];
  const wrap = (family: Record<string, any>, prefix: string, placeOf: (options: any) => Place): void => {
    const load = family["memory"];
    undo.push(() => (family["memory"] = load));
    const guard = async () => {
      const adapter = await load();
      const create = (options: any, context: unknown) =>
        guarded(adapter.create(options, context), prefix, placeOf(options), options.name);
      return { ...adapter, create };
    };
    // Each import passes the loader of the test runner anew.
    let loaded: Promise<unknown> | undefined;
    family["memory"] = () => (loaded ??= guard());
  };
  wrap(registry.stores as any, "store", ({ name }) => (name === "replica" ? "replica" : "store"));
  wrap(registry.kinds as any, "issuer", () => "issuer");
  wrap(registry.auditSinks as any, "audit", () => "audit");
  wrap(registry.consumers as any, "consumer", () => "consumer");
  return () => undo.forEach((one) => one());
}
