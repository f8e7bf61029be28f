import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import { Runtime } from "../../provider/runtime";
import type { IssuedRef } from "../../provider/contracts/context";
import { getVersion, type LedgerState } from "../../provider/lifecycle/ledger";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { leave } from "../../provider/rotation/rollout";
import { migrate } from "../../provider/rotation/migrate";
import { Session } from "../../provider/rotation/session";
import { createMemoryStore, memoryStoreContents, resetMemoryStores } from "../../provider/stores/memory";
import { memoryIssuer } from "../../testing/memoryKind";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, TestClock, type Properties, resetMemory } from "../support/miniEngine";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const store = { type: "memory", name: "db" };

const secret = (more: Properties = {}): Properties => ({
  name: "orders-db",
  kind: { type: "memory", name: "issuer" },
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h" },
  ...more,
});

const rollout =
  (more: Properties = {}) =>
  (link: Properties): Properties => ({
    name: "orders",
    secrets: [link],
    consumers: [{ type: "memory", name: "api" }],
    checks: [{ type: "memory", name: "api-health", workload: "api" }],
    ...more,
  });

/** A run of the owning stack that holds the lease, with the credential that is active. */
async function heldBy(stack: MiniStack, work: (session: Session, credential: IssuedRef) => Promise<void>) {
  const runtime = new Runtime(() => undefined, stack.clock, { info: () => undefined, warn: () => undefined });
  const place = { name: "orders-db", kind: { type: "memory", name: "issuer" }, store, replicas: [] };
  await Session.run(await runtime.parts(place, stack.name), (session) =>
    work(session, getVersion(session.ledger, session.ledger.active ?? 0).issued ?? {}),
  );
}

describe("a rotating secret", () => {
  let clock: TestClock;
  let stack: MiniStack;
  const ledger = () => stack.ledger(store);
  const live = () =>
    [...memoryIssuer("issuer").credentials.values()].map((credential) => credential.name.split("-")[2]);
  const states = async () =>
    Object.fromEntries((await ledger()).versions.map((record) => [`v${record.version}`, record.state]));
  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
  });

  const up = async (
    args: Properties | null = secret(),
    roll: ((link: Properties) => Properties) | null = rollout(),
    options = {},
  ) => {
    const result = await stack.up(args, roll, options);
    assert.ifError(result.error);
    return result;
  };

  it("issues, verifies, promotes and confirms its first version", async () => {
    const result = await up();
    assert.deepEqual([result.secret, result.rollout], ["created", "created"]);
    assert.deepEqual(await states(), { v1: "active" });
    assert.equal((await ledger()).rotation?.phase, "done");
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 1);
    assert.equal(stack.secret?.id, "orders-db/v1#1");
  });

  it("does nothing while nothing is due", async () => {
    await up();
    clock.advance(89 * DAY);
    const result = await up();
    assert.deepEqual([result.secret, result.rollout], ["same", "same"]);
  });

  it("rotates when it is due, says why, and keeps the superseded version until its grace and soak are over", async () => {
    await up();
    clock.advance(91 * DAY);
    const due = await up();
    assert.deepEqual([due.secret, due.rollout], ["replaced", "updated"]);
    assert.match(due.log.join("\n"), /orders-db: v2: schedule, 91 days old, every 90d/);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    assert.deepEqual(live(), ["v1", "v2"]);
    assert.equal((await up()).secret, "same");
    clock.advance(HOUR + 1);
    assert.equal((await up()).secret, "updated");
    assert.deepEqual(await states(), { v1: "disabled", v2: "active" });
    assert.equal((await up()).secret, "same");
    clock.advance(HOUR + 1);
    assert.equal((await up()).secret, "updated");
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    assert.deepEqual(live(), ["v2"]);
  });

  it("never starts a third version over an unconfirmed second", async () => {
    await up();
    clock.advance(91 * DAY);
    await up(secret(), null, { targetSecret: true });
    clock.advance(HOUR);
    const result = await up(secret({ kind: { type: "memory", name: "issuer", grants: ["more"] } }), null, {
      targetSecret: true,
    });
    assert.deepEqual(live(), ["v1", "v2"]);
    assert.match(result.log.join("\n"), /waits: not confirmed by/);
  });

  it("keeps the superseded version when only the secret was targeted", async () => {
    await up();
    clock.advance(91 * DAY);
    await up(secret(), rollout(), { targetSecret: true });
    clock.advance(3 * HOUR);
    await up(secret(), rollout(), { targetSecret: true });
    assert.deepEqual(live(), ["v1", "v2"]);
    await up();
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
  });

  it("returns to the superseded version in the same run when a rollout fails, and later retires the rejected one", async () => {
    await up();
    memoryWorkload("api").sickOn.add(2);
    clock.advance(91 * DAY);
    const failed = await stack.up(secret(), rollout());
    assert.match(String(failed.error?.message), /api-health: sick on v2.*Rolled back in this run to orders-db v1/);
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 1);
    const next = await up();
    assert.equal(next.secret, "replaced");
    assert.match(next.log.join("\n"), /v1: handed out again, v2 was rejected/);
    assert.equal(stack.secret?.outputs["version"], 1);
    clock.advance(HOUR + 1);
    memoryWorkload("api").sickOn.clear();
    await up();
    clock.advance(HOUR + 1);
    const retried = await up();
    assert.equal(retried.secret, "replaced");
    assert.deepEqual(await states(), { v1: "superseded", v2: "retired", v3: "active" });
    assert.deepEqual(live(), ["v1", "v3"]);
  });

  it("gives up an unconfirmed version after the allowed runs when a resource of the program fails before the rollout", async () => {
    await up();
    clock.advance(91 * DAY);
    const native = (ref: string) => {
      if (ref.includes("/v2@")) throw new Error("the native resource fails");
    };
    for (const expected of ["replaced", "updated", "updated", "replaced"]) {
      const result = await stack.up(secret(), rollout({ dependents: 1, evidence: "engine" }), { native });
      assert.equal(result.secret, expected, result.log.join("\n"));
    }
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
    assert.equal(stack.secret?.outputs["version"], 1);
  });

  it("starts anew when the program no longer names the credential that it failed to adopt", async () => {
    const adopt = { username: "app", password: { from: "env", name: "ROTATION_TEST_GONE" } };
    process.env["ROTATION_TEST_GONE"] = "not the password";
    const failed = await stack.up(secret({ adopt }), rollout());
    assert.match(String(failed.error), /The credential to adopt does not work/);
    await up();
    assert.deepEqual(await states(), { v1: "abandoned", v2: "active" });
    assert.deepEqual(live(), ["v2"]);
  });

  it("adopts what an interrupted create() promoted, instead of issuing another", async () => {
    const lost = await stack.up(secret(), rollout(), { loseCreate: true });
    assert.match(String(lost.error?.message), /killed/);
    assert.match((await up()).log.join("\n"), /v1: adopts the version that the ledger names/);
    assert.deepEqual(live(), ["v1"]);
    assert.equal(stack.secret?.id, "orders-db/v1#2");
  });

  it("rotates on demand when the engine is told to replace it", async () => {
    await up();
    clock.advance(DAY);
    const forced = await up(secret(), rollout(), { force: true });
    assert.equal(forced.secret, "replaced");
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    const again = await up(secret(), rollout(), { force: true });
    assert.match(again.log.join("\n"), /a forced rotation has to wait: the grace period of v1 goes on/);
    assert.deepEqual(live(), ["v1", "v2"]);
  });

  it("is torn down with its stack, and counts on afterwards", async () => {
    await up();
    const gone = await stack.destroy();
    assert.equal(gone.error, undefined);
    assert.deepEqual(live(), []);
    assert.equal((await ledger()).status, "torn-down");
    await up();
    assert.equal(stack.secret?.id, "orders-db/v2#2");
  });

  it("is torn down when it is taken out of the program", async () => {
    await up();
    await up(null, null);
    assert.deepEqual(live(), []);
  });

  it("refuses a teardown while another stack uses it, and names it", async () => {
    await up();
    const other = new MiniStack(clock, "org/reports/prod");
    assert.equal(
      (
        await other.upRolloutOf(
          stack.link,
          rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }] }),
        )
      ).error,
      undefined,
    );
    const refused = await stack.destroy();
    assert.match(String(refused.error?.message), /rollout reports of org\/reports\/prod/);
    assert.deepEqual(live(), ["v1"]);
    await other.destroy();
    assert.match(String((await stack.destroy()).error), /undefined/);
    assert.deepEqual(live(), []);
  });

  it("waits for the rollouts of every stack before it retires", async () => {
    await up();
    const other = new MiniStack(clock, "org/reports/prod");
    const reports = rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }] });
    await other.upRolloutOf(stack.link, reports);
    clock.advance(91 * DAY);
    await up();
    clock.advance(3 * HOUR);
    await up();
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    const second = await other.upRolloutOf(stack.link, reports);
    assert.equal(second.rollout, "updated");
    await up();
    clock.advance(2 * HOUR);
    await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
  });

  it("keeps what a rollout that left may still use, until it is released", async () => {
    await up();
    const other = new MiniStack(clock, "org/reports/prod");
    await other.upRolloutOf(stack.link, rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }] }));
    await other.destroy();
    clock.advance(91 * DAY);
    await up();
    clock.advance(5 * HOUR);
    const held = await up();
    assert.equal(held.secret, "same");
    assert.deepEqual(live(), ["v1", "v2"]);
    assert.match((await ledger()).versions[0]?.putOff?.message ?? "", /rotation release orders-db/);
  });

  it("goes on with the set of a rollout that is renamed as the same entry, and leaves nothing behind", async () => {
    await up();
    clock.advance(91 * DAY);
    await up();
    // As with an alias: the engine calls update() with the old name in the entry.
    await up(secret(), rollout({ name: "shop" }));
    assert.deepEqual(Object.keys((await ledger()).rollouts), ["org/app/prod::shop"]);
    assert.deepEqual((await ledger()).residues, {});
    clock.advance(2 * HOUR);
    await up(secret(), rollout({ name: "shop" }));
    clock.advance(2 * HOUR);
    await up(secret(), rollout({ name: "shop" }));
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    const renamed = memoryAuditTrail("db").events.find((event) => event?.step === "rollout-renamed");
    assert.equal(renamed?.reason, "orders of org/app/prod is shop of org/app/prod now");
  });

  it("rotates while it is protected, and is only torn down when that is taken back", async () => {
    await up(secret({ protect: true }));
    clock.advance(91 * DAY);
    assert.equal((await up(secret({ protect: true }))).secret, "replaced");
    const kept = structuredClone(stack.secret);
    assert.match(String((await stack.destroy()).error), /it is protected, so it is not torn down. Nothing was changed/);
    assert.deepEqual(live(), ["v1", "v2"]);
    stack.secret = kept;
    assert.equal((await up()).secret, "updated");
    assert.match(String((await stack.destroy()).error), /undefined/);
    assert.deepEqual(live(), []);
  });

  it("is not torn down by an entry that another stack's name is in by now", async () => {
    await up();
    const copy = new MiniStack(clock, "org/app/copy");
    copy.secret = structuredClone(stack.secret);
    const refused = await copy.up(secret(), null);
    assert.match(
      String(refused.error),
      /its owner is called org\/app\/prod in the ledger, and this stack is org\/app\/copy/,
    );
    const opened = await new Runtime(() => undefined, clock).store(store);
    const { body, revision } = await opened.load();
    const owned = structuredClone(body) as { owner: { stack: string } };
    owned.owner.stack = "org/app/copy";
    await opened.commit(owned, revision);
    assert.match(
      String((await stack.destroy()).error),
      /written by stack org\/app\/prod, and the secret belongs to org\/app\/copy/,
    );
    assert.deepEqual(live(), ["v1"]);
  });

  it("is torn down by a copy of its state, as any resource is, while it was not handed over", async () => {
    await up();
    const copy = new MiniStack(clock, "org/app/copy");
    copy.secret = structuredClone(stack.secret);
    assert.equal((await copy.destroy()).error, undefined);
    assert.deepEqual(live(), []);
  });

  it("stops before any side effect while another run holds the lease, and names it", async () => {
    await up();
    const opened = await stack.ledger(store);
    const held = {
      ...opened,
      lease: {
        run: "r-77",
        user: "ci",
        host: "elsewhere",
        scope: "another boot",
        pid: 7,
        processStart: "1",
        acquiredAt: clock.now(),
        expiresAt: clock.now() + 91 * DAY + 30_000,
      },
    };
    const memory = await new Runtime(() => undefined, clock).store(store);
    await memory.commit(held, (await memory.load()).revision);
    clock.advance(91 * DAY);
    const stopped = await stack.up(secret(), rollout());
    assert.match(String(stopped.error?.message), /run r-77 of ci@elsewhere/);
    assert.deepEqual(live(), ["v1"]);
  });

  it("renews a lease that ran out while the run stood still, before it does anything else", async () => {
    await up();
    await heldBy(stack, async (session, credential) => {
      clock.advance(61_000);
      await session.kind.disable(credential);
      assert.equal(session.ledger.lease?.expiresAt, clock.now() + 60_000);
    });
  });

  it("does nothing more when another run was at work while it stood still past its lease", async () => {
    await up();
    memoryIssuer("issuer").calls.length = 0;
    const run = heldBy(stack, async (session, credential) => {
      clock.advance(61_000);
      const other = createMemoryStore({ type: "memory", name: "db" }, {} as never);
      const { body, revision } = await other.load();
      await other.commit(body, revision);
      await session.kind.disable(credential);
    });
    await assert.rejects(run, /this run lost its lease .* and stops before its next side effect/);
    assert.deepEqual(memoryIssuer("issuer").calls, []);
  });

  it("refuses a ledger that is older than the state", async () => {
    await up();
    const memory = await new Runtime(() => undefined, clock).store(store);
    const before = (await memory.load()).body;
    clock.advance(91 * DAY);
    await up();
    await memory.commit(before, (await memory.load()).revision);
    const refused = await stack.up(secret(), rollout());
    assert.match(String(refused.error?.message), /rotation adopt orders-db/);
    assert.match(String((await stack.destroy()).error), /rotation adopt orders-db/);
    assert.deepEqual(live(), ["v1", "v2"]);
  });

  it("lets no rollout leave a ledger that is older than what is in the store (rule 24)", async () => {
    await up();
    const memory = await new Runtime(() => undefined, clock).store(store);
    const before = (await memory.load()).body;
    clock.advance(91 * DAY);
    await stack.up(secret(), rollout(), { targetSecret: true });
    await memory.commit(before, (await memory.load()).revision);
    assert.match(String((await stack.destroy()).error), /the store has versions that the ledger does not know \(v2\)/);
    assert.deepEqual(Object.keys((await ledger()).rollouts), ["org/app/prod::orders"]);
  });

  it("moves to another store only when that is declared, and empties the former one last", async () => {
    await up();
    const moved = { type: "memory", name: "db2" };
    const refused = await stack.up(secret({ store: moved }), rollout());
    assert.match(String(refused.error?.message), /migrateFrom/);
    const result = await up(secret({ store: moved, migrateFrom: store }), rollout());
    assert.equal(result.secret, "replaced");
    assert.equal((await stack.ledger(store)).status, "moved");
    assert.deepEqual(live(), ["v1"]);
    clock.advance(HOUR + 1);
    await up(secret({ store: moved, migrateFrom: store }), rollout());
    assert.equal((await stack.ledger(moved)).movedFrom, null);
    clock.advance(91 * DAY);
    await up(secret({ store: moved, migrateFrom: store }), rollout());
    assert.deepEqual(live(), ["v1", "v2"]);
  });

  it("retires a compromised version without grace and soak once its successor is confirmed, and ends its sessions (rule 16)", async () => {
    await up();
    clock.advance(DAY);
    memoryIssuer("issuer").credentials.forEach((credential) => credential.users.add("the thief"));
    const time = new Date(clock.now() - 5 * 60_000).toISOString();
    const events = [{ id: "INC-1", reason: "suspected-compromise", time }];
    const result = await up(secret({ events }));
    assert.match(result.log.join("\n"), /v2: suspected-compromise, event INC-1/);
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    assert.deepEqual(live(), ["v2"]);
    assert.equal((await up(secret({ events }))).secret, "same");
  });

  it("never abandons a compromised version that was handed out: it is confirmed first (rule 16)", async () => {
    await up();
    clock.advance(91 * DAY);
    await up(secret(), null, { targetSecret: true });
    const events = [{ id: "INC-2", reason: "suspected-compromise", time: new Date(clock.now() + 1000).toISOString() }];
    clock.advance(5 * 60_000);
    const waits = await up(secret({ events }), rollout(), { targetSecret: true });
    assert.match(waits.log.join("\n"), /suspected-compromise.*waits: not confirmed by/);
    assert.deepEqual(live(), ["v1", "v2"]);
    await up(secret({ events }));
    await up(secret({ events }));
    await up(secret({ events }));
    assert.deepEqual(live(), ["v3"]);
  });

  it("moves a label of current that is on the wrong version back, and starts that version's grace again (rule 8)", async () => {
    await up();
    clock.advance(91 * DAY);
    await up();
    const opened = await new Runtime(() => undefined, clock).store(store);
    const snapshot = await opened.load();
    const [v1] = await opened.list();
    assert.ok(v1);
    await opened.promote(v1, snapshot.current, snapshot.revision, 1);
    clock.advance(2 * HOUR);
    await up();
    assert.equal((await opened.load()).current?.version, 2);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    assert.match((await ledger()).versions[0]?.putOff?.code ?? "", /grace/);
  });

  it("fills a replica that is added, and refuses to forget one", async () => {
    await up();
    const replicas = [{ type: "memory", name: "replica" }];
    clock.advance(91 * DAY);
    await up(secret({ replicas }));
    const replica = await new Runtime(() => undefined, clock).store({ type: "memory", name: "replica" });
    assert.equal((await replica.read("current")).ref.version, 2);
    const refused = await stack.up(secret(), rollout());
    assert.match(String(refused.error?.message), /replicas: .* cannot be taken away while the secret lives/);
  });

  it("refuses to destroy what it cannot see: a store without a ledger was lost (rule 24)", async () => {
    await up();
    resetMemoryStores();
    assert.match(String((await stack.destroy()).error?.message), /the store has no ledger.*Restore the store/);
    assert.deepEqual(live(), ["v1"]);
    assert.match(String((await stack.up(secret(), rollout())).error?.message), /the store has no ledger/);
  });

  it("keeps one unbroken trail when it moves to another store", async () => {
    await up();
    const moved = secret({ store: { type: "memory", name: "db2" }, migrateFrom: store });
    await up(moved);
    clock.advance(91 * DAY);
    await up(moved);
    const { audit } = await stack.ledger({ type: "memory", name: "db2" });
    assert.deepEqual(verifyChain(memoryAuditTrail("db2").events, { expectedHead: audit }), []);
  });

  it("does not write over the ledger of a secret that another run has moved meanwhile", async () => {
    await up();
    const db2 = { type: "memory", name: "db2" };
    const moved = secret({ store: db2, migrateFrom: store });
    const { identity, owner } = await ledger();
    const runtime = new Runtime(() => undefined, clock);
    const place = { name: "orders-db", kind: { type: "memory", name: "issuer" }, replicas: [] };
    const to = await runtime.parts({ ...place, store: db2 }, stack.name);
    const from = await runtime.parts({ ...place, store }, stack.name);
    let asleep = true;
    const audit: typeof to.audit = {
      ...to.audit,
      record: async (event) => {
        if (asleep) {
          asleep = false;
          clock.advance(61_000);
          await up(moved);
        }
        return to.audit.record(event);
      },
    };
    // Another machine does not wait in the queue of this process.
    const elsewhere = Object.create(from.store, { location: { value: "memory:db on another machine" } });
    await assert.rejects(migrate({ ...to, audit }, { ...from, store: elsewhere }, store), /somebody else changed it/);
    const after = await stack.ledger(db2);
    assert.deepEqual([after.identity, after.owner, after.counters.incarnation], [identity, owner, 2]);
  });

  it("moves to another store also when a killed run had deleted a version there that it was retiring", async () => {
    await up();
    clock.advance(91 * DAY);
    await up();
    const contents = memoryStoreContents("db");
    const body = structuredClone(contents.body) as LedgerState;
    const [first] = body.versions;
    assert.ok(first);
    first.state = "retiring";
    contents.body = body;
    contents.versions.delete(first.rotationId);
    const db2 = { type: "memory", name: "db2" };
    await up(secret({ store: db2, migrateFrom: store }));
    assert.deepEqual(
      [...memoryStoreContents("db2").versions.values()].map(({ ref }) => ref.version),
      [2],
    );
  });

  it("puts nothing into a replica that a ledger from a backup calls active and that is dead (rules 17 and 24)", async () => {
    const replica = { type: "memory", name: "replica" };
    await up(secret({ replicas: [replica] }));
    const { body, current, versions } = memoryStoreContents("db");
    const backup = { body, current, versions: new Map(versions) };
    await stack.destroy();
    Object.assign(memoryStoreContents("db"), backup);
    const { error } = await stack.up(secret({ replicas: [replica] }), rollout());
    assert.match(String(error), /rotation adopt orders-db/);
    assert.equal(memoryStoreContents("replica").versions.size, 0);
  });

  it("makes no first version over a tombstone from a backup while there are versions that it does not know", async () => {
    await up();
    await stack.destroy();
    const { body } = memoryStoreContents("db");
    await up();
    Object.assign(memoryStoreContents("db"), { body, current: null });
    stack.secret = null;
    const { error } = await stack.up(secret(), rollout());
    assert.match(
      String(error),
      /calls it torn down, and there are versions that it does not know: 1 in the store \(v2\)/,
    );
    assert.deepEqual(live(), ["v2"]);
  });

  it("asks again for what only a version answered that was confirmed and then returned from (rule 11)", async () => {
    await up();
    clock.advance(DAY);
    const event = { id: "INC-1", reason: "departed-employee", time: new Date(clock.now()).toISOString() };
    clock.advance(HOUR);
    const events = { events: [event], unconfirmed: { retryAfter: "15m" } };
    await stack.up(secret(events), null, { native: () => Promise.reject(new Error("stopped here")) });
    // Another stack confirms; then the owner's second rollout comes, and is not well.
    const other = new MiniStack(clock, "org/reports/prod");
    const reports = rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }] });
    await other.upRolloutOf(stack.link, reports);
    await up(secret(events));
    assert.equal((await ledger()).rotation?.phase, "done");
    memoryWorkload("jobs").sickOn.add(2);
    const jobs = rollout({
      name: "jobs",
      consumers: [{ type: "memory", name: "jobs" }],
      checks: [{ type: "memory", name: "jobs-health", workload: "jobs" }],
    });
    assert.match(String((await stack.up(secret(events), rollout(), { further: { jobs } })).error), /Rolled back/);
    assert.equal((await ledger()).active, 1);
    clock.advance(HOUR + 1);
    for (let run = 0; run < 4; run++) {
      await up(secret(events), rollout(), { further: { jobs } });
      await other.upRolloutOf(stack.link, reports);
      clock.advance(HOUR + 1);
    }
    assert.equal((await ledger()).active, 3);
  });

  it("gives the lease back when what it found in the outbox cannot be recorded", async () => {
    await up();
    clock.advance(91 * DAY);
    memoryAuditTrail("db").unwritable = true;
    for (const run of [1, 2])
      assert.match(String((await stack.up(secret(), rollout())).error), /cannot be written/, `${run}`);
    assert.equal((await ledger()).lease, null);
  });

  it("goes on when a disabled version that somebody may need again is gone at its issuer", async () => {
    await up();
    clock.advance(91 * DAY);
    await up();
    clock.advance(HOUR + 1);
    await up();
    assert.deepEqual(await states(), { v1: "disabled", v2: "active" });
    const gone = [...memoryIssuer("issuer").credentials.keys()].find((name) => name.includes("-v1-")) ?? "";
    memoryIssuer("issuer").credentials.delete(gone);
    const other = new MiniStack(clock, "org/reports/prod");
    const reports = rollout({ name: "reports", consumers: [{ type: "memory", name: "reports" }] });
    assert.equal((await other.upRolloutOf(stack.link, reports)).error, undefined);
    clock.advance(HOUR + 1);
    await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
  });

  it("keeps what a rollout left behind while its secret was being moved", async () => {
    await up();
    const contents = memoryStoreContents("db");
    contents.body = { ...(contents.body as LedgerState), status: "moved", movedTo: "memory:db2" };
    // The move was killed before its ledger came to the new store.
    const runtime = new Runtime(() => undefined, clock);
    const parts = await runtime.parts(
      { name: "orders-db", kind: { type: "memory", name: "issuer" }, store, replicas: [] },
      stack.name,
    );
    await leave([{ parts, ref: String(stack.link["ref"]) }], "org/app/prod::orders");
    await up(secret({ store: { type: "memory", name: "db2" }, migrateFrom: store }), null);
    const { residues } = await stack.ledger({ type: "memory", name: "db2" });
    assert.deepEqual(Object.keys(residues), ["org/app/prod::orders"]);
  });

  it("revokes what was minted for a rotation that is abandoned because its inputs changed", async () => {
    memoryIssuer("issuer").minted = true;
    await up();
    clock.advance(91 * DAY);
    const seam = globalThis as Record<symbol, unknown>;
    let most = 0;
    seam[SEAM_HOOK] = () => {
      most = Math.max(most, live().length);
    };
    const loses = (point: string, moment: string) => {
      if (point === "issuer.issue" && moment === "after") throw new Error("the value is lost");
    };
    const counts = seam[SEAM_HOOK];
    seam[SEAM_HOOK] = loses;
    const lost = await stack.up(secret(), rollout());
    assert.match(String(lost.error), /the value is lost/);
    assert.deepEqual(live(), ["v1", "v2"]);
    seam[SEAM_HOOK] = counts;
    await up(secret({ kind: { type: "memory", name: "issuer", grants: ["more"] } }));
    Reflect.deleteProperty(seam, SEAM_HOOK);
    assert.deepEqual(live(), ["v1", "v3"]);
    assert.equal(most, 2);
  });

  it("does not let a rollout leave a ledger that is older than what is in the store", async () => {
    await up();
    const { commits: _commits, ...backup } = { ...memoryStoreContents("db") };
    clock.advance(91 * DAY);
    await up();
    Object.assign(memoryStoreContents("db"), { body: backup.body, current: backup.current });
    const { error } = await stack.destroy();
    assert.match(String(error), /rotation adopt orders-db/);
    assert.deepEqual(Object.keys((await ledger()).rollouts), ["org/app/prod::orders"]);
  });

  it("needs nobody's confirmation where the program says so, and answers events all the same", async () => {
    await up(secret({ confirmation: "none" }), null);
    clock.advance(DAY);
    const events = [{ id: "e1", reason: "on-demand", time: new Date(clock.now()).toISOString() }];
    clock.advance(1000);
    assert.equal((await up(secret({ confirmation: "none", events }), null)).secret, "replaced");
    assert.equal((await up(secret({ confirmation: "none", events }), null)).secret, "same");
    clock.advance(HOUR + 1);
    await up(secret({ confirmation: "none", events }), null);
    clock.advance(HOUR + 1);
    await up(secret({ confirmation: "none", events }), null);
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
  });

  it("refuses a rollout whose bake time leaves no room in the interval (rule 10)", async () => {
    const checks = [{ type: "memory", name: "slow", workload: "api", bakeMs: 2 * HOUR }];
    const tight = secret({ schedule: { every: "3h" } });
    const refused = await stack.up(tight, rollout({ checks }));
    assert.match(String(refused.error?.message), /orders-db is due every 3 hours, which is not longer than its grace/);
  });

  it("does not take an option that only writes its default out for a change", async () => {
    await up(secret({ kind: { type: "memory", name: "issuer" } }));
    assert.equal((await up(secret({ kind: { type: "memory", name: "issuer", grants: [] } }))).secret, "updated");
    assert.deepEqual(live(), ["v1"]);
  });

  it("raises the epoch when what runs contradicts the engine, so that the reference is applied again (rule 6)", async () => {
    const evidence = rollout({
      consumers: [],
      dependents: 1,
      checks: [{ type: "memory", name: "adoption", workload: "api", evidence: true }],
    });
    const follows = (ref: string) => {
      const version = Number(/v(\d+)@/.exec(ref)?.[1]);
      const held = [...memoryIssuer("issuer").credentials.values()].find((credential) =>
        credential.name.includes(`-v${version}-`),
      );
      assert.ok(held);
      const fingerprint = String(stack.secret?.outputs["fingerprint"]);
      memoryWorkload("api").uses.set("orders-db", fingerprint);
    };
    await up(secret(), evidence, { native: follows });
    clock.advance(91 * DAY);
    const ignored = await stack.up(secret(), evidence, { native: () => undefined });
    assert.match(String(ignored.error?.message), /what runs uses another version. Nothing was rolled back/);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    const refs: string[] = [];
    await up(secret(), evidence, {
      native: (ref: string) => {
        refs.push(ref);
        follows(ref);
      },
    });
    assert.deepEqual(refs, ["orders-db/v2@3"]);
    assert.equal((await ledger()).rotation?.phase, "done");
  });

  it("goes on after a rotation that was due had to hand the active version out instead", async () => {
    const quick = secret({ retirement: { grace: "1h", soak: "0s" } });
    await up(quick);
    clock.advance(91 * DAY);
    await up(quick);
    const [v1] = memoryIssuer("issuer").credentials.values();
    v1?.users.add("a straggler");
    clock.advance(91 * DAY);
    const held = await up(quick);
    assert.match(held.log.join("\n"), /v2 stays as it is; v1 is still used by a straggler/);
    assert.equal((await up(quick)).error, undefined);
    v1?.users.clear();
    await up(quick);
    assert.deepEqual(live(), ["v2", "v3"]);
  });

  it("goes on with the same trail when a teardown that was interrupted is finished by an up", async () => {
    await up();
    const opened = await new Runtime(() => undefined, clock).store(store);
    const snapshot = await opened.load();
    await opened.commit({ ...(snapshot.body as object), status: "tearing-down" }, snapshot.revision);
    await up();
    assert.deepEqual(live(), ["v2"]);
    const { audit } = await ledger();
    assert.deepEqual(verifyChain(memoryAuditTrail("db").events, { expectedHead: audit }), []);
  });

  it("keeps its identity when a forced replacement moves it as well", async () => {
    await up();
    const moved = secret({ store: { type: "memory", name: "db2" }, migrateFrom: store });
    await up(moved, rollout(), { force: true });
    assert.equal((await up(moved)).error, undefined);
    assert.equal((await stack.destroy()).error, undefined);
    assert.deepEqual(live(), []);
  });

  it("forgets the entry of the former store also on a machine that has another name for the new one", async () => {
    await up();
    const moved = secret({ store: { type: "memory", name: "db2" }, migrateFrom: store });
    const stopped = await stack.up(moved, rollout(), { native: () => Promise.reject(new Error("it fails")) });
    assert.match(String(stopped.error), /it fails/);
    assert.equal(stack.pending.length, 1);
    const former = memoryStoreContents("db");
    former.body = { ...(former.body as object), movedTo: "file:/work/of/another/run/rotation/orders-db" };
    await up(moved);
    assert.equal(stack.pending.length, 0);
  });

  it("forgets the entry of a secret that was handed over, and then moved by its new owner", async () => {
    await up();
    const owner = { id: "another", stack: "org/shop/prod" };
    const former = memoryStoreContents("db");
    former.body = { ...(former.body as object), status: "moved", movedTo: "memory:db2", owner };
    assert.equal((await stack.destroy()).error, undefined);
    assert.equal(stack.secret, null);
    assert.deepEqual(live(), ["v1"]);
  });

  it("does not destroy over a move that was interrupted, and says how to go on", async () => {
    await up();
    const moved = secret({ store: { type: "memory", name: "db2" }, migrateFrom: store });
    const lost = await stack.up(moved, rollout(), { loseCreate: true });
    assert.match(String(lost.error?.message), /killed/);
    assert.match(String((await stack.destroy()).error?.message), /its move to .* was interrupted.*Run pulumi up/);
    assert.deepEqual(live(), ["v1"]);
    await up(moved);
    assert.equal((await stack.destroy()).error, undefined);
    assert.deepEqual(live(), []);
  });
});
