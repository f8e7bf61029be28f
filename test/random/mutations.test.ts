/** The test of the test: a rotation whose order is wrong on purpose has to be caught by the random sequences. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RunMemory } from "../../provider/engine/runMemory";
import { ConflictError } from "../../provider/lifecycle/errors";
import { getVersion, type LedgerState } from "../../provider/lifecycle/ledger";
import { Session, type EventFields } from "../../provider/rotation/session";
import { createMemoryStore } from "../../provider/stores/memory";
import { actions, setup, type Action } from "./actions";
import { installBoundary, mutateCalls, Skipped, type Mutate } from "./boundary";
import { play, type Sequence } from "./sequence";
import { World } from "./world";

/** How many sequences a mutation may survive. */
const RUNS = 600;

/** Each puts its mutation in place, and returns how to take it away. */
const mutations: Readonly<Record<string, () => () => void>> = {
  "promotes a version before it is issued": () =>
    calls(async ({ point, name, args }, call, watcher) => {
      const result = await call();
      if (point !== "store.putVersion") return result;
      const store = createMemoryStore({ type: "memory", name, fenced: false }, {} as never);
      const { current, revision } = await store.load();
      await store.promote(args[0].ref, current, revision);
      watcher.world.mirror(name).current = args[0].ref;
      return result;
    }),
  "revokes the superseded version when it promotes the next one": () =>
    calls(async ({ point, name }, call, watcher) => {
      const { world } = watcher;
      const before = world.mirror(name).current;
      const result = await call();
      const superseded = world.stored.get(before?.version ?? 0)?.issued["name"] ?? "";
      if (point === "store.promote") world.issuer.credentials.delete(superseded);
      return result;
    }),
  "retires without grace": () =>
    replace(
      World.prototype,
      "secretArgs",
      (original) =>
        function (this: World) {
          const args = original.call(this);
          return { ...args, retirement: { ...(args["retirement"] as object), grace: "0s" } };
        },
    ),
  "takes everybody for confirmed": () =>
    commits((ledger) => {
      for (const rollout of Object.values(ledger.rollouts))
        if (ledger.active !== null) rollout.mayUse = [ledger.active];
    }),
  "does not remember what a rollout left behind": () => commits((ledger) => (ledger.residues = {})),
  "does not wait for the owning stack": () =>
    commits((ledger) => {
      ledger.ownerUnconfirmed = false;
      if (ledger.confirmation === "required") ledger.confirmation = "none";
    }),
  "loses what waits in the outbox": () =>
    calls(async ({ point, args }, call) => {
      if (point === "store.commit") args[0] = { ...args[0], outbox: [] };
      return call();
    }),
  "takes anybody's lease for its own": () => replace(Session.prototype as any, "isMine", () => () => true),
  "counts from the beginning after a teardown": () =>
    commits((ledger) => {
      if (ledger.status === "torn-down") ledger.counters = { version: 0, incarnation: 0, epoch: 0 };
    }),
  "tears down what is only replaced": () => seen(false),
  "never tears down": () => seen(true),
  "revokes without recording that it will": () => skipsCommit("retiring"),
  "disables without recording that it will": () => skipsCommit("disabling"),
  "hands out without recording that it will": () =>
    calls(async ({ point, args }, call) =>
      point === "store.commit" && args[0].rotation?.phase === "promoting" ? new Skipped(args[1]) : call(),
    ),
  "does not start the grace of a version that was left again": () =>
    commits((ledger, events) => {
      if (!events.some((event) => event.step === "returned")) return;
      for (const record of ledger.versions) if (record.state === "rejected") record.leftAt = 0;
    }),
  "does not change the reference on a return": () =>
    commits((ledger, events) => {
      if (events.some((event) => event.step === "returned")) ledger.counters.epoch -= 2;
    }),
  "never moves the label": () =>
    calls(async ({ point, args }, call) => (point === "store.promote" ? new Skipped(args[2]) : call())),
  "forgets the replicas": () =>
    calls(async ({ point, args }, call) => (point === "replica.promote" ? new Skipped(args[2]) : call())),
  "leaves the value of a retired version in the store": () =>
    calls(async ({ point }, call) => (point === "store.retire" ? new Skipped(undefined) : call())),
  "leaves a retired version alive at the issuer": () =>
    calls(async ({ point }, call) => (point === "issuer.revoke" ? new Skipped(undefined) : call())),
  "writes a password into the trail": () =>
    replace(
      Session.prototype,
      "commit",
      (original) =>
        function (this: Session, change: (ledger: LedgerState) => void, ...events: readonly EventFields[]) {
          const active =
            this.hasLedger && this.ledger.active !== null ? getVersion(this.ledger, this.ledger.active) : null;
          const value = stolen?.world.stored.get(active?.version ?? 0)?.value["password"];
          return original.call(this, change, ...events.map((event) => ({ ...event, detail: value ? { value } : {} })));
        },
    ),
  "overwrites what another run committed": () =>
    calls(async ({ name, args }, call) => {
      try {
        return await call();
      } catch (error) {
        const store = createMemoryStore({ type: "memory", name }, {} as never);
        if (error instanceof ConflictError && args.length === 2)
          return store.commit(args[0], (await store.load()).revision);
        throw error;
      }
    }),
};

const up: Action = { do: "up", mode: "plain", native: "ok", fault: { kind: "none" }, between: false };

/** A rotation whose rollout fails: what chance rarely puts together. It is played before each random sequence. */
const SCENES: Readonly<Record<string, readonly Action[]>> = {
  "does not start the grace of a version that was left again": [
    { do: "spoil next version", how: "sick api" },
    { ...up, mode: "target secret" },
    { do: "read current" },
    up,
    up,
  ],
  "does not change the reference on a return": [{ do: "spoil next version", how: "sick api" }, up],
};

/** The sequence that is being played; for the mutation that needs a password. */
let stolen: Sequence | null = null;

function calls(mutate: Mutate): () => void {
  mutateCalls(mutate);
  return () => mutateCalls(null);
}

function replace<T extends object, K extends keyof T>(on: T, name: K, by: (original: T[K]) => T[K]): () => void {
  const original = on[name];
  on[name] = by(original);
  return () => (on[name] = original);
}

function commits(also: (ledger: LedgerState, events: readonly EventFields[]) => unknown): () => void {
  return replace(
    Session.prototype,
    "commit",
    (original) =>
      function (this: Session, change: (ledger: LedgerState) => void, ...events: readonly EventFields[]) {
        const both = (ledger: LedgerState) => {
          change(ledger);
          also(ledger, events);
        };
        return original.call(this, both, ...events);
      },
  );
}

function skipsCommit(step: string): () => void {
  return replace(
    Session.prototype,
    "commit",
    (original) =>
      async function (this: Session, change: (ledger: LedgerState) => void, ...events: readonly EventFields[]) {
        if (!events.some((event) => event.step === step)) await original.call(this, change, ...events);
      },
  );
}

function seen(checked: boolean): () => void {
  return replace(
    RunMemory.prototype,
    "of",
    (original) =>
      function (this: RunMemory, location: string) {
        const real = original.call(this, location);
        return new Proxy(real, {
          get: (target, property) =>
            property === "checked" || property === "created" ? checked : (Reflect.get(target, property) as unknown),
        });
      },
  );
}

describe("a rotation in the wrong order is caught by the random sequences when it", () => {
  let uninstall: () => void;
  before(() => (uninstall = installBoundary()));
  after(() => uninstall());

  for (const [name, put] of Object.entries(mutations))
    it(name, async function () {
      this.timeout(0);
      const takeAway = put();
      try {
        const scene = SCENES[name];
        const property = fc.asyncProperty(setup, actions, async (world, chosen) => {
          const begun = scene ? { ...world, begin: 3, confirmation: "required" as const } : world;
          await play(begun, [...(scene ?? []), ...chosen], (sequence) => (stolen = sequence));
        });
        const { failed, numRuns, errorInstance } = await fc.check(property, {
          numRuns: RUNS,
          seed: 1,
          endOnFailure: true,
        });
        assert.ok(failed, `${numRuns} sequences did not notice`);
        const [why] = (errorInstance as Error).message.split("\n");
        console.log(`      after ${numRuns} sequences: ${why?.slice(0, 120)}`);
      } finally {
        takeAway();
      }
    });
});
