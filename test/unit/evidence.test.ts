import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import type { AdapterContext } from "../../provider/contracts/context";
import type { UsageReport } from "../../provider/contracts/kind";
import type { VersionRef } from "../../provider/contracts/store";
import * as registry from "../../provider/registry";
import { createMemoryStore, memoryStoreOptions, type MemoryStoreOptions } from "../../provider/stores/memory";
import { memoryIssuer, type MemoryCredential } from "../../testing/memoryKind";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };

const secret = (retirement: Properties = {}): Properties => ({
  name: "orders-db",
  kind: { type: "memory", name: "issuer" },
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h", ...retirement },
});

const rollout = (link: Properties): Properties => ({
  name: "orders",
  secrets: [link],
  consumers: [{ type: "memory", name: "api" }],
});

describe("evidence of use", () => {
  let clock: TestClock;
  let stack: MiniStack;
  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
  });

  const up = async (args: Properties = secret(), withRollout = true) => {
    const result = await stack.up(args, withRollout ? rollout : null);
    if (result.error) throw result.error;
    return result;
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(store)).versions.map((one) => [`v${one.version}`, one.state]));
  const version = async (number: number) => {
    const found = (await stack.ledger(store)).versions.find((one) => one.version === number);
    assert.ok(found);
    return found;
  };
  const credential = (number: number): MemoryCredential => {
    const found = [...memoryIssuer("issuer").credentials.values()].find((one) => one.name.includes(`-v${number}-`));
    assert.ok(found);
    return found;
  };
  const steps = () => memoryAuditTrail("db").events.map((event) => event?.step);

  /** v1 is superseded and its grace is over. */
  async function superseded(): Promise<void> {
    await up();
    clock.advance(91 * DAY);
    await up();
    clock.advance(HOUR + 1);
  }

  it("holds a retirement back and tells who, until it ends", async () => {
    await superseded();
    credential(1).users.add("reports from 10.0.0.7 since yesterday");
    assert.match((await up()).log.join("\n"), /v1 is still used by reports from 10\.0\.0\.7 since yesterday/);
    assert.deepEqual((await version(1)).putOff?.uses, [{ by: "reports from 10.0.0.7 since yesterday" }]);
    credential(1).users.clear();
    await up();
    assert.equal((await states())["v1"], "disabled");
  });

  it("is told again when somebody else is seen, but not when it is the same as before", async () => {
    await superseded();
    credential(1).users.add("reports");
    await up();
    const told = steps().filter((step) => step === "retirement-put-off").length;
    await up();
    assert.equal(steps().filter((step) => step === "retirement-put-off").length, told);
    credential(1).users.add("a cron job");
    await up();
    assert.equal(steps().filter((step) => step === "retirement-put-off").length, told + 1);
  });

  it("counts as use where the issuer cannot tell, unless the program asks for none", async () => {
    memoryIssuer("issuer").tellsUse = false;
    await superseded();
    assert.match((await up()).log.join("\n"), /the issuer cannot tell who uses it/);
    assert.equal((await states())["v1"], "superseded");
    await up(secret({ requireUnused: false }));
    assert.equal((await states())["v1"], "disabled");
  });

  describe("of a store", () => {
    const inMemory = registry.stores["memory"];
    let mounted: UsageReport;
    before(() => {
      Object.assign(registry.stores, {
        memory: async () => ({
          options: memoryStoreOptions,
          create: (options: MemoryStoreOptions, context: AdapterContext) =>
            Object.assign(createMemoryStore(options, context), {
              usage: async (ref: VersionRef) =>
                ref.version === 1
                  ? mounted
                  : ({ verdict: "used", uses: [{ by: "the pod of the active one" }] } as const),
            }),
        }),
      });
    });
    after(() => {
      Object.assign(registry.stores, { memory: inMemory });
    });

    it("holds a retirement back and names who still mounts the version, until it does not", async () => {
      mounted = { verdict: "used", uses: [{ by: "pod orders/reports-1" }] };
      await superseded();
      assert.match((await up()).log.join("\n"), /v1 is still used by pod orders\/reports-1/);
      assert.deepEqual((await version(1)).putOff?.uses, [{ by: "pod orders/reports-1" }]);
      mounted = { verdict: "not-seen", uses: [] };
      await up();
      assert.equal((await states())["v1"], "disabled");
      mounted = { verdict: "used", uses: [{ by: "pod orders/late-1" }] };
      clock.advance(HOUR + 1);
      assert.match((await up()).log.join("\n"), /v1 is still used by pod orders\/late-1/);
      assert.equal((await states())["v1"], "disabled");
    });

    it("is told together with the issuer's", async () => {
      mounted = { verdict: "used", uses: [{ by: "pod orders/reports-1" }] };
      await superseded();
      credential(1).users.add("a session");
      assert.match((await up()).log.join("\n"), /v1 is still used by a session; pod orders\/reports-1/);
    });

    it("counts as use where the store cannot tell, for the reason that it gives", async () => {
      mounted = { verdict: "unknown", uses: [], detail: "may not list pods" };
      await superseded();
      assert.match(
        (await up()).log.join("\n"),
        /v1: may not list pods, and retirement\.requireUnused asks for evidence/,
      );
      assert.equal((await states())["v1"], "superseded");
      await up(secret({ requireUnused: false }));
      assert.equal((await states())["v1"], "disabled");
    });
  });

  it("enables a disabled version again when somebody is refused with it, with its whole grace before it", async () => {
    memoryIssuer("issuer").tellsRefusals = true;
    await superseded();
    await up();
    assert.equal((await states())["v1"], "disabled");
    clock.advance(HOUR / 2);
    const attempt = { by: "a nightly job from 10.0.0.9", since: clock.now() };
    credential(1).refused = [attempt];
    const result = await up();
    assert.match(result.log.join("\n"), /v1 works again: v1 was missed while it was disabled: a nightly job/);
    assert.equal((await states())["v1"], "superseded");
    assert.equal(credential(1).enabled, true);
    assert.deepEqual((await version(1)).putOff?.uses, [attempt]);
    clock.advance(HOUR - 1);
    await up();
    assert.equal((await states())["v1"], "superseded");
    clock.advance(2);
    await up();
    assert.equal((await states())["v1"], "disabled");
    clock.advance(HOUR + 1);
    await up();
    assert.equal((await states())["v1"], "retired");
  });

  it("is looked for just before the end of the soak time as well", async () => {
    memoryIssuer("issuer").tellsRefusals = true;
    await superseded();
    await up();
    clock.advance(HOUR + 1);
    credential(1).refused = [{ by: "a nightly job", since: clock.now() - 1 }];
    await up();
    assert.equal((await states())["v1"], "superseded");
  });

  it("is missing where the record of refusals is closed: nothing is destroyed, unless the program asks for none", async () => {
    memoryIssuer("issuer").tellsRefusals = true;
    await superseded();
    await up();
    clock.advance(HOUR + 1);
    memoryIssuer("issuer").tellsRefusals = "closed";
    assert.match((await up()).log.join("\n"), /whether somebody misses it cannot be told: its record is closed/);
    assert.equal((await states())["v1"], "disabled");
    await up(secret({ requireUnused: false }));
    assert.equal((await states())["v1"], "retired");
  });

  it("of nothing since it was left behind lets a version go that a residue holds", async () => {
    memoryIssuer("issuer").recordsUse = true;
    await up();
    const other = new MiniStack(clock, "org/app/other");
    await other.upRolloutOf(stack.link, (link) => ({ ...rollout(link), name: "reports" }));
    clock.advance(91 * DAY);
    await up();
    assert.equal((await other.destroy()).error, undefined);
    credential(1).lastUsedAt = clock.now() + HOUR;
    clock.advance(2 * HOUR + 1);
    // Used after it was left behind.
    await up();
    assert.equal((await states())["v1"], "superseded");
    credential(1).lastUsedAt = clock.now() - 4 * HOUR;
    await up();
    assert.equal((await states())["v1"], "disabled");
    assert.equal(Object.keys((await stack.ledger(store)).residues).length, 1);
  });

  it("raises the alarm when a version lives on for too long: the run fails, and nothing else is held up", async () => {
    await up();
    const withAlarm = secret({ alarmAfter: "7d" });
    clock.advance(91 * DAY);
    await up(withAlarm);
    credential(1).users.add("reports");
    clock.advance(6 * DAY);
    await up(withAlarm);
    clock.advance(DAY + 1);
    const failed = await stack.up(withAlarm, rollout);
    assert.match(
      failed.error?.message ?? "",
      /v1 is superseded and still lives, 7 days after it was superseded \(retirement\.alarmAfter: 7 days\): v1 is still used by reports/,
    );
    // The rollout raised it: what comes before it in the graph has been done.
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 2);
    await stack.up(withAlarm, rollout);
    assert.equal(steps().filter((step) => step === "retirement-alarm").length, 1);
    credential(1).users.clear();
    await up(withAlarm);
    clock.advance(HOUR + 1);
    await up(withAlarm);
    assert.equal((await states())["v1"], "retired");
  });

  it("raises the alarm by the secret itself where its stack has no rollout", async () => {
    const alone = { ...secret({ alarmAfter: "7d" }), confirmation: "none" };
    await up(alone, false);
    clock.advance(91 * DAY);
    await up(alone, false);
    credential(1).users.add("reports");
    clock.advance(8 * DAY);
    assert.match((await stack.up(alone, null)).error?.message ?? "", /retirement\.alarmAfter/);
  });

  it("refuses an alarm age within grace and soak", async () => {
    const { error } = await stack.up(secret({ alarmAfter: "2h" }), rollout);
    assert.match(error?.message ?? "", /2h is not longer than retirement\.grace \(1h\) and retirement\.soak \(1h\)/);
  });
});
