import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import { SEAM_HOOK, type SeamHook } from "../../provider/rotation/effects";
import { memoryIssuer } from "../../testing/memoryKind";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };

const rollout = (link: Properties): Properties => ({
  name: "orders",
  secrets: [link],
  consumers: [{ type: "memory", name: "api" }],
  checks: [{ type: "memory", name: "api-health", workload: "api" }],
});

describe("a suspected compromise", () => {
  let clock: TestClock;
  let stack: MiniStack;
  let events: Properties[];
  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
    events = [];
  });
  afterEach(async () => {
    stopAt(null);
    const { audit } = await stack.ledger(store);
    assert.deepEqual(verifyChain(memoryAuditTrail("db").events, { expectedHead: audit }), []);
  });

  const secret = (): Properties => ({
    name: "orders-db",
    kind: { type: "memory", name: "issuer" },
    store,
    schedule: { every: "90d" },
    retirement: { grace: "1h", soak: "1h" },
    events,
  });
  const run = (options = {}) => stack.up(secret(), rollout, options);
  const up = async (options = {}) => {
    const result = await run(options);
    if (result.error) throw result.error;
    return result;
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(store)).versions.map((one) => [`v${one.version}`, one.state]));
  const live = () => [...memoryIssuer("issuer").credentials.values()].map((one) => one.name.split("-")[2]);
  const steps = () => memoryAuditTrail("db").events.map((event) => `${event?.step} v${event?.version}`);

  /** It happens now; a version issued a moment later answers it. */
  function compromise(more: Properties = {}): void {
    events = [
      ...events,
      {
        id: `INC-${events.length + 1}`,
        reason: "suspected-compromise",
        time: new Date(clock.now()).toISOString(),
        requestedBy: "alice",
        ...more,
      },
    ];
    clock.advance(2 * MINUTE);
  }

  async function twoVersions(): Promise<void> {
    await up();
    clock.advance(91 * DAY);
    await up();
  }

  /** Ends a run just before the side effect that the seam names. */
  function stopAt(point: string | null, times = 1): void {
    let seen = 0;
    const hook: SeamHook = (at, moment) => {
      if (at === point && moment === "before" && ++seen === times) throw new Error("the run was stopped");
    };
    Object.assign(globalThis, { [SEAM_HOOK]: point === null ? undefined : hook });
  }

  /** Ends a run at its first effect after that step is in the trail. */
  function stopAfter(step: string): void {
    const hook: SeamHook = (_, moment) => {
      if (moment === "before" && steps().at(-1) === step) throw new Error("the run was stopped");
    };
    Object.assign(globalThis, { [SEAM_HOOK]: hook });
  }

  it("is answered by a rotation, and what it matched is gone in the same run, sessions included", async () => {
    await up();
    [...memoryIssuer("issuer").credentials.values()][0]?.users.add("somebody");
    compromise();
    const { log } = await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    assert.match(log.join("\n"), /v2: suspected-compromise, event INC-1, asked by alice/);
    assert.match(
      log.join("\n"),
      /event INC-1 \(suspected-compromise, .*asked by alice\): done: v1 retired at .*a log-in with it is refused.*answered by v2, confirmed/,
    );
  });

  it("is reported with what is not done, until it is", async () => {
    await up();
    const other = new MiniStack(clock, "org/app/other");
    await other.upRolloutOf(stack.link, (link) => ({ ...rollout(link), name: "reports" }));
    compromise();
    const { log } = await up();
    assert.match(
      log.join("\n"),
      /NOT DONE: v1 still superseded: v2 is not confirmed by: rollout reports of org\/app\/other/,
    );
    assert.match(log.join("\n"), /answered by v2, not confirmed by rollout reports of org\/app\/other/);
    await other.upRolloutOf(stack.link, (link) => ({ ...rollout(link), name: "reports" }));
    const last = await up();
    assert.match(last.log.join("\n"), /event INC-1 .*: done: v1 retired/);
    assert.equal((await up()).log.join("\n").includes("INC-1"), false);
    assert.deepEqual(
      steps().filter((step) => step.startsWith("event-")),
      ["event-matched v1", "event-answered v2"],
    );
  });

  it("matches nothing that was issued after it, and is not recorded then", async () => {
    compromise();
    await up();
    await up();
    assert.deepEqual((await stack.ledger(store)).incidents, []);
    assert.deepEqual(await states(), { v1: "active" });
  });

  it("while a routine rotation waits for its rollout: that is confirmed first, and then both are replaced", async () => {
    await up();
    clock.advance(91 * DAY);
    await up({ targetSecret: true });
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    compromise();
    await up();
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 2);
    const { log } = await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "retired", v3: "active" });
    assert.match(log.join("\n"), /done: v1 .*done: v2 .*answered by v3, confirmed/);
  });

  it("while a routine rotation was stopped before anybody got its version: that one is abandoned", async () => {
    await up();
    clock.advance(91 * DAY);
    stopAfter("issued v2");
    assert.match((await run()).error?.message ?? "", /was stopped/);
    stopAt(null);
    compromise();
    await up();
    assert.equal((await states())["v2"], "abandoned");
    assert.equal((await states())["v3"], "active");
    assert.deepEqual(live(), ["v3"]);
  });

  describe("with revokeFirst", () => {
    it("revokes what it matched as soon as there is a successor, before anybody has confirmed that", async () => {
      await up();
      compromise({ revokeFirst: true });
      const { log } = await up({ targetSecret: true });
      assert.deepEqual(await states(), { v1: "retired", v2: "active" });
      assert.deepEqual(live(), ["v2"]);
      assert.match(
        log.join("\n"),
        /v2: suspected-compromise, .*; revokes v1 before anybody has confirmed its successor/,
      );
      assert.match(log.join("\n"), /done: v1 retired .*answered by v2, not confirmed by/);
      await up();
      assert.equal(memoryWorkload("api").versions.get("orders-db"), 2);
    });

    it("revokes the superseded one first, and never has three alive", async () => {
      await up();
      clock.advance(91 * DAY);
      await up({ targetSecret: true });
      compromise({ revokeFirst: true });
      await up();
      assert.deepEqual(await states(), { v1: "retired", v2: "retired", v3: "active" });
      const order = steps().filter((step) => /^(retiring|proposed|promoted) v/.test(step));
      assert.deepEqual(order.slice(-4), ["retiring v1", "proposed v3", "promoted v3", "retiring v2"]);
    });

    it("replaces in the same run what a stopped run had begun to hand out", async () => {
      await up();
      clock.advance(91 * DAY);
      stopAt("store.promote");
      await run();
      stopAt("store.commit", 3);
      await run();
      stopAt(null);
      compromise({ revokeFirst: true });
      await up();
      assert.equal(live().length, 1);
      const { active, versions } = await stack.ledger(store);
      assert.ok(
        (versions.find((one) => one.version === active)?.issuedAt ?? 0) > Date.parse(String(events[0]?.["time"])),
      );
    });

    it("goes on after it was stopped at any of its effects", async () => {
      for (let at = 1; ; at++) {
        resetMemory();
        clock = new TestClock();
        stack = new MiniStack(clock);
        events = [];
        await twoVersions();
        compromise({ revokeFirst: true });
        let seen = 0;
        const hook: SeamHook = (_, moment) => {
          if (moment === "before" && ++seen === at) throw new Error("the run was stopped");
        };
        Object.assign(globalThis, { [SEAM_HOOK]: hook });
        const { error } = await run();
        stopAt(null);
        clock.advance(2 * MINUTE);
        await up();
        await up();
        const { incidents, versions, active } = await stack.ledger(store);
        assert.deepEqual(live(), [`v${active}`], `stopped at effect ${at}`);
        assert.equal(incidents[0]?.closedAt === null, false, `stopped at effect ${at}`);
        assert.ok(versions.every((one) => one.endedAt !== null || one.version === active));
        if (!error) break;
      }
    });

    it("has nothing to return to when the successor is not well, and says so", async () => {
      await up();
      memoryWorkload("api").sickOn.add(2);
      compromise({ revokeFirst: true });
      assert.match((await run()).error?.message ?? "", /There is nothing to return to: orders-db v2 stays active/);
      memoryWorkload("api").sickOn.clear();
      await up();
      assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    });

    it("leaves what is in use alone as long as no successor can be made", async () => {
      await up();
      memoryIssuer("issuer").issuesWorking = false;
      compromise({ revokeFirst: true });
      assert.match((await run()).error?.message ?? "", /v2 was issued but does not work.*v1 stays active/s);
      assert.deepEqual(live(), ["v1"]);
    });

    it("is refused for any other reason", async () => {
      await up();
      compromise({ reason: "policy", revokeFirst: true });
      assert.match((await run()).error?.message ?? "", /is only for events of reason "suspected-compromise"/);
    });
  });
});
