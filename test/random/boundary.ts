/**
 * The edge of a simulated provider process: every call of the handler on an adapter in memory passes here. It counts the
 * side effects, makes the one that is asked for fail, and is where the process dies: from then on nothing that the dead
 * run still tries has any effect, not even what does not pass the library's own seam.
 */
import { UnreachableError } from "../../provider/lifecycle/errors";
import * as registry from "../../provider/registry";
import type { World } from "./world";
import { registerMemoryAdapters } from "../support/miniEngine";

export type Place = "store" | "replica" | "issuer" | "audit" | "consumer";

/** What goes wrong in a run. `at` counts its side effects, for `loseSave` its provider calls. */
export type Fault =
  | { readonly kind: "none" }
  /** The process ends there; `holder` says whether the next run can know that. */
  | { readonly kind: "killBefore" | "killAfter"; readonly at: number; readonly holder: "dead" | "unknown" }
  /** The process lives on and is told that nobody answered; after `replyLost` it happened all the same. */
  | { readonly kind: "failBefore" | "replyLost"; readonly at: number }
  | { readonly kind: "down"; readonly place: Place }
  /** The engine is killed before it saves what a provider call returned. */
  | { readonly kind: "loseSave"; readonly at: number }
  /** Another run starts in the middle of this one, as where the backend's lock does not work. */
  | { readonly kind: "intruder"; readonly at: number; readonly who: "owner" | "other" };

export class Killed extends Error {
  override readonly name = "Killed";
}

/** One provider process. */
export class Process {
  dead = false;
  /** Side effects begun, in order. */
  readonly effects: string[] = [];
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
}

/** What a mutation returns instead of making the call, with what the caller is told: nothing happened. */
export class Skipped {
  constructor(readonly answer: unknown) {}
}

/** Changes what a call does; for the test of the test. */
export type Mutate = (effect: Effect, call: () => Promise<unknown>, watcher: Watcher) => Promise<unknown>;

const EFFECTS: Readonly<Record<string, readonly string[]>> = {
  store: ["putVersion", "promote", "clearCurrent", "retire", "commit"],
  issuer: ["issue", "disable", "enable", "revoke"],
  audit: ["record"],
  consumer: ["roll"],
};

let watcher: Watcher | null = null;
let mutate: Mutate | null = null;

export function watch(by: Watcher | null): void {
  watcher = by;
}

export function mutateCalls(by: Mutate | null): void {
  mutate = by;
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
        const { fault } = process;
        if (fault.kind === "down" && fault.place === place && property !== "propose" && property !== "confirm")
          throw new UnreachableError(`${place} ${name} does not answer.`);
        if (!isEffect) return call();
        return cause({ process, point: `${place}.${String(property)}`, name, args }, call, world);
      };
    },
  });
}

async function cause(effect: Effect, call: () => Promise<unknown>, world: Watcher): Promise<unknown> {
  const { process, point } = effect;
  const { fault } = process;
  const hit = "at" in fault && fault.kind !== "loseSave" && fault.at === process.effects.length;
  process.effects.push(point);
  if (hit && fault.kind === "intruder") await world.intrude(fault.who);
  if (hit && fault.kind === "killBefore") process.kill();
  if (hit && fault.kind === "failBefore") throw new UnreachableError(`${point} does not answer.`);
  world.before(effect);
  const result = await (mutate ? mutate(effect, call, world) : call());
  if (result instanceof Skipped) return result.answer;
  world.after(effect);
  if (hit && fault.kind === "killAfter") process.kill();
  if (hit && fault.kind === "replyLost") throw new UnreachableError(`${point} does not answer.`);
  return result;
}

/** Puts the boundary around every adapter in memory. @returns how to take it away again. */
export function installBoundary(): () => void {
  registerMemoryAdapters();
  const undo: (() => void)[] = [];
  const wrap = (family: Record<string, any>, prefix: string, placeOf: (options: any) => Place): void => {
    const load = family["memory"];
    undo.push(() => (family["memory"] = load));
    family["memory"] = async () => {
      const adapter = await load();
      const create = (options: any, context: unknown) =>
        guarded(adapter.create(options, context), prefix, placeOf(options), options.name);
      return { ...adapter, create };
    };
  };
  wrap(registry.stores as any, "store", ({ name }) => (name === "replica" ? "replica" : "store"));
  wrap(registry.kinds as any, "issuer", () => "issuer");
  wrap(registry.auditSinks as any, "audit", () => "audit");
  wrap(registry.consumers as any, "consumer", () => "consumer");
  return () => undo.forEach((one) => one());
}
