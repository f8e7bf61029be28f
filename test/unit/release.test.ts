import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { decideRetirement } from "../../provider/lifecycle/retirement";
import type { Release } from "../../provider/lifecycle/release";
import { release, type ReleaseOrder } from "../../provider/rotation/release";
import { Runtime } from "../../provider/runtime";
import { memoryIssuer } from "../../testing/memoryKind";
import { MiniStack, registerMemoryAdapters, TestClock, type Properties, resetMemory } from "../support/miniEngine";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };
const kind = { type: "memory", name: "issuer" };
const OURS = "org/app/prod::orders";
const THEIRS = "org/reports/prod::reports";

const secret: Properties = {
  name: "orders-db",
  kind,
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "0s" },
};

const rollout =
  (name: string) =>
  (link: Properties): Properties => ({ name, secrets: [link], consumers: [{ type: "memory", name }] });

describe("rotation release", () => {
  let clock: TestClock;
  let stack: MiniStack;
  let reports: MiniStack;
  const ledger = () => stack.ledger(store);
  const live = () => [...memoryIssuer("issuer").credentials.values()].map((one) => one.name.split("-")[2]);

  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
    reports = new MiniStack(clock, "org/reports/prod");
  });

  async function up(): Promise<void> {
    const { error } = await stack.up(secret, rollout("orders"));
    assert.ifError(error);
  }

  async function upBoth(): Promise<void> {
    await up();
    const { error } = await reports.upRolloutOf(stack.link, rollout("reports"));
    assert.ifError(error);
  }

  async function parts() {
    const silent = { info: () => undefined, warn: () => undefined };
    const runtime = new Runtime(() => undefined, clock, silent);
    return runtime.parts({ name: "orders-db", store, kind, replicas: [] }, stack.name);
  }

  async function say(more: Partial<ReleaseOrder> = {}, agree = true) {
    const outputs = stack.secret!.outputs;
    const shown: Release[] = [];
    const order: ReleaseOrder = {
      owner: { id: String(outputs["owner"]), stack: stack.name },
      entry: outputs as never,
      inState: new Set([OURS]),
      reason: "the stack was removed in May",
      ...more,
    };
    const done = await release(await parts(), order, async (releases) => {
      shown.push(...releases);
      return agree;
    });
    return { shown: shown.map(({ key }) => key), done };
  }

  const newestEvent = () =>
    memoryAuditTrail("db")
      .events.filter((event) => event?.step === "released")
      .at(-1);

  it("releases a residue, records who and why, and lets the superseded version be retired", async () => {
    await upBoth();
    await reports.destroy();
    clock.advance(91 * DAY);
    await up();
    clock.advance(2 * HOUR);
    await up();
    assert.deepEqual(live(), ["v1", "v2"]);
    const { shown } = await say();
    assert.deepEqual(shown, [THEIRS]);
    assert.deepEqual((await ledger()).residues, {});
    const event = newestEvent();
    assert.equal(event?.reason, "the stack was removed in May");
    assert.deepEqual(event.detail, { rollout: THEIRS, what: "residue", mayUse: "v1" });
    assert.equal(event.actor.user.length > 0, true);
    await up();
    assert.deepEqual(live(), ["v2"]);
  });

  it("changes nothing that was not agreed to", async () => {
    await upBoth();
    await reports.destroy();
    const { done } = await say({}, false);
    assert.equal(done, null);
    assert.deepEqual(Object.keys((await ledger()).residues), [THEIRS]);
    assert.equal((await ledger()).lease, null);
  });

  it("releases a registered rollout of another stack only where it is named", async () => {
    await upBoth();
    await assert.rejects(say(), /no rollout has left anything behind.*org\/reports\/prod::reports \(rollout\)/);
    assert.deepEqual((await say({ rollout: "reports" })).shown, [THEIRS]);
    assert.deepEqual(Object.keys((await ledger()).rollouts), [OURS]);
    assert.equal((await stack.destroy()).error, undefined, "a teardown is no longer refused");
  });

  it("settles the confirmation when the last one that had yet to confirm is gone", async () => {
    await upBoth();
    clock.advance(91 * DAY);
    await up();
    assert.equal((await ledger()).rotation?.phase, "confirming");
    await say({ rollout: THEIRS });
    const after = await ledger();
    assert.equal(after.rotation?.phase, "done");
    assert.equal(after.confirmedIssueAt, after.versions[1]?.issuedAt);
    const policy = { graceMs: 0, soakMs: 0, canDisable: true, compromisedBefore: null };
    assert.equal(decideRetirement(after, after.versions[0]!, policy, clock.now()).step, "destroy");
  });

  it("refuses a rollout of this stack that is still in its state", async () => {
    await upBoth();
    await assert.rejects(say({ rollout: "orders" }), /rollout orders is still in the state of org\/app\/prod.*v1/);
    assert.deepEqual(Object.keys((await ledger()).rollouts).sort(), [OURS, THEIRS].sort());
    await say({ rollout: "orders", inState: new Set() });
    assert.deepEqual(Object.keys((await ledger()).rollouts), [THEIRS]);
  });

  it("names the rollouts there are when none fits, and asks which when two do", async () => {
    await upBoth();
    await assert.rejects(say({ rollout: "batch" }), /knows no rollout batch.*org\/app\/prod::orders/);
    const twin = new MiniStack(clock, "org/reports/dev");
    await twin.upRolloutOf(stack.link, rollout("reports"));
    await assert.rejects(
      say({ rollout: "reports" }),
      /more than one.*--rollout org\/reports\/prod::reports, or --rollout org\/reports\/dev::reports/,
    );
  });

  it("refuses in a stack that does not own the secret, and on a ledger that is older than the state", async () => {
    await upBoth();
    await assert.rejects(say({ owner: { id: "other", stack: "org/other/prod" } }), /belongs to stack org\/app\/prod/);
    await assert.rejects(say({ entry: { version: 9, incarnation: 9, epoch: 9 } }), /rotation adopt orders-db/);
  });

  it("refuses while another run holds the lease", async () => {
    await upBoth();
    const { store: opened } = await parts();
    const { body, revision } = await opened.load();
    const lease = {
      run: "r-1",
      user: "ci",
      host: "elsewhere",
      pid: 1,
      processStart: "",
      acquiredAt: clock.now(),
      expiresAt: clock.now() + 30_000,
    };
    await opened.commit({ ...(body as object), lease }, revision);
    await assert.rejects(say({ rollout: "reports" }), /run r-1 of ci@elsewhere/);
  });
});
