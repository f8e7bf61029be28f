/** Rollouts whose checks are compared with how it was before: what is recorded, and what it excuses. */
import assert from "node:assert/strict";
import type { AuditEvent } from "../../provider/contracts/audit";
import { baselineFrom, EXCUSED_FOR_MS, limitOf } from "../../provider/lifecycle/baseline";
import { UnreachableError } from "../../provider/lifecycle/errors";
import { decodeLedger, type BaselineRecord, type RolloutRecord } from "../../provider/lifecycle/ledger";
import { DAY, HOUR, ORDERS, rollout, secret, Site, type RolloutArgs } from "../rules/site";

const PLAN = { samples: 2, worse: "higher", tolerance: { factor: 2 } };
const CHECK = { type: "memory", name: "api-health", workload: "api", baseline: PLAN };

/** Pinned: its consumers use a version only when they have been rolled to it. */
const compared = rollout({ checks: [CHECK] });
/** Its consumers may use a version from the moment it is current. */
const unpinned = rollout({ checks: [CHECK], consumers: [{ type: "memory", name: "api", pinned: false }] });

describe("a rollout that is compared with a baseline", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  async function record(): Promise<RolloutRecord> {
    return (await site.ledger()).rollouts[ORDERS] ?? assert.fail("the rollout is registered");
  }

  /** v1 is confirmed, and v2 due. */
  async function due(args: RolloutArgs): Promise<void> {
    await site.up(secret(), args);
    site.clock.advance(91 * DAY);
  }

  /** Unhealthy on whatever version. */
  function ail(): void {
    for (let version = 1; version < 10; version++) site.api.sickOn.add(version);
  }

  /** A run that comes to an end when its consumer has moved, with nothing put back. */
  async function stopAfterRoll(): Promise<void> {
    const stop = () => {
      throw new UnreachableError("killed");
    };
    assert.match(await site.at("consumer.roll", "after", stop, () => site.fails(secret(), compared)), /killed/);
  }

  const detailOf = (step: string): AuditEvent["detail"] => site.events(step).at(-1)?.detail ?? {};

  it("goes through where the app was unhealthy before, says so, and calls nothing healthy", async () => {
    await due(compared);
    ail();
    const { log, rollout: did } = await site.up(secret(), compared);
    assert.equal(did, "updated");
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.equal(site.api.versions.get("orders-db"), 2);
    const text = log.join("\n");
    assert.match(text, /check api-health is unhealthy now \(sick on v1\)\. It was so before the rotation/);
    assert.match(text, /orders: 0 of 1 health checks healthy/);
    assert.match(text, /orders confirms it, but no health check says that it is well: the only one is unhealthy/);
    assert.match(
      String(detailOf("rolling")["api-health"]),
      /^before the rotation unhealthy in 2 of 2 answers: sick on v1$/,
    );
    assert.match(
      String(detailOf("health-checked")["api-health"]),
      /^unhealthy before the rotation as well: sick on v2$/,
    );
    assert.match(String(detailOf("confirmed")["health"]), /no health check says that it is well/);
    const [shown] = site.stack.rollout?.outputs["health"] as Record<string, unknown>[];
    assert.deepEqual([shown?.["healthy"], shown?.["unhealthyBefore"], shown?.["samples"]], [false, true, 2]);
    assert.match(String(shown?.["lastAt"]), /^\d{4}-\d\d-\d\dT/);
  });

  it("fails and returns where the app was well before", async () => {
    await due(compared);
    site.api.sickOn.add(2);
    assert.match(
      await site.fails(secret(), compared),
      /api-health: sick on v2.*Rolled back in this run to orders-db v1/,
    );
    assert.equal((await record()).baseline, undefined, "the return is confirmed, so nothing is compared any more");
  });

  it("fails where the app was unhealthy before and is worse, and where a value is worse though healthy", async () => {
    await due(compared);
    site.api.measures.set(1, 10).set(2, 21);
    assert.match(await site.fails(secret(), compared), /well; worse than before the rotation: 21, was 10, at most 20/);
    site.clock.advance(DAY);
    await site.up(secret(), compared);
    site.clock.advance(DAY);
    ail();
    site.api.measures.set(3, 30);
    assert.match(await site.fails(secret(), compared), /sick on v3; worse than before the rotation: 30, was 10/);
  });

  it("records the baseline before it touches a consumer, together with the version that they may use", async () => {
    await due(compared);
    site.api.measures.set(1, 10);
    const ledger = await site.ledgerAt("consumer.roll", () => site.up(secret(), compared));
    const { mayUse, baseline } = ledger.rollouts[ORDERS] ?? assert.fail();
    assert.deepEqual(mayUse, [1, 2]);
    assert.deepEqual(
      { ...baseline, at: 0 },
      { version: 2, at: 0, before: true, checks: { "api-health": { healthy: true, value: 10 } } },
    );
    assert.equal((await record()).baseline, undefined, "it is over when the rollout has confirmed");
  });

  it("needs no further commit, and none at all where no check has a baseline", async () => {
    const count = async (args: RolloutArgs): Promise<number> => {
      site = new Site();
      await due(args);
      const before = (await (await site.open()).load()).revision;
      await site.up(secret(), args);
      return Number((await (await site.open()).load()).revision) - Number(before);
    };
    assert.ok((await count(compared)) > 5);
    assert.equal(await count(compared), await count(rollout()));
    await site.up(secret(), rollout());
    assert.deepEqual(Object.keys(await record()).sort(), Object.keys(await withoutBaseline()).sort());
  });

  /** The record of a rollout as it was before there were baselines. */
  async function withoutBaseline(): Promise<object> {
    const { stack, name, mayUse, pinned, registeredAt, confirmedAt, evidence } = await record();
    return { stack, name, mayUse, pinned, registeredAt, confirmedAt, evidence };
  }

  it("compares a run that was killed after consumers moved with what was before, not with the damage", async () => {
    await due(compared);
    site.api.sickOn.add(2);
    await stopAfterRoll();
    assert.equal(site.api.versions.get("orders-db"), 2);
    const next = await site.stack.up(secret(), compared);
    assert.match(next.log.join("\n"), /health is compared with how it was at /);
    assert.match(String(next.error?.message), /api-health: sick on v2/);
    assert.equal(site.api.versions.get("orders-db"), 1);
  });

  it("excuses nothing in a first rollout: nobody has seen the app with a version of ours", async () => {
    ail();
    // It runs with a credential that somebody gave it by hand.
    site.api.versions.set("orders-db", 0);
    site.api.sickOn.add(0);
    const message = await site.fails(secret(), compared);
    assert.match(message, /There is nothing to return to/);
    site.api.sickOn.clear();
    await site.up(secret(), compared);
  });

  it("excuses what was unhealthy before where the rollout is rolled again on the version that it uses", async () => {
    await site.up(secret(), compared);
    ail();
    await site.up(secret(), rollout({ checks: [CHECK, { type: "memory", name: "other", workload: "none" }] }));
    assert.equal(detailOf("confirmed")["health"], undefined, "another check is healthy");
  });

  describe("whose consumers may use the version before it is rolled", () => {
    /** They read it as soon as it is current. */
    const readBy = (args: RolloutArgs) =>
      site.at(
        "store.promote",
        "after",
        () => site.api.versions.set("orders-db", 2),
        () => site.stack.up(secret(), args),
      );

    it("does not take damage by the version for how it was before", async () => {
      await due(unpinned);
      site.api.sickOn.add(2);
      const { error, log } = await readBy(unpinned);
      assert.match(String(error?.message), /api-health: sick on v2/);
      assert.match(
        log.join("\n"),
        /is unhealthy now \(sick on v2\)\. The version that is rolled out may be the reason/,
      );
      assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
    });

    it("measures against how it was when the rollout last confirmed", async () => {
      site.api.measures.set(1, 10).set(2, 40);
      await due(unpinned);
      assert.match(String((await readBy(unpinned)).error?.message), /worse than before the rotation: 40, was 10/);
    });

    it("does not block for ever where the app is unhealthy on every version: the second attempt goes through", async () => {
      await due(unpinned);
      ail();
      assert.match(await site.fails(secret(), unpinned), /api-health: sick on v2.*Rolled back/);
      site.clock.advance(2 * HOUR);
      await site.up(secret(), unpinned);
      assert.equal((await record()).confirmedHealth?.checks["api-health"]?.healthy, false);
      site.clock.advance(2 * HOUR);
      const { log } = await site.up(secret(), unpinned);
      assert.match(log.join("\n"), /no health check says that it is well/);
      assert.deepEqual((await site.states())["v3"], "active");
      assert.equal(site.api.versions.get("orders-db"), 3);
    });
  });

  it("follows the rollout under another name", async () => {
    await due(compared);
    await stopAfterRoll();
    const renamed = rollout({ name: "renamed", checks: [CHECK] });
    const { log } = await site.up(secret(), renamed);
    assert.match(log.join("\n"), /renamed: health is compared with how it was at /);
  });
});

describe("what health is compared with", () => {
  const NOW = 1_000 * DAY;
  const former = (healthy: boolean, at = NOW - DAY, value?: number): BaselineRecord => ({
    version: 1,
    at,
    before: false,
    checks: { a: { healthy, ...(value === undefined ? {} : { value }) } },
  });
  const red = { a: { healthy: false, value: 9 } };
  const green = { a: { healthy: true, value: 1 } };

  it("is what the checks say, where the version cannot be the reason", () => {
    for (const situation of ["before", "returned"] as const)
      assert.deepEqual(baselineFrom(red, situation, former(true), NOW), red);
  });

  it("excuses nothing where the version may be the reason, unless it was unhealthy shortly before", () => {
    const from = (asked: typeof red, known?: BaselineRecord) => baselineFrom(asked, "maybe-used", known, NOW)["a"];
    assert.equal(from(red), undefined);
    assert.deepEqual(from(red, former(true)), { healthy: true });
    assert.deepEqual(from(red, former(false, NOW - EXCUSED_FOR_MS)), { healthy: false });
    assert.equal(from(red, former(false, NOW - EXCUSED_FOR_MS - 1)), undefined);
    assert.deepEqual(from(green, former(false)), { healthy: true, value: 1 });
    assert.deepEqual(from(green), { healthy: true, value: 1 });
    assert.deepEqual(from(green, former(true, 0, 5)), { healthy: true, value: 5 });
  });

  it("is tolerated up to the wider of factor and difference, in the direction in which it gets worse", () => {
    assert.equal(limitOf(100, { factor: 1.5 }, "higher"), 150);
    assert.equal(limitOf(100, { factor: 1.5, absolute: 80 }, "higher"), 180);
    assert.equal(limitOf(0, { factor: 3, absolute: 0.5 }, "higher"), 0.5);
    assert.equal(limitOf(-10, { factor: 2 }, "higher"), 0);
    assert.equal(limitOf(100, { factor: 2 }, "lower"), 50);
    assert.equal(limitOf(100, { absolute: 5 }, "lower"), 95);
  });

  it("is not in ledgers of before, which are read as they are", async () => {
    const site = new Site();
    await site.up();
    const ledger = structuredClone(await site.ledger());
    assert.deepEqual(decodeLedger(ledger, "here"), ledger);
  });
});
