import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import { describeAdoption } from "../../provider/lifecycle/adoption";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import { adopt, type AdoptionOrder } from "../../provider/rotation/adopt";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { Runtime } from "../../provider/runtime";
import { memoryIssuer } from "../../testing/memoryKind";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, TestClock, type Properties, resetMemory } from "../support/miniEngine";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };
const replica = { type: "memory", name: "copy" };
const kind = { type: "memory", name: "issuer" };

const secret: Properties = {
  name: "orders-db",
  kind,
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h" },
};

const rollout = (link: Properties): Properties => ({
  name: "orders",
  secrets: [link],
  consumers: [{ type: "memory", name: "api" }],
});

describe("rotation adopt", () => {
  let clock: TestClock;
  let stack: MiniStack;
  const ledger = () => stack.ledger(store);
  const issuer = () => memoryIssuer("issuer");
  const live = () => [...issuer().credentials.values()].map((one) => one.name.split("-")[2]);
  const states = async () =>
    Object.fromEntries((await ledger()).versions.map((record) => [`v${record.version}`, record.state]));
  const open = async (descriptor: typeof store = store) =>
    new Runtime(() => undefined, clock, { info: () => undefined, warn: () => undefined }).store(descriptor);

  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
  });

  async function up(args: Properties = secret, on = stack): Promise<string> {
    const { error, log } = await on.up(args, rollout);
    assert.ifError(error);
    return log.join("\n");
  }

  /** Lets everything be retired that the rules let go. */
  async function upUntilSettled(): Promise<void> {
    for (let run = 0; run < 4; run++) {
      await up();
      clock.advance(HOUR + 1);
    }
  }

  async function backup(): Promise<LedgerState> {
    return (await (await open()).load()).body as LedgerState;
  }

  async function restore(body: unknown): Promise<void> {
    const opened = await open();
    await opened.commit(body, (await opened.load()).revision);
  }

  async function say(more: Partial<AdoptionOrder> = {}, agree = true, on = stack, replicas = [] as (typeof store)[]) {
    const runtime = new Runtime(() => undefined, clock, { info: () => undefined, warn: () => undefined });
    const { entry, identity, owner } = on.secret
      ? {
          entry: on.secret.outputs as never,
          identity: String(on.secret.outputs["identity"]),
          owner: { id: String(on.secret.outputs["owner"]), stack: on.name },
        }
      : { entry: null, identity: null, owner: { id: "fresh", stack: on.name } };
    const calls = issuer().calls.length;
    let shown: string[] = [];
    const parts = await runtime.parts({ name: "orders-db", store, kind, replicas }, on.name);
    const { outcome, warnings } = await adopt(
      parts,
      { entry, identity, owner, reason: "the disk was restored", ...more },
      async (before, plan) => {
        shown = describeAdoption(before, plan);
        return agree;
      },
    );
    const touched = issuer()
      .calls.slice(calls)
      .filter((call) => !/^(inspect|verify)$/.test(call));
    assert.deepEqual(touched, [], "no credential is touched");
    return { outcome, warnings, shown: shown.join("\n") };
  }

  async function verifyTrail(): Promise<void> {
    const { audit, identity } = await ledger();
    const events = memoryAuditTrail("db").events.filter((event) => event?.identity === identity);
    assert.deepEqual(verifyChain(events, { expectedHead: audit, identity }), []);
  }

  const adoptionEvent = () =>
    memoryAuditTrail("db")
      .events.filter((event) => event?.step === "ledger-adopted")
      .at(-1);

  describe("with a ledger that is older than the state", () => {
    it("takes the version that the state names, goes on with the trail, and retires nothing before all confirm", async () => {
      await up();
      const before = await backup();
      clock.advance(91 * DAY);
      await up();
      await restore(before);
      const refused = await stack.up(secret, rollout);
      assert.match(String(refused.error?.message), /rotation adopt orders-db/);

      const { outcome, shown } = await say();
      assert.equal(outcome, "adopted");
      assert.match(shown, /older than the world: it counts v1, incarnation 1, epoch 1; the Pulumi state names v2/);
      assert.match(shown, /the audit trail has \d+ events that it has forgotten/);
      assert.match(
        shown,
        /v2 is not in the ledger and is recorded as superseded \(orders-db-v2-\w+, its value is in the store\)/,
      );
      assert.match(shown, /v2 becomes the active version in place of v1/);
      const after = await ledger();
      assert.deepEqual(after.counters, { version: 2, incarnation: 2, epoch: 2 });
      assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
      assert.deepEqual(after.rollouts["org/app/prod::orders"]?.mayUse, [1, "unknown"]);
      assert.equal(after.ownerUnconfirmed, true);
      assert.equal(after.versions[1]?.fingerprint, stack.secret?.outputs["fingerprint"]);
      assert.equal(adoptionEvent()?.reason, "the disk was restored");
      assert.equal(adoptionEvent()?.detail["activeBefore"], "v1");
      await verifyTrail();

      const runs = memoryWorkload("api").rolls;
      assert.doesNotMatch(await up(), /handed out again/);
      assert.equal(memoryWorkload("api").rolls, runs + 1, "the rollout confirms again");
      assert.deepEqual(live(), ["v1", "v2"]);
      await upUntilSettled();
      assert.deepEqual(await states(), { v1: "retired", v2: "active" });
      assert.deepEqual(live(), ["v2"]);
      await verifyTrail();
      clock.advance(91 * DAY);
      await up();
      assert.deepEqual(live(), ["v2", "v3"]);
      await verifyTrail();
    });

    it("lets the rules finish a version that the world has retired already", async () => {
      await up();
      const before = await backup();
      clock.advance(91 * DAY);
      await up();
      await upUntilSettled();
      assert.deepEqual(live(), ["v2"]);
      await restore(before);
      const { shown } = await say();
      assert.match(shown, /v1 is nowhere at the issuer any more/);
      await upUntilSettled();
      assert.deepEqual(await states(), { v1: "retired", v2: "active" });
      await verifyTrail();
    });

    it("goes back to the ledger's version when the value of the one in the state is lost", async () => {
      await up();
      const before = await backup();
      clock.advance(91 * DAY);
      await up();
      const v2 = (await backup()).versions[1]!;
      await loseValueOf(v2.version);
      await restore(before);
      const { shown } = await say();
      assert.match(
        shown,
        /v2 is not in the ledger and is recorded as superseded \(orders-db-v2-\w+, its value is not in the store\)/,
      );
      const after = await ledger();
      assert.deepEqual(await states(), { v1: "active", v2: "superseded" });
      assert.equal(after.versions[1]?.issuedAt, v2.issuedAt, "the trail tells when it was issued");
      assert.equal(after.counters.epoch, 3);
      assert.match(await up(), /v1: handed out again, the stack still names v2/);
      assert.equal(stack.secret?.id, "orders-db/v1#3");
      assert.equal(memoryWorkload("api").versions.get("orders-db"), 1);
      clock.advance(HOUR + 1);
      await up();
      clock.advance(HOUR + 1);
      await up();
      assert.deepEqual(await states(), { v1: "superseded", v2: "retired", v3: "active" });
      await verifyTrail();
    });

    /** As when the whole store is restored: the label is where it was, and the newer value is not there. */
    async function loseValueOf(version: number): Promise<void> {
      const opened = await open();
      const [first] = await opened.list();
      const snapshot = await opened.load();
      await opened.promote(first!, snapshot.current, snapshot.revision, 1);
      const lost = (await opened.list()).find((ref) => ref.version === version);
      await opened.retire(lost!);
    }

    it("refuses when no version would work, and says what to do", async () => {
      await up();
      const before = await backup();
      clock.advance(91 * DAY);
      await up();
      await upUntilSettled();
      await restore(before);
      for (const credential of issuer().credentials.values()) credential.works = false;
      await assert.rejects(
        say(),
        /no version can be taken for the active one: v2: it lacks a right; v1: its value is not in the store\. Nothing was changed\. Restore a newer backup/,
      );
      assert.equal((await ledger()).active, 1);
      assert.equal((await ledger()).lease, null);
    });

    /** A run that ends just before it issues. */
    async function stopIssuing(): Promise<LedgerState> {
      const hooks = globalThis as Record<symbol, unknown>;
      hooks[SEAM_HOOK] = (point: string) => {
        if (point === "issuer.issue") throw new Error("killed");
      };
      try {
        assert.match(String((await stack.up(secret, rollout)).error?.message), /killed/);
      } finally {
        Reflect.deleteProperty(hooks, SEAM_HOOK);
      }
      return { ...(await backup()), lease: null };
    }

    it("drops a rotation that the ledger takes for unfinished", async () => {
      await up();
      clock.advance(91 * DAY);
      const unfinished = await stopIssuing();
      assert.equal(unfinished.rotation?.version, 2);
      await up();
      await upUntilSettled();
      clock.advance(91 * DAY);
      await up();
      assert.deepEqual(live(), ["v2", "v3"]);
      await restore(unfinished);
      const { shown } = await say();
      assert.match(
        shown,
        /the rotation of v2, which the ledger takes for unfinished, is dropped; v2 is recorded as superseded/,
      );
      assert.match(shown, /v1 is nowhere/);
      assert.equal((await ledger()).rotation, null);
      assert.deepEqual(await states(), { v1: "superseded", v2: "superseded", v3: "active" });
      await upUntilSettled();
      assert.deepEqual(live(), ["v3"]);
      await verifyTrail();
    });

    it("makes the version of an unfinished rotation active where the state names it", async () => {
      await up();
      clock.advance(91 * DAY);
      const unfinished = await stopIssuing();
      await up();
      await restore(unfinished);
      await say();
      assert.equal((await ledger()).rotation, null);
      assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
      await upUntilSettled();
      assert.deepEqual(live(), ["v2"]);
    });

    it("puts events that a run wrote after the restore behind the trail's last", async () => {
      await up();
      clock.advance(91 * DAY);
      await stack.up(secret, rollout, { targetSecret: true });
      const before = await backup();
      await up();
      // Versions and counters fit, so a run goes on until it meets the trail.
      await restore(before);
      assert.match(String((await stack.up(secret, rollout)).error?.message), /the ledger disagree: event \d+/);
      const lost = (await backup()).outbox.at(-1)!;
      const { shown } = await say();
      assert.match(shown, /events that it has forgotten/);
      const kept = memoryAuditTrail("db")
        .events.filter((event) => event?.step === lost.step)
        .at(-1);
      assert.deepEqual([kept?.time, kept?.version], [lost.time, lost.version]);
      assert.notEqual(kept?.seq, lost.seq);
      await verifyTrail();
      await upUntilSettled();
      assert.deepEqual(live(), ["v2"]);
      await verifyTrail();
    });
  });

  describe("with versions that the ledger does not know", () => {
    async function forgetV2(): Promise<void> {
      await up();
      clock.advance(91 * DAY);
      await up();
      const forgetful = structuredClone(await backup());
      const first = forgetful.versions[0]!;
      // Only v2 is lost, and its number: nothing else looks older.
      Object.assign(first, { state: "active", leftAt: null });
      forgetful.versions = [first];
      forgetful.active = 1;
      await restore(forgetful);
      const opened = await open();
      const snapshot = await opened.load();
      await opened.promote({ version: 1, token: first.rotationId }, snapshot.current, snapshot.revision, 1);
    }

    it("records them, keeps the active one, and does not give that up by its age", async () => {
      await forgetV2();
      const { shown } = await say();
      assert.doesNotMatch(shown, /older than the world/);
      assert.deepEqual(await states(), { v1: "active", v2: "superseded" });
      assert.equal((await ledger()).counters.epoch, 2);
      clock.advance(3 * DAY);
      assert.doesNotMatch(await up(), /return from/);
      assert.equal((await states())["v1"], "active");
      await upUntilSettled();
      assert.equal((await states())["v2"], "retired");
    });

    it("gives a number of its own to a credential of which nothing is known", async () => {
      await up();
      const { identity } = await ledger();
      const stray = { name: "stray", identity, rotationId: "r-stray", password: "x", enabled: true, works: true };
      issuer().credentials.set("stray", { ...stray, users: new Set() });
      clock.advance(91 * DAY);
      const refused = await stack.up(secret, rollout);
      assert.match(String(refused.error?.message), /the issuer has 1 credentials of this secret.*rotation adopt/);
      const { shown } = await say();
      assert.match(
        shown,
        /v2 is not in the ledger and is recorded as superseded \(stray, its value is not in the store\)/,
      );
      const record = (await ledger()).versions[1]!;
      assert.deepEqual(record.issued, { name: "stray" });
      assert.equal(record.issuedAt, null, "no event counts as answered by it");
      assert.equal(record.adopted, false);
      await upUntilSettled();
      assert.equal(issuer().credentials.has("stray"), false);
      await verifyTrail();
    });

    it("says which versions are live when there are more than two, and retires none", async () => {
      await up();
      clock.advance(91 * DAY);
      await up();
      const { identity } = await ledger();
      const stray = { name: "stray", identity, rotationId: "r-stray", password: "x", enabled: true, works: true };
      issuer().credentials.set("stray", { ...stray, users: new Set() });
      const { shown } = await say();
      assert.match(shown, /3 versions are live then: v1, v2, v3; none is retired by this/);
      assert.equal(issuer().credentials.size, 3);
    });

    it("lets a teardown that was stopped by them go on", async () => {
      await up();
      const { identity } = await ledger();
      const stray = { name: "stray", identity, rotationId: "r-stray", password: "x", enabled: true, works: true };
      issuer().credentials.set("stray", { ...stray, users: new Set() });
      assert.match(String((await stack.destroy()).error?.message), /rotation adopt/);
      await say();
      assert.equal((await stack.destroy()).error, undefined);
      assert.equal(issuer().credentials.size, 0);
    });

    it("has a version that should be dead looked at by the next run", async () => {
      await up();
      const zombie = [...issuer().credentials.values()][0]!;
      clock.advance(91 * DAY);
      await up();
      await upUntilSettled();
      assert.deepEqual(live(), ["v2"]);
      issuer().credentials.set(zombie.name, zombie);
      const { shown } = await say();
      assert.match(shown, /v1 should be dead and the issuer still has it/);
      assert.equal((await ledger()).inspectDue, true);
      assert.deepEqual((await ledger()).rollouts["org/app/prod::orders"]?.mayUse, [2], "no confirmation is forgotten");
      await up();
      assert.deepEqual(live(), ["v2"]);
    });
  });

  describe("with a ledger of another stack", () => {
    const other = () => new MiniStack(clock, "org/app/next");

    it("hands the secret over to a stack that has no entry yet; its first run adopts the version", async () => {
      await up();
      const next = other();
      assert.match(String((await next.up(secret, rollout)).error?.message), /rotation adopt orders-db/);
      const { shown } = await say({}, true, next);
      assert.match(shown, /belongs to stack org\/app\/prod now and is handed over to org\/app\/next/);
      assert.deepEqual((await ledger()).owner, { id: "fresh", stack: "org/app/next" });
      const event = memoryAuditTrail("db").events.at(-1);
      assert.deepEqual([event?.step, event?.detail], ["handed-over", { from: "org/app/prod", to: "org/app/next" }]);
      await up(secret, next);
      assert.deepEqual(live(), ["v1"]);
      assert.equal(next.secret?.outputs["version"], 1);
      assert.match(
        String((await stack.up(secret, rollout)).error?.message),
        /belongs to secret orders-db of stack org\/app\/next/,
      );
      await stack.destroy();
      assert.deepEqual(live(), ["v1"], "the former owner tears nothing down");
      await verifyTrail();
    });

    it("hands it back to a stack that has an entry", async () => {
      await up();
      const next = other();
      await say({}, true, next);
      await up(secret, next);
      await say();
      assert.equal((await ledger()).owner.stack, stack.name);
      await up();
      assert.deepEqual(live(), ["v1"]);
    });

    it("refuses another secret in the place of this one", async () => {
      await up();
      await assert.rejects(say({ identity: "somebody-else" }), /holds another secret.*pulumi state delete/);
    });
  });

  it("moves the label in the replicas too", async () => {
    const args = { ...secret, replicas: [replica] };
    await up(args);
    const before = await backup();
    clock.advance(91 * DAY);
    await up(args);
    await restore(before);
    const copy = await open(replica);
    const snapshot = await copy.load();
    const [first] = await copy.list();
    await copy.promote(first!, snapshot.current, snapshot.revision, 1);
    await say({}, true, stack, [replica]);
    assert.equal((await copy.load()).current?.version, 2);
  });

  it("finds nothing to do where the ledger fits the world, and warns of an active version that does not work", async () => {
    await up();
    const { audit } = await ledger();
    assert.deepEqual(await say(), { outcome: "nothing", warnings: [], shown: "" });
    assert.deepEqual((await ledger()).audit, audit);
    for (const credential of issuer().credentials.values()) credential.works = false;
    const { outcome, warnings } = await say();
    assert.equal(outcome, "nothing");
    assert.match(warnings.join(), /v1 is active and does not work \(it lacks a right\)/);
  });

  it("changes nothing that was not agreed to", async () => {
    await up();
    const before = await backup();
    clock.advance(91 * DAY);
    await up();
    await restore(before);
    assert.equal((await say({}, false)).outcome, "declined");
    assert.deepEqual({ ...(await backup()), lease: null }, { ...before, lease: null });
  });

  it("refuses while another run holds the lease", async () => {
    await up();
    const lease = { run: "r-1", user: "ci", host: "elsewhere", pid: 1, processStart: "", acquiredAt: 0 };
    await restore({ ...(await backup()), lease: { ...lease, expiresAt: clock.now() + 30_000 } });
    await assert.rejects(say(), /run r-1 of ci@elsewhere/);
  });
});
