/** What expires, the youngest and the oldest age, and jitter. */
import assert from "node:assert/strict";
import { compileSchedule } from "../../provider/triggers/compile";
import { shareOf } from "../../provider/triggers/jitter";
import { decideSchedule } from "../../provider/triggers/schedule";
import { at, holdRows, version, type Row } from "./table";

const DAY = 86_400_000;
const HOUR = DAY / 24;
const ISSUED = "2026-01-01T00:00Z";
const BLACKOUT = [{ from: "2026-02-01", to: "2026-12-31" }];
const sundays = { days: ["sun"], from: "02:00", to: "04:00" } as const;

describe("what expires", () => {
  const expiring = (rows: readonly (readonly [string, Row[1], string, string, string, RegExp?])[]) =>
    holdRows(
      rows.map(([title, schedule, expires, now, outcome, says]) => [
        ...([title, schedule, ISSUED, now, outcome] as const),
        { expires, ...(says && { says }) },
      ]),
    );

  // prettier-ignore
  expiring([
    ["is renewed when a third of its life is left", {}, "2026-04-01T00:00Z", "2026-02-01T00:00Z", "next 2026-03-02T00:00Z", /^expires 2026-04-01T00:00:00Z$/],
    ["is due then, also without a schedule", {}, "2026-04-01T00:00Z", "2026-03-02T00:00Z", "due", /^60 days old, expires 2026-04-01T00:00:00Z$/],
    ["so long before as is said", { renewBefore: "10d" }, "2026-04-01T00:00Z", "2026-02-01T00:00Z", "next 2026-03-22T00:00Z"],
    ["such a part of its life before as is said", { renewBefore: 0.1 }, "2026-04-11T00:00Z", "2026-02-01T00:00Z", "next 2026-04-01T00:00Z"],
    ["at most half of its life before", { renewBefore: "30d" }, "2026-01-07T00:00Z", "2026-01-02T00:00Z", "next 2026-01-04T00:00Z"],
    ["at most half of its life before, also as a part", { renewBefore: 0.9 }, "2026-04-11T00:00Z", "2026-01-02T00:00Z", "next 2026-02-20T00:00Z"],
    ["is never due at once", { renewBefore: "30d" }, "2026-01-01T01:00Z", ISSUED, "next 2026-01-01T00:30Z"],
    ["before its interval is over", { every: "90d" }, "2026-04-01T00:00Z", "2026-03-01T00:00Z", "next 2026-03-02T00:00Z"],
    ["after its interval is over, by the interval", { every: "30d" }, "2026-04-01T00:00Z", "2026-01-20T00:00Z", "next 2026-01-31T00:00Z", /^every 30d$/],
    ["with a cron time in between, by that", { cron: "0 3 1 2 *" }, "2026-04-01T00:00Z", "2026-01-20T00:00Z", "next 2026-02-01T03:00Z"],
    ["with no cron time before that, by its end", { cron: "0 3 1 6 *" }, "2026-04-01T00:00Z", "2026-01-20T00:00Z", "next 2026-03-02T00:00Z"],
    ["waits for a window", { renewBefore: "30d", window: sundays }, "2026-04-01T00:00Z", "2026-03-02T12:00Z", "waits 2026-03-08T02:00Z", /^due because it expires 2026-04-01T00:00:00Z, and waits for its window/],
    ["waits for the end of a blackout until half of that time is over", { renewBefore: "30d", blackouts: BLACKOUT }, "2026-04-01T00:00Z", "2026-03-05T12:00Z", "waits 2026-03-17T00:00Z"],
    ["waits no longer from then on", { renewBefore: "30d", blackouts: BLACKOUT }, "2026-04-01T00:00Z", "2026-03-17T00:00Z", "due", /waits no longer for the end of the blackout/],
    ["waits for no window that opens too late", { renewBefore: "8h", window: sundays }, "2026-01-06T08:00Z", "2026-01-06T01:00Z", "waits 2026-01-06T04:00Z"],
    ["has expired: the late run finds it due", {}, "2026-04-01T00:00Z", "2026-05-01T00:00Z", "due"],
    ["had expired when it was issued: nothing can be planned by that", {}, "2025-12-31T00:00Z", "2026-01-02T00:00Z", "never"],
    ["over a leap day", { renewBefore: "1d" }, "2028-03-01T00:00Z", "2026-02-01T00:00Z", "next 2028-02-29T00:00Z"],
    ["is held by the youngest age", { renewBefore: 0.5, minAge: "6d" }, "2026-01-11T00:00Z", "2026-01-02T00:00Z", "next 2026-01-07T00:00Z"],
    ["is held by the youngest age no longer than half of that time", { renewBefore: 0.5, minAge: "30d" }, "2026-01-11T00:00Z", "2026-01-02T00:00Z", "next 2026-01-08T12:00Z"],
  ]);
});

describe("the oldest age", () => {
  const frozen = { every: "30d", blackouts: BLACKOUT, maxAge: "60d" };
  const weekly = { every: "30d", window: sundays, maxAge: "33d" };
  // prettier-ignore
  holdRows([
    ["ends a blackout", frozen, "2026-01-15T00:00Z", "2026-02-20T00:00Z", "waits 2026-03-16T00:00Z"],
    ["makes it due in the blackout", frozen, "2026-01-15T00:00Z", "2026-03-16T00:00Z", "due", { says: /^60 days old, every 30d; waits no longer for the end of the blackout/ }],
    ["does not shorten the interval", frozen, "2026-01-15T00:00Z", "2026-01-20T00:00Z", "next 2026-03-16T00:00Z"],
    ["does not end a window that opens in time", weekly, "2026-11-27T00:00Z", "2026-12-26T23:00Z", "next 2026-12-27T02:00Z"],
    ["ends waiting for a window that opens too late", weekly, "2026-11-23T12:00Z", "2026-12-23T13:00Z", "waits 2026-12-26T12:00Z"],
    ["makes it due out of its window", weekly, "2026-11-23T12:00Z", "2026-12-26T12:00Z", "due", { says: /waits no longer for its window/ }],
    ["says nothing of the window where it is open", weekly, "2026-11-24T00:00Z", "2026-12-27T03:00Z", "due", { says: /^33 days old, every 30d$/ }],
    ["beats a window also for a late run", weekly, "2026-11-23T12:00Z", "2027-03-01T00:00Z", "due"],
    ["is one for cron too", { cron: "0 3 1 6 *", maxAge: "100d" }, "2026-06-02T00:00Z", "2026-07-01T00:00Z", "next 2026-09-10T00:00Z", { says: /^at most 100 days$/ }],
    ["comes after a cron time that is earlier", { cron: "0 3 1 * *", maxAge: "100d" }, "2026-06-02T00:00Z", "2026-06-03T00:00Z", "next 2026-07-01T03:00Z"],
    ["alone beside what expires", { renewBefore: "1d", maxAge: "10d" }, "2026-06-02T00:00Z", "2026-06-03T00:00Z", "next 2026-06-12T00:00Z"],
  ]);
});

describe("the youngest age", () => {
  // prettier-ignore
  holdRows([
    ["leaves a cron time out that comes too early", { cron: "0 3 1 * *", minAge: "7d" }, "2026-01-28T00:00Z", "2026-02-01T03:00Z", "next 2026-03-01T03:00Z"],
    ["lets one through that is old enough to the second", { cron: "0 3 1 * *", minAge: "7d" }, "2026-01-25T03:00Z", "2026-01-26T00:00Z", "next 2026-02-01T03:00Z"],
    ["leaves it out by a millisecond", { cron: "0 3 1 * *", minAge: "7d" }, "2026-01-25T03:00:00.001Z", "2026-01-26T00:00Z", "next 2026-03-01T03:00Z"],
    ["after a late run", { cron: "0 3 * * 1", minAge: "3d" }, "2026-11-29T23:00Z", "2026-11-30T03:00Z", "next 2026-12-07T03:00Z"],
    ["without one a late run is followed by the next in time", { cron: "0 3 * * 1" }, "2026-11-29T23:00Z", "2026-11-30T02:00Z", "next 2026-11-30T03:00Z"],
    ["changes nothing for what is older anyway", { every: "30d", minAge: "30d" }, "2026-01-01T00:00Z", "2026-01-02T00:00Z", "next 2026-01-31T00:00Z"],
    ["longer than a month of 28 days", { every: "P1M", minAge: "30d" }, "2026-02-01T00:00Z", "2026-02-02T00:00Z", "next 2026-03-03T00:00Z"],
  ]);
});

describe("jitter", () => {
  const dueAt = (identity: string, text: Row[1], issued = ISSUED, expires?: string) =>
    decideSchedule(compileSchedule(text), version(issued, expires), identity, at(issued)).nextAt as number;
  const many = Array.from({ length: 2000 }, (_, index) => `secret-${index}`);

  it("is the same for a secret, whenever it is asked", () => {
    for (const identity of many.slice(0, 20)) assert.equal(shareOf(identity), shareOf(identity));
    // A change of this would move the due time of every secret that there is.
    assert.equal(shareOf("a-secret").toFixed(12), "0.856174972889");
  });

  it("only ever makes a rotation earlier, and by less than it says", () => {
    const latest = at("2026-04-01T00:00Z");
    for (const identity of many) {
      const due = dueAt(identity, { every: "90d", jitter: "10d" });
      assert.ok(due <= latest && due > latest - 10 * DAY, identity);
    }
  });

  it("spreads a thousand secrets of one age evenly over its days", () => {
    const days = new Map<number, number>();
    for (const identity of many.slice(0, 1000)) {
      const day = Math.floor(dueAt(identity, { every: "90d", jitter: "10d" }) / DAY);
      days.set(day, (days.get(day) ?? 0) + 1);
    }
    assert.equal(days.size, 10);
    for (const [day, count] of days) assert.ok(count > 60 && count < 140, `${count} on day ${day}`);
  });

  it("brings each time of a cron pattern forward by the same, and skips none", () => {
    for (const identity of many.slice(0, 50)) {
      const text = { cron: "0 3 1 * *", jitter: "12h" };
      const first = dueAt(identity, text, "2026-01-20T00:00Z");
      const early = at("2026-02-01T03:00Z") - first;
      assert.ok(early >= 0 && early < 12 * HOUR, identity);
      const issued = new Date(first).toISOString();
      assert.equal(dueAt(identity, text, issued) - first, 28 * DAY);
    }
  });

  it("never lets what was just issued be due again, however short its life is", () => {
    for (const identity of many.slice(0, 200)) {
      const due = dueAt(identity, { renewBefore: "30d", jitter: "30d" }, ISSUED, "2026-01-01T04:00Z");
      assert.ok(due >= at("2026-01-01T01:00Z") && due <= at("2026-01-01T02:00Z"), new Date(due).toISOString());
    }
  });

  it("is nothing by default", () => {
    for (const identity of many.slice(0, 20)) assert.equal(dueAt(identity, { every: "90d" }), at("2026-04-01T00:00Z"));
  });
});
