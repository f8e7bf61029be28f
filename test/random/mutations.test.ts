/** The test of the test: a rotation whose order is wrong on purpose has to be caught by the random sequences. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { RunMemory } from "../../provider/engine/runMemory";
import { ConflictError } from "../../provider/lifecycle/errors";
import { getVersion, type LedgerState } from "../../provider/lifecycle/ledger";
import { Session, type EventFields } from "../../provider/rotation/session";
import { createMemoryStore, memoryStoreContents } from "../../provider/stores/memory";
import { actions, setup, type Action } from "./actions";
import {
  installBoundary,
  mutateCalls,
  mutateReads,
  Skipped,
  type Fault,
  type Mutate,
  type MutateRead,
} from "./boundary";
import { play, type Sequence } from "./sequence";
import { held } from "./subject";
import { KEY, World, type Setup } from "./world";
import type { Properties } from "../support/miniEngine";

/** How many sequences a mutation may survive. */
const RUNS = 300;

/** Each puts its mutation in place, and returns how to take it away. */
const mutations: Readonly<Record<string, () => () => void>> = {
  "promotes a version before it is issued": () =>
    calls(async ({ point, name, args }, call) => {
      const result = await call();
      if (point !== "store.putVersion") return result;
      memoryStoreContents(name).current = args[0].ref;
      return result;
    }),
  "revokes the superseded version when it promotes the next one": () =>
    calls(async ({ point, name }, call, watcher) => {
      const { secret } = watcher.world;
      const before = held(name).current;
      const result = await call();
      const superseded = secret.stored.get(before?.version ?? 0)?.issued["name"] ?? "";
      if (point === "store.promote" && secret.has(name)) secret.issuer.credentials.delete(superseded);
      return result;
    }),
  "retires without grace": () =>
    declares((args) => ({ ...args, retirement: { ...(args["retirement"] as object), grace: "0s" } })),
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
          const value = stolen?.world.secret.stored.get(active?.version ?? 0)?.value["password"];
          return original.call(this, change, ...events.map((event) => ({ ...event, detail: value ? { value } : {} })));
        },
    ),
  "begins what the schedule asks for out of its window": () =>
    declares((args) => ({ ...args, schedule: { every: "90d" } })),
  "reads the ledger of a newer package as its own": () =>
    reads((point, answer) =>
      point === "store.load" && answer.body ? { ...answer, body: { ...answer.body, schema: 1 } } : answer,
    ),
  "does not look for versions that the ledger does not know": () =>
    reads((point, answer, { world }) => {
      if (point !== "store.list" && point !== "issuer.inspect") return answer;
      const known = world.subjects.flatMap(({ ledger }) => ledger?.versions.map((record) => record.rotationId) ?? []);
      return answer.filter((one: { token?: string; rotationId?: string }) =>
        known.includes(one.token ?? one.rotationId ?? ""),
      );
    }),
  "adopts a ledger from a backup with the confirmations that are in it": () =>
    commits((ledger, events) => {
      if (!events.some((event) => event.step === "ledger-adopted")) return;
      ledger.ownerUnconfirmed = false;
      for (const rollout of Object.values(ledger.rollouts))
        if (ledger.active !== null) rollout.mayUse = [ledger.active];
    }),
  "does not wait for the confirmation of a second secret": () =>
    commits((ledger) => {
      if (ledger.secret !== KEY) return;
      for (const rollout of Object.values(ledger.rollouts))
        if (ledger.active !== null) rollout.mayUse = [ledger.active];
    }),
  "waits only for the first rollout of the owning stack": () =>
    commits((ledger) => {
      const jobs = ledger.rollouts["org/app/prod::jobs"];
      if (jobs && ledger.active !== null) jobs.mayUse = [ledger.active];
    }),
  "goes on though its lease ran out while it stood still": () =>
    replace(Session.prototype as any, "isOver", () => () => false),
  "tears down what it has handed over": () =>
    reads((point, answer, { world }) => {
      const entry = world.former?.secret?.outputs;
      if (point !== "store.load" || !answer.body || !entry) return answer;
      return { ...answer, body: { ...answer.body, owner: { id: entry["owner"], stack: entry["stack"] } } };
    }),
  "takes no evidence of use for evidence that there is none": () =>
    reads((point, answer) => (point === "issuer.usage" ? { verdict: "not-seen", uses: [] } : answer)),
  "goes on while the audit trail cannot be written": () =>
    calls(async ({ point }, call) => (point === "audit.record" ? call().catch(() => undefined) : call())),
  "does not answer the departure of an employee": () =>
    declares((args) => ({
      ...args,
      events: (args["events"] as { reason: string }[]).filter(({ reason }) => reason !== "departed-employee"),
    })),
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

const fault: Fault = { kind: "none" };
const up: Extract<Action, { do: "up" }> = {
  do: "up",
  mode: "plain",
  native: "ok",
  fault,
  between: false,
  continueOnError: false,
  retain: false,
};
const otherUp: Action = { do: "other up", fault };
const interval: Action = { do: "wait", for: "the interval" };
const grace: Action = { do: "wait", for: "grace" };

interface Scene {
  readonly setup?: Partial<Setup>;
  readonly actions: readonly Action[];
}

/** What chance rarely puts together. It is played before each random sequence. */
const SCENES: Readonly<Record<string, Scene>> = {
  "retires without grace": {
    setup: { begin: 3, confirmation: "required", soak: "0s", key: false },
    actions: [{ do: "read current" }, up, otherUp, up],
  },
  "does not remember what a rollout left behind": {
    setup: { begin: 2, confirmation: "required", soak: "0s", key: false, pinned: true },
    actions: [{ do: "other destroy", fault }, interval, up, grace, up],
  },
  "does not wait for the owning stack": {
    setup: { begin: 0, confirmation: "required", soak: "0s", key: false, adopt: true },
    actions: [{ ...up, mode: "target secret" }, grace, { ...up, mode: "target secret" }],
  },
  "takes anybody's lease for its own": {
    setup: { begin: 3 },
    actions: [{ ...up, fault: { kind: "killBefore", at: 8, holder: "unknown" } }, up],
  },
  // It is killed once the label has moved.
  "hands out without recording that it will": {
    setup: { begin: 3, minted: false, replica: false, adopt: false, key: false },
    actions: [{ ...up, fault: { kind: "killAfter", at: 13, holder: "dead" } }],
  },
  "does not start the grace of a version that was left again": {
    setup: { begin: 3, confirmation: "required" },
    actions: [
      { do: "spoil next version", how: "sick api" },
      { ...up, mode: "target secret" },
      { do: "read current" },
      up,
      up,
    ],
  },
  "does not change the reference on a return": {
    setup: { begin: 3, confirmation: "required" },
    actions: [{ do: "spoil next version", how: "sick api" }, up],
  },
  "begins what the schedule asks for out of its window": {
    setup: { begin: 3, window: { from: "02:00", to: "03:00", timeZone: "Europe/Berlin" } },
    actions: [up],
  },
  "reads the ledger of a newer package as its own": {
    setup: { begin: 3 },
    actions: [{ do: "a newer package writes the ledger" }, up],
  },
  "does not look for versions that the ledger does not know": {
    setup: { begin: 3, confirmation: "required", soak: "1h" },
    actions: [
      up,
      { do: "restore the ledger", back: 1, values: false },
      { do: "forget in the state", what: "secret" },
      up,
    ],
  },
  "adopts a ledger from a backup with the confirmations that are in it": {
    setup: { begin: 3, confirmation: "required", soak: "0s", key: false, dependents: false, pinned: true },
    actions: [up, { do: "restore the ledger", back: 1, values: false }, { do: "rotation adopt", fault }, up, grace, up],
  },
  "does not wait for the confirmation of a second secret": {
    setup: { begin: 0, key: true, confirmation: "required", pinned: true, soak: "0s" },
    actions: [{ do: "key up", fault }, up, interval, { do: "key up", fault }, grace, { do: "key up", fault }],
  },
  "waits only for the first rollout of the owning stack": {
    setup: { begin: 3, jobs: true, confirmation: "required", pinned: true, soak: "0s" },
    actions: [{ ...up, mode: "target secret" }, { ...up, mode: "target rollout" }, otherUp, grace, up],
  },
  "tears down what it has handed over": {
    setup: { begin: 1, confirmation: "required" },
    actions: [{ do: "hand over", fault }, up, { do: "former destroy", fault }],
  },
  "takes no evidence of use for evidence that there is none": {
    setup: { begin: 3, soak: "1h", requireUnused: true },
    actions: [{ do: "the issuer cannot tell who uses what" }, up, otherUp, grace, up],
  },
  "goes on while the audit trail cannot be written": {
    setup: { begin: 3, confirmation: "required" },
    actions: [{ ...up, fault: { kind: "down", place: "audit", at: 5 } }],
  },
  "does not answer the departure of an employee": {
    setup: { begin: 1 },
    actions: [grace, { do: "event", reason: "departed-employee" }],
  },
  // It stands still when it is about to disable v1, and the rollout that registers meanwhile has that enabled.
  "goes on though its lease ran out while it stood still": {
    setup: { begin: 1, confirmation: "required", soak: "1h", key: false, adopt: false },
    actions: [interval, up, grace, { ...up, fault: { kind: "pause", at: 2, meanwhile: "other" } }],
  },
};

/** The sequence that is being played; for the mutation that needs a password. */
let stolen: Sequence | null = null;

function calls(mutate: Mutate): () => void {
  mutateCalls(mutate);
  return () => mutateCalls(null);
}

function reads(mutate: MutateRead): () => void {
  mutateReads(mutate);
  return () => mutateReads(null);
}

function declares(other: (args: Properties) => Properties): () => void {
  return replace(
    World.prototype,
    "secretArgs",
    (original) =>
      function (this: World) {
        return other(original.call(this));
      },
  );
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
        const property = fc.asyncProperty(setup, actions, (world, chosen) =>
          play({ ...world, ...scene?.setup }, [...(scene?.actions ?? []), ...chosen], {
            onStart: (sequence) => (stolen = sequence),
          }),
        );
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
