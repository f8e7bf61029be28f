/** What holds for every schedule, issue and moment: random ones, shrunk where they fail. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isInBlackout } from "../../provider/triggers/blackouts";
import { shownBetween, wallOf } from "../../provider/triggers/calendar";
import { compileSchedule, type ScheduleText } from "../../provider/triggers/compile";
import { parseCron } from "../../provider/triggers/cron";
import { heldBy, nextAllowed } from "../../provider/triggers/holds";
import { decideSchedule } from "../../provider/triggers/schedule";
import { isInWindow, nextInWindow, WEEKDAYS, type RotationWindow } from "../../provider/triggers/windows";
import { isOpen } from "../random/wallClock";
import { version } from "./table";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const RUNS = { numRuns: 400 };

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Havana",
  "America/St_Johns",
  "Australia/Sydney",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Asia/Beirut",
  "Africa/Cairo",
  "Pacific/Apia",
  "Pacific/Chatham",
];
const zone = fc.constantFrom(...ZONES);
/** Moments at any time, and many around those at which clocks are moved. */
const moment = fc.oneof(
  fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2033, 0, 1) }),
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-29T01:00Z",
        "2026-10-25T01:00Z",
        "2026-03-08T07:00Z",
        "2026-11-01T05:00Z",
        "2026-10-03T15:30Z",
        "2026-04-04T15:00Z",
        // Back over midnight in St John's; a day left out in Samoa.
        "2010-11-07T02:31Z",
        "2011-12-30T10:00Z",
      ),
      fc.integer({ min: -3 * DAY, max: 3 * DAY }),
    )
    .map(([text, away]) => Date.parse(text) + away),
);
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 1, 15, 30, 59))
  .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`);
const window: fc.Arbitrary<RotationWindow> = fc.record(
  { days: fc.uniqueArray(fc.constantFrom(...WEEKDAYS), { minLength: 1 }), from: clock, to: clock, timeZone: zone },
  { requiredKeys: ["from", "to"] },
);
const day = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, "0")).join("-"));
const blackout = fc.record({ from: day, to: day, timeZone: zone }).filter(({ from, to }) => {
  const length = (Date.parse(`2026-${to}`) - Date.parse(`2026-${from}`) + 365 * DAY) % (365 * DAY);
  return length < 60 * DAY;
});
const cron = fc.constantFrom(
  "0 3 1 * *",
  "30 2 * * *",
  "0 0 * * 0",
  "0 3 1 */3 *",
  "0 0 L * *",
  "15 */6 * * *",
  "0 0 29 2 *",
  "0 12 * * MON#1",
);
const recurrence = fc.oneof(
  fc.record({ every: fc.constantFrom("1d", "36h", "30d", "90d", "P1M", "P3M", "P1Y", "P1M2DT3H") }),
  fc.record({ cron }),
  fc.record({ renewBefore: fc.constantFrom<(string | number)[]>("1d", "30d", 0.1, 0.9) }),
);
const rest = fc.record(
  {
    timeZone: zone,
    windows: fc.array(window, { minLength: 1, maxLength: 2 }),
    blackouts: fc.array(blackout, { maxLength: 2 }),
    jitter: fc.constantFrom("0s", "1h", "5h"),
    minAge: fc.constantFrom("0s", "1h", "1d"),
    maxAge: fc.constantFrom("100d", "400d"),
  },
  { requiredKeys: [] },
);
const schedule: fc.Arbitrary<ScheduleText> = fc
  .tuple(recurrence, rest)
  .map(([first, second]) => ({ ...first, ...second }));
/** How long the issuer lets it live. */
const life = fc.option(fc.integer({ min: 1, max: 400 * DAY }));
const identity = fc.string({ minLength: 1, maxLength: 8 });
const situation = fc.record({ schedule, issued: moment, life, identity });
type Situation = typeof situation extends fc.Arbitrary<infer Value> ? Value : never;

function decide({ schedule: text, issued, life: lasts, identity: who }: Situation, now: number, issuedAt = issued) {
  return decideSchedule(
    compileSchedule(text),
    version(issuedAt, lasts === null ? undefined : issuedAt + lasts),
    who,
    now,
  );
}

/** By the calendar of the platform, which shares nothing with ours. */
function isOpenByPlatform({ days, from, to, timeZone = "UTC" }: RotationWindow, now: number): boolean {
  return isOpen({ from, to, timeZone, ...(days && { days }) }, now);
}

/** Some moment after the issue, often near one at which something changes. */
const later = fc.oneof(fc.integer({ min: 0, max: 500 * DAY }), fc.integer({ min: 0, max: 2 * DAY }));

describe("every schedule", () => {
  it("has a next moment that is not in the past while nothing is due, and at which it is due", () => {
    fc.assert(
      fc.property(situation, later, (one, after) => {
        const now = one.issued + after;
        const { due, nextAt } = decide(one, now);
        if (due !== null || nextAt === null) return;
        assert.ok(nextAt > now);
        assert.notEqual(decide(one, nextAt).due, null);
        assert.equal(decide(one, nextAt - 1).due, null);
      }),
      RUNS,
    );
  });

  it("is due at no moment before the next one", () => {
    fc.assert(
      fc.property(
        situation,
        later,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (one, after, part) => {
          const now = one.issued + after;
          const { due, nextAt } = decide(one, now);
          if (due !== null || nextAt === null) return;
          const between = now + Math.floor((nextAt - now) * part);
          assert.equal(decide(one, between).due, null);
          assert.equal(decide(one, between).nextAt, nextAt, "and says the same of it");
        },
      ),
      RUNS,
    );
  });

  it("stays due until it is rotated, where no window and no blackout holds it", () => {
    fc.assert(
      fc.property(situation, later, later, (one, after, more) => {
        const bare = { ...one, schedule: { ...one.schedule, windows: undefined, blackouts: undefined } };
        if (decide(bare, bare.issued + after).due === null) return;
        assert.notEqual(decide(bare, bare.issued + after + more).due, null);
      }),
      RUNS,
    );
  });

  it("stays due for good once it is older than its oldest age", () => {
    fc.assert(
      fc.property(situation, later, (one, more) => {
        const old = { ...one, schedule: { ...one.schedule, maxAge: "100d" } };
        assert.notEqual(decide(old, one.issued + 100 * DAY + more).due, null);
      }),
      RUNS,
    );
  });

  it("is never due for what has just been issued, so that two runs never rotate twice", () => {
    fc.assert(
      fc.property(situation, fc.integer({ min: 0, max: 10 * DAY }), (one, back) => {
        assert.equal(decide(one, one.issued).due, null);
        assert.equal(decide(one, one.issued - back).due, null, "nor by a clock that was set back");
      }),
      RUNS,
    );
  });

  it("rotates exactly once in a run that is late by any time", () => {
    fc.assert(
      fc.property(situation, later, fc.integer({ min: 1, max: 5 }), (one, late, runs) => {
        const { due, nextAt } = decide(one, one.issued);
        assert.equal(due, null);
        if (nextAt === null) return;
        let issued = one.issued;
        let rotations = 0;
        // A window may be closed again when the late run comes: it has to wait for the next.
        const first = decide(one, nextAt + late);
        const now = first.due === null ? (first.nextAt as number) : nextAt + late;
        for (let run = 0; run < runs; run++)
          if (decide(one, now, issued).due !== null) {
            issued = now;
            rotations++;
          }
        assert.equal(rotations, 1);
      }),
      RUNS,
    );
  });

  it("plans nothing earlier than the youngest age, but for what expires first", () => {
    fc.assert(
      fc.property(situation, (one) => {
        const old = { ...one, life: null, schedule: { ...one.schedule, minAge: "20h" } };
        const { nextAt } = decide(old, one.issued);
        assert.ok(nextAt === null || nextAt >= one.issued + 20 * HOUR);
      }),
      RUNS,
    );
  });

  it("is earlier by less than its jitter, and never later", () => {
    fc.assert(
      fc.property(situation, (one) => {
        const { every, timeZone } = one.schedule;
        if (every === undefined) return;
        const at = (jitter: string) =>
          decide({ ...one, life: null, schedule: { every, timeZone, jitter } }, one.issued).nextAt as number;
        assert.ok(at("5h") <= at("0s") && at("5h") > at("0s") - 5 * HOUR);
        assert.equal(at("5h"), at("5h"));
      }),
      RUNS,
    );
  });

  it("begins only while a window is open and no blackout is, or says that it waits no longer", () => {
    fc.assert(
      fc.property(situation, later, (one, after) => {
        const now = one.issued + after;
        const { due } = decide(one, now);
        if (due === null || due.message.includes("waits no longer")) return;
        const { windows, blackouts } = compileSchedule(one.schedule);
        assert.ok(windows.length === 0 || windows.some((each) => isOpenByPlatform(each, now)));
        assert.ok(!blackouts.some((each) => isInBlackout(each, now)));
      }),
      RUNS,
    );
  });
});

describe("every window", () => {
  it("is open when the platform's own calendar says so", () => {
    fc.assert(
      fc.property(window, moment, (one, now) => {
        assert.equal(isInWindow(one, now), isOpenByPlatform(one, now));
      }),
      RUNS,
    );
  });

  it("opens next at the first minute at which it is open", () => {
    fc.assert(
      fc.property(window, moment, (one, now) => {
        const next = nextInWindow(one, now);
        assert.ok(next !== null && isInWindow(one, next));
        for (let minute = Math.ceil(now / MINUTE) * MINUTE; minute < next; minute += 5 * MINUTE)
          assert.equal(isInWindow(one, minute), false, new Date(minute).toISOString());
      }),
      { numRuns: 60 },
    );
  });
});

describe("every clock", () => {
  it("shows from one reading to another exactly in the intervals that are told", () => {
    fc.assert(
      fc.property(
        zone,
        moment,
        fc.integer({ min: MINUTE, max: DAY }),
        fc.integer({ min: -2 * DAY, max: 2 * DAY }),
        (where, about, length, away) => {
          const from = Math.floor(wallOf(where, about) / MINUTE) * MINUTE;
          const now = about + away;
          const reading = wallOf(where, now);
          const inside = shownBetween(where, from, from + length).some(({ start, end }) => now >= start && now < end);
          assert.equal(inside, reading >= from && reading < from + length);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("every cron pattern", () => {
  it("has times that the clock shows, or that it is moved past", () => {
    fc.assert(
      fc.property(cron, zone, moment, (text, where, issued) => {
        const read = parseCron(text, where);
        assert.ok(typeof read === "object");
        const next = read.dueAfter(issued, 0, 0);
        assert.ok(next > issued);
        const wall = new Date(wallOf(where, next));
        const [minute] = text.split(" ");
        const isMoved = wallOf(where, next) - wallOf(where, next - 1) > 1;
        assert.ok(
          isMoved || wall.getUTCMinutes() === Number(minute),
          `${text} ${where} ${new Date(next).toISOString()}`,
        );
        assert.ok(read.dueAfter(next, 0, 0) > next);
      }),
      RUNS,
    );
  });
});

describe("every hold", () => {
  it("is over at the moment that is told, and not before", () => {
    fc.assert(
      fc.property(
        fc.array(window, { maxLength: 2 }),
        fc.array(blackout, { maxLength: 2 }),
        moment,
        (windows, blackouts, now) => {
          const holds = { windows, blackouts };
          const next = nextAllowed(holds, now);
          if (next === null) return;
          assert.equal(heldBy(holds, next), null);
          if (next > now) assert.notEqual(heldBy(holds, next - 1), null);
          for (let time = now; time < next; time += 6 * HOUR + 7 * MINUTE) assert.notEqual(heldBy(holds, time), null);
        },
      ),
      RUNS,
    );
  });
});
