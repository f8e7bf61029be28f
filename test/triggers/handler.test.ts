/** Schedules through the real handler, with the calls that the engine makes and adapters in memory. */
import assert from "node:assert/strict";
import { memoryStoreContents } from "../../provider/stores/memory";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";
import { at } from "./table";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };
const sundays = { days: ["sun"], from: "02:00", to: "04:00" };

describe("a scheduled secret", () => {
  let clock: TestClock;
  let stack: MiniStack;
  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock(at("2026-01-01T10:00Z"));
    stack = new MiniStack(clock);
  });

  const secret = (schedule: object | undefined, more: Properties = {}): Properties => ({
    name: "orders-db",
    kind: { type: "memory", name: "issuer" },
    store,
    confirmation: "none",
    retirement: { grace: "0s", soak: "0s" },
    ...(schedule && { schedule }),
    ...more,
  });
  const up = async (schedule: object | undefined, more: Properties = {}) => {
    const result = await stack.up(secret(schedule, more), null);
    assert.ifError(result.error);
    return result;
  };
  const to = (text: string) => (clock.time = at(text));
  const outputs = () => stack.secret?.outputs ?? {};
  const planned = () => [outputs()["nextRotationAt"], outputs()["nextRotationWhy"]];
  const version = () => outputs()["version"];

  it("says in its outputs when the next rotation is due and why, from its creation on", async () => {
    await up({ every: "90d" });
    assert.deepEqual(planned(), ["2026-04-01T10:00:00Z", "every 90d"]);
  });

  it("has no such outputs where nothing makes it due", async () => {
    const { log } = await up(undefined);
    assert.deepEqual(planned(), [undefined, undefined]);
    assert.doesNotMatch(log.join("\n"), /next rotation/);
    assert.doesNotMatch((await up(undefined)).log.join("\n"), /next rotation/);
  });

  it("says in each run that leaves it alone when that will be", async () => {
    const schedule = { every: "P1M", timeZone: "Europe/Berlin", window: sundays };
    await up(schedule);
    const { secret: did, log } = await up(schedule);
    assert.equal(did, "same");
    assert.deepEqual(log, [
      "orders-db: v1, next rotation 2026-02-08T01:00:00Z (every P1M; due 2026-02-01T10:00:00Z, then waits for its window " +
        "(sun 02:00-04:00 Europe/Berlin))",
    ]);
  });

  it("says of one that waits for what and until when, and rotates when that is over, once", async () => {
    const schedule = { every: "30d", window: sundays, blackouts: [{ from: "02-01", to: "02-03", reason: "sale" }] };
    await up(schedule);
    to("2026-02-01T03:00Z");
    assert.match(
      (await up(schedule)).log.join("\n"),
      /orders-db: due by schedule \(every 30d\), and waits for the end of the blackout \(02-01 to 02-03 UTC, sale\), until 2026-02-08T02:00:00Z/,
    );
    assert.equal(version(), 1);
    to("2026-02-08T02:00Z");
    const { secret: did, log } = await up(schedule);
    assert.equal(did, "replaced");
    assert.match(log.join("\n"), /orders-db: v2: schedule, 37 days old, every 30d/);
    assert.match(String(stack.secret?.inputs["rotation"]), /^v2: schedule, 37 days old, every 30d$/);
    clock.advance(60_000);
    await up(schedule);
    assert.equal(version(), 2);
    assert.deepEqual(planned(), [
      "2026-03-15T02:00:00Z",
      "every 30d; due 2026-03-10T02:00:00Z, then waits for its window (sun 02:00-04:00 UTC)",
    ]);
  });

  it("rotates by cron at its time, however late the run, and once", async () => {
    const schedule = { cron: "0 3 1 * *", timeZone: "Europe/Berlin" };
    await up(schedule);
    assert.deepEqual(planned(), ["2026-02-01T02:00:00Z", "cron 0 3 1 * * Europe/Berlin"]);
    to("2026-02-01T01:59:59Z");
    assert.equal((await up(schedule)).secret, "same");
    to("2026-05-17T12:00Z");
    const { log } = await up(schedule);
    assert.match(log.join("\n"), /v2: schedule, 136 days old, cron 0 3 1 \* \* Europe\/Berlin/);
    for (let run = 0; run < 3; run++) {
      clock.advance(DAY);
      await up(schedule);
    }
    assert.equal(version(), 2);
    assert.equal(planned()[0], "2026-06-01T01:00:00Z");
  });

  it("rotates nothing twice by a clock that was set back, and says that it was", async () => {
    const schedule = { every: "30d" };
    await up(schedule);
    to("2026-02-01T00:00Z");
    await up(schedule);
    assert.equal(version(), 2);
    to("2026-01-31T12:00Z");
    const { secret: did, log } = await up(schedule);
    assert.notEqual(did, "replaced");
    assert.match(
      log.join("\n"),
      /v2 was issued at 2026-02-01T00:00:00Z, and it is 2026-01-31T12:00:00Z by the clock of this machine: .* Nothing is rotated twice; by schedule the next one is due 2026-03-03T00:00:00Z/,
    );
    assert.equal(version(), 2);
  });

  it("takes a changed schedule in place: an update, no version, and new outputs", async () => {
    await up({ every: "90d" });
    const { secret: did } = await up({ cron: "0 3 1 * *", minAge: "7d" });
    assert.equal(did, "updated");
    assert.equal(version(), 1);
    assert.deepEqual(planned(), ["2026-02-01T03:00:00Z", "cron 0 3 1 * * UTC"]);
    assert.equal((await up(undefined)).secret, "updated");
    assert.deepEqual(planned(), [undefined, undefined]);
  });

  it("rotates at once by a changed schedule that it is too old for", async () => {
    await up({ every: "90d" });
    clock.advance(40 * DAY);
    const { secret: did, log } = await up({ every: "P1M" });
    assert.equal(did, "replaced");
    assert.match(log.join("\n"), /v2: schedule, 40 days old, every P1M/);
  });

  it("is not held back by window, blackout and youngest age where an event or changed inputs ask", async () => {
    const held = { every: "90d", window: sundays, blackouts: [{ from: "01-01", to: "03-31" }], minAge: "60d" };
    await up(held);
    clock.advance(DAY);
    const events = [{ id: "e1", reason: "on-demand", time: new Date(clock.now()).toISOString() }];
    clock.advance(HOUR);
    assert.equal((await up(held, { events })).secret, "replaced");
    clock.advance(HOUR);
    const kind = { type: "memory", name: "issuer", grants: ["more"] };
    assert.equal((await up(held, { events, kind })).secret, "replaced");
    assert.equal(version(), 3);
  });

  it("reads the entry and the ledger of an older package, which knew only intervals and a window", async () => {
    const schedule = { every: "90d", window: sundays };
    await up(schedule);
    assert.ok(stack.secret);
    const { nextRotationAt, nextRotationWhy, ...older } = stack.secret.outputs;
    assert.ok(nextRotationAt !== undefined && nextRotationWhy !== undefined);
    stack.secret.outputs = older;
    const before = JSON.stringify(memoryStoreContents("db").body);
    assert.equal((await up(schedule)).secret, "same", "an upgrade by itself changes no entry");
    assert.equal(JSON.stringify(memoryStoreContents("db").body), before, "and no ledger");
    assert.equal((await stack.ledger(store)).declared.everyMs, 90 * DAY);
    assert.deepEqual(
      Object.keys((await stack.ledger(store)).declared).filter((key) => /schedule/i.test(key)),
      [],
    );
    to("2026-04-05T02:30Z");
    assert.equal((await up(schedule)).secret, "replaced");
  });

  it("keeps the shortest interval in the ledger, for rollouts to hold their bake time against", async () => {
    const cases: [object, number | null][] = [
      [{ every: "P1M" }, 28 * DAY],
      [{ every: "P1M", timeZone: "Europe/Berlin" }, 28 * DAY - HOUR],
      [{ every: "90d", jitter: "10d" }, 80 * DAY],
      [{ cron: "0 3 1 * *", jitter: "10d" }, 28 * DAY],
      [{ cron: "0 3 * * *", minAge: "36h" }, 36 * HOUR],
      [{ cron: "0 3 1 6 *", maxAge: "100d" }, 100 * DAY],
      [{ renewBefore: "30d" }, null],
    ];
    await up({ every: "90d" });
    for (const [schedule, expected] of cases) {
      await up(schedule);
      assert.equal((await stack.ledger(store)).declared.everyMs, expected, JSON.stringify(schedule));
    }
  });

  it("keeps a schedule that is more than an interval in the ledger, where the status of other stacks reads it", async () => {
    const schedule = { cron: "0 3 1 * *", timeZone: "Europe/Berlin", blackouts: [{ from: "12-20", to: "01-03" }] };
    await up(schedule);
    assert.deepEqual((await stack.ledger(store)).declared.schedule, schedule);
    assert.equal((await up(schedule)).secret, "same");
    await up({ every: "90d", window: sundays });
    assert.equal((await stack.ledger(store)).declared.schedule, undefined);
  });

  it("refuses in check() what does not go together, with nothing changed", async () => {
    await up({ every: "90d" });
    const { error } = await stack.up(secret({ every: "90d", cron: "0 3 1 * *" }), null);
    assert.match(String(error), /schedule\.cron: every and cron cannot both say when/);
    assert.equal(version(), 1);
  });

  it("renews what expires, also without a schedule, and says so", async () => {
    await up(undefined);
    const contents = memoryStoreContents("db");
    const body = structuredClone(contents.body) as { versions: { expiresAt: number }[] };
    for (const record of body.versions) record.expiresAt = at("2026-04-01T10:00Z");
    contents.body = body;
    contents.commits++;
    assert.match(
      (await up(undefined)).log.join("\n"),
      /v1, next rotation 2026-03-02T10:00:00Z \(expires 2026-04-01T10:00:00Z\)/,
    );
    to("2026-03-02T10:00Z");
    assert.match((await up(undefined)).log.join("\n"), /v2: expiry, 60 days old, expires 2026-04-01T10:00:00Z/);
    assert.equal(version(), 2);
  });
});
