/** What the input `schedule` takes, and what it says of the rest. */
import assert from "node:assert/strict";
import { failuresOf } from "../../provider/inputs/common";
import { secretVersionInputs } from "../../provider/inputs/secretVersion";

const inputs = (schedule: object, more: object = {}) => ({
  name: "orders-db",
  stack: "org/app/prod",
  kind: { type: "memory" },
  store: { type: "memory" },
  schedule,
  ...more,
});

function refusal(schedule: object, more: object = {}): string {
  const parsed = secretVersionInputs.safeParse(inputs(schedule, more));
  return parsed.success
    ? ""
    : failuresOf(parsed.error)
        .map(({ reason }) => reason)
        .join("\n");
}

const window = { from: "02:00", to: "04:00" };
const every = "30d";

describe("a schedule is taken", () => {
  for (const schedule of [
    { every: "90d" },
    { every: "P90D" },
    { every: "P3M" },
    { every: "P1Y2M" },
    { cron: "0 3 1 * *" },
    { cron: "0 3 * * MON#2", timeZone: "Europe/Berlin" },
    { renewBefore: "30d" },
    { renewBefore: 0.25, window },
    { every, window: { ...window, days: ["sun"], timeZone: "Asia/Tokyo" } },
    { every, windows: [window, { from: "22:00", to: "23:00" }] },
    { every, blackouts: [{ from: "12-20", to: "01-03", reason: "freeze" }] },
    { every, blackouts: [{ from: "2026-12-20", to: "2026-12-20", timeZone: "Europe/Berlin" }] },
    { every, blackouts: [{ from: "02-29", to: "02-29" }] },
    { every, blackouts: [{ from: "2028-02-29", to: "2028-03-01" }] },
    { every, blackouts: [{ from: "01-01", to: "12-31" }], maxAge: "60d" },
    { every, jitter: "7d", minAge: "1d", maxAge: "40d" },
    { cron: "0 3 1 * *", minAge: "40d" },
  ])
    it(JSON.stringify(schedule), () => assert.equal(refusal(schedule), ""));
});

describe("a schedule is refused", () => {
  const cases: [object, RegExp][] = [
    [{}, /^schedule\.every: is missing: give every or cron, or renewBefore alone for what expires by itself$/],
    [{ window }, /^schedule\.every: is missing/],
    [{ every, cron: "0 3 1 * *" }, /^schedule\.cron: every and cron cannot both say when; take one of them out$/],
    [
      { every: "90 days" },
      /^schedule\.every: "90 days" is not a duration; write 90s, 15m, 36h, 90d, 2w, or ISO 8601 such as P90D or P3M$/,
    ],
    [{ every: "P1.5M" }, /^schedule\.every: "P1\.5M" is not a duration/],
    [{ every: "P-1M" }, /^schedule\.every: "P-1M" is not a duration/],
    [{ every: "0s" }, /^schedule\.every: has to be longer than 0$/],
    [{ every: "P0M" }, /^schedule\.every: has to be longer than 0$/],
    [{ cron: "0 3 * *" }, /^schedule\.cron: "0 3 \* \*" is not a cron pattern: has five fields: minute, hour/],
    [{ cron: "@monthly" }, /^schedule\.cron: "@monthly" is not a cron pattern/],
    [{ cron: "0 25 * * *" }, /^schedule\.cron: "0 25 \* \* \*" is not a cron pattern: .*hour/],
    [{ cron: "0 0 30 2 *" }, /^schedule\.cron: .*never comes: there is no such day$/],
    [
      { every, timeZone: "Berlin" },
      /^schedule\.timeZone: "Berlin" is not an IANA time zone such as Europe\/Berlin or UTC$/,
    ],
    [{ cron: "0 3 1 * *", timeZone: "UTC+1" }, /^schedule\.timeZone: "UTC\+1" is not an IANA time zone/],
    [
      { every, window: { from: "2:00", to: "04:00" } },
      /^schedule\.window\.from: "2:00" is not a time of day; write it as 02:00$/,
    ],
    [{ every, windows: [{ from: "02:00", to: "24:00" }] }, /^schedule\.windows\.0\.to: "24:00" is not a time of day/],
    [{ every, windows: [] }, /^schedule\.windows: /],
    [
      { every, window, windows: [window] },
      /^schedule\.windows: window and windows cannot both be given; put all into windows$/,
    ],
    [{ every, window: { ...window, days: ["sunday"] } }, /^schedule\.window\.days\.0: .*"sun"/],
    [
      { every, blackouts: [{ from: "20 Dec", to: "01-03" }] },
      /^schedule\.blackouts\.0\.from: "20 Dec" is not a day; write it as 2026-12-20, or as 12-20 for every year$/,
    ],
    [{ every, blackouts: [{ from: "02-30", to: "03-01" }] }, /"02-30" is not a day/],
    [{ every, blackouts: [{ from: "2026-02-29", to: "2026-03-01" }] }, /"2026-02-29" is not a day/],
    [
      { every, blackouts: [{ from: "2026-12-20", to: "01-03" }] },
      /^schedule\.blackouts\.0\.to: 01-03 and 2026-12-20 have to be both with a year, or both without$/,
    ],
    [
      { every, blackouts: [{ from: "2026-12-20", to: "2026-12-19" }] },
      /^schedule\.blackouts\.0\.to: 2026-12-19 is before 2026-12-20; it is the last day of the blackout$/,
    ],
    [
      { every, blackouts: [{ from: "01-01", to: "12-31" }] },
      /^schedule\.blackouts: leave no time at which a rotation may start; leave some out, or give a maxAge$/,
    ],
    [
      {
        every,
        blackouts: [
          { from: "01-01", to: "06-30" },
          { from: "07-01", to: "12-31" },
        ],
      },
      /leave no time/,
    ],
    [
      { renewBefore: 1 },
      /^schedule\.renewBefore: 1 is neither a duration such as 30d nor a part of the life between 0 and 1 such as 0\.25$/,
    ],
    [{ renewBefore: 0 }, /^schedule\.renewBefore: 0 is neither/],
    [{ renewBefore: "soon" }, /^schedule\.renewBefore: "soon" is neither/],
    [{ renewBefore: "P1M" }, /^schedule\.renewBefore: "P1M" is neither/],
    [{ every, jitter: "30d" }, /^schedule\.jitter: 30d has to be shorter than the time between two rotations$/m],
    [{ every: "P1M", jitter: "28d" }, /^schedule\.jitter: 28d has to be shorter/m],
    [{ cron: "0 3 * * *", jitter: "1d" }, /^schedule\.jitter: 1d has to be shorter/],
    [{ every, jitter: "P1M" }, /^schedule\.jitter: "P1M" is not a duration/],
    [{ every, minAge: "31d" }, /^schedule\.minAge: 31d is longer than every \(30d\)$/],
    [
      { every, maxAge: "30d" },
      /^schedule\.maxAge: 30d is not longer than every \(30d\), so no window and no blackout would ever hold$/,
    ],
    [{ cron: "0 3 1 * *", minAge: "40d", maxAge: "40d" }, /^schedule\.maxAge: 40d is not longer than minAge \(40d\)$/],
    [{ every, maxAge: "0s" }, /^schedule\.maxAge: has to be longer than 0$/],
    [{ every, widnow: window }, /schedule: .*widnow/],
    [
      { every: "2h" },
      /^schedule\.every: 2h is not longer than retirement\.grace \(1h\) and retirement\.soak \(1h\) together, so the next rotation would come before/,
    ],
    [
      { every: "3h", jitter: "1h" },
      /^schedule\.every: 3h, earlier by up to 1h \(jitter\), is not longer than retirement\.grace/,
    ],
    [
      { cron: "0 * * * *" },
      /^schedule\.cron: 1 hour, the shortest time between two of 0 \* \* \* \*, is not longer than retirement\.grace \(1h\)/,
    ],
    [{ cron: "0 1,3 1 * *" }, /^schedule\.cron: 2 hours, the shortest time between two of 0 1,3 1/],
    [{ cron: "0 3 1 * *", maxAge: "2h" }, /^schedule\.cron: /],
  ];
  for (const [schedule, says] of cases)
    it(`where it is ${JSON.stringify(schedule)}`, () => assert.match(refusal(schedule), says));

  it("with nothing said twice", () => {
    for (const [schedule] of cases) {
      const lines = refusal(schedule).split("\n");
      assert.equal(new Set(lines).size, lines.length);
    }
  });

  it("not where a youngest age keeps two times of a cron pattern apart", () => {
    assert.equal(refusal({ cron: "0 1,3 1 * *", minAge: "1d" }), "");
  });
});
