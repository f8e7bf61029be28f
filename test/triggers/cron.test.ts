/** Cron patterns: time zones, clocks that are moved, days that a month does not have, runs that come late. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { parseCron } from "../../provider/triggers/cron";
import { holdRows } from "./table";

const BERLIN = { timeZone: "Europe/Berlin" };
const NEW_YORK = { timeZone: "America/New_York" };
const SYDNEY = { timeZone: "Australia/Sydney" };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("times by cron", () => {
  // prettier-ignore
  holdRows([
    ["the first of the month", { cron: "0 3 1 * *" }, "2026-01-10T00:00Z", "2026-01-11T00:00Z", "next 2026-02-01T03:00Z"],
    ["issued a second before it", { cron: "0 3 1 * *" }, "2026-02-01T02:59:59Z", "2026-02-01T02:59:59Z", "next 2026-02-01T03:00Z"],
    ["issued at that moment, it is the one after", { cron: "0 3 1 * *" }, "2026-02-01T03:00Z", "2026-02-01T03:00Z", "next 2026-03-01T03:00Z"],
    ["issued a millisecond after it", { cron: "0 3 1 * *" }, "2026-02-01T03:00:00.001Z", "2026-02-01T03:00:01Z", "next 2026-03-01T03:00Z"],
    ["a run in time", { cron: "0 3 1 * *" }, "2026-01-10T00:00Z", "2026-02-01T03:00Z", "due", { says: /^22 days old, cron 0 3 1 \* \* UTC$/ }],
    ["a run that is days late", { cron: "0 3 1 * *" }, "2026-01-10T00:00Z", "2026-02-05T11:00Z", "due"],
    ["a run that missed a year of them", { cron: "0 3 1 * *" }, "2026-01-10T00:00Z", "2027-02-05T11:00Z", "due"],
    ["after that late run only the next one is left", { cron: "0 3 1 * *" }, "2027-02-05T11:00Z", "2027-02-05T11:00Z", "next 2027-03-01T03:00Z"],
    ["a weekday", { cron: "30 4 * * 1" }, "2026-11-28T00:00Z", "2026-11-28T01:00Z", "next 2026-11-30T04:30Z"],
    ["a weekday by name", { cron: "30 4 * * mon" }, "2026-11-28T00:00Z", "2026-11-28T01:00Z", "next 2026-11-30T04:30Z"],
    ["Sunday as 7", { cron: "0 0 * * 7" }, "2026-11-28T12:00Z", "2026-11-28T12:00Z", "next 2026-11-29T00:00Z"],
    ["months by name, over New Year", { cron: "0 0 1 jan,jul *" }, "2026-07-02T00:00Z", "2026-07-03T00:00Z", "next 2027-01-01T00:00Z"],
    ["every quarter", { cron: "0 0 1 */3 *" }, "2026-02-01T00:00Z", "2026-02-02T00:00Z", "next 2026-04-01T00:00Z"],
    ["day of the month or of the week, whichever is first", { cron: "0 0 13 * 5" }, "2026-02-01T00:00Z", "2026-02-02T00:00Z", "next 2026-02-06T00:00Z"],
    ["the 31st leaves shorter months out", { cron: "0 0 31 * *" }, "2026-01-31T00:00Z", "2026-02-01T00:00Z", "next 2026-03-31T00:00Z"],
    ["the 30th leaves February out", { cron: "0 0 30 * *" }, "2026-01-30T00:00Z", "2026-02-01T00:00Z", "next 2026-03-30T00:00Z"],
    ["the last day of a month of 28 days", { cron: "0 0 L * *" }, "2026-02-01T00:00Z", "2026-02-02T00:00Z", "next 2026-02-28T00:00Z"],
    ["the last day of a month of 29 days", { cron: "0 0 L * *" }, "2028-02-01T00:00Z", "2028-02-02T00:00Z", "next 2028-02-29T00:00Z"],
    ["a leap day", { cron: "0 0 29 2 *" }, "2026-03-01T00:00Z", "2026-03-02T00:00Z", "next 2028-02-29T00:00Z"],
    ["the leap day after that", { cron: "0 0 29 2 *" }, "2028-02-29T00:00Z", "2028-03-02T00:00Z", "next 2032-02-29T00:00Z"],
    ["the second Monday", { cron: "0 5 * * MON#2" }, "2026-11-01T00:00Z", "2026-11-02T00:00Z", "next 2026-11-09T05:00Z"],
    ["in Berlin, in winter", { cron: "0 3 1 * *", ...BERLIN }, "2026-01-10T00:00Z", "2026-01-11T00:00Z", "next 2026-02-01T02:00Z"],
    ["in Berlin, in summer", { cron: "0 3 1 * *", ...BERLIN }, "2026-06-10T00:00Z", "2026-06-11T00:00Z", "next 2026-07-01T01:00Z"],
    ["in Kathmandu, by three quarters of an hour", { cron: "0 3 * * *", timeZone: "Asia/Kathmandu" }, "2026-06-10T00:00Z", "2026-06-10T00:00Z", "next 2026-06-10T21:15Z"],
    ["in Kiritimati, a day ahead", { cron: "0 3 1 * *", timeZone: "Pacific/Kiritimati" }, "2026-06-10T00:00Z", "2026-06-11T00:00Z", "next 2026-06-30T13:00Z"],
  ]);
});

describe("times by cron, where clocks are moved", () => {
  // prettier-ignore
  holdRows([
    ["a time that Berlin leaves out counts when the clocks go forward", { cron: "30 2 * * *", ...BERLIN }, "2026-03-28T12:00+01:00", "2026-03-28T13:00+01:00", "next 2026-03-29T03:00+02:00"],
    ["the day after it is as usual", { cron: "30 2 * * *", ...BERLIN }, "2026-03-29T03:00+02:00", "2026-03-29T03:00+02:00", "next 2026-03-30T02:30+02:00"],
    ["the hour that is left out begins with the change", { cron: "0 2 * * *", ...BERLIN }, "2026-03-28T12:00+01:00", "2026-03-28T13:00+01:00", "next 2026-03-29T03:00+02:00"],
    ["a time just before the change", { cron: "59 1 * * *", ...BERLIN }, "2026-03-28T12:00+01:00", "2026-03-28T13:00+01:00", "next 2026-03-29T01:59+01:00"],
    ["a time just after the change", { cron: "0 3 * * *", ...BERLIN }, "2026-03-28T12:00+01:00", "2026-03-28T13:00+01:00", "next 2026-03-29T03:00+02:00"],
    ["two times that are left out count once", { cron: "0,30 2 * * *", ...BERLIN }, "2026-03-29T03:00+02:00", "2026-03-29T03:00+02:00", "next 2026-03-30T02:00+02:00"],
    ["a time that comes twice counts the first time", { cron: "30 2 * * *", ...BERLIN }, "2026-10-24T12:00+02:00", "2026-10-24T13:00+02:00", "next 2026-10-25T02:30+02:00"],
    ["and not again an hour later", { cron: "30 2 * * *", ...BERLIN }, "2026-10-25T02:30+02:00", "2026-10-25T02:31+02:00", "next 2026-10-26T02:30+01:00"],
    ["nor for a version that was issued between the two", { cron: "30 2 * * *", ...BERLIN }, "2026-10-25T02:10+01:00", "2026-10-25T02:10+01:00", "next 2026-10-26T02:30+01:00"],
    ["a late run between the two is late", { cron: "30 2 * * *", ...BERLIN }, "2026-10-24T12:00+02:00", "2026-10-25T02:10+01:00", "due"],
    ["every hour, as the clocks go forward", { cron: "0 * * * *", ...BERLIN }, "2026-03-29T01:00+01:00", "2026-03-29T01:30+01:00", "next 2026-03-29T03:00+02:00"],
    ["every hour, as the clocks go back: the hour that comes again does not count", { cron: "0 * * * *", ...BERLIN }, "2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "next 2026-10-25T03:00+01:00"],
    ["in New York, a time that is left out", { cron: "30 2 * * *", ...NEW_YORK }, "2026-03-07T12:00-05:00", "2026-03-07T13:00-05:00", "next 2026-03-08T03:00-04:00"],
    ["in New York, a time that comes twice", { cron: "30 1 * * *", ...NEW_YORK }, "2026-10-31T12:00-04:00", "2026-10-31T13:00-04:00", "next 2026-11-01T01:30-04:00"],
    ["in Sydney, a time that is left out, in October", { cron: "30 2 * * *", ...SYDNEY }, "2026-10-03T12:00+10:00", "2026-10-03T13:00+10:00", "next 2026-10-04T03:00+11:00"],
    ["in Sydney, a time that comes twice, in April", { cron: "30 2 * * *", ...SYDNEY }, "2026-04-04T12:00+11:00", "2026-04-04T13:00+11:00", "next 2026-04-05T02:30+11:00"],
    ["on Lord Howe, where half an hour is left out", { cron: "15 2 * * *", timeZone: "Australia/Lord_Howe" }, "2026-10-03T12:00+10:30", "2026-10-03T13:00+10:30", "next 2026-10-04T02:30+11:00"],
    ["on Lord Howe, where half an hour comes twice", { cron: "45 1 * * *", timeZone: "Australia/Lord_Howe" }, "2026-04-04T12:00+11:00", "2026-04-04T13:00+11:00", "next 2026-04-05T01:45+11:00"],
    ["in Havana, where midnight is left out", { cron: "0 0 * * *", timeZone: "America/Havana" }, "2026-03-07T12:00-05:00", "2026-03-07T13:00-05:00", "next 2026-03-08T01:00-04:00"],
    ["in Havana, where midnight comes twice", { cron: "0 0 * * *", timeZone: "America/Havana" }, "2026-10-31T12:00-04:00", "2026-10-31T13:00-04:00", "next 2026-11-01T00:00-04:00"],
    ["in Samoa, where a whole day was left out", { cron: "0 12 30 * *", timeZone: "Pacific/Apia" }, "2011-12-01T12:00-10:00", "2011-12-02T13:00-10:00", "next 2011-12-31T00:00+14:00"],
  ]);
});

describe("a cron pattern", () => {
  for (const [text, says] of [
    ["0 3 * *", /five fields/],
    ["0 0 3 * * *", /five fields/],
    ["@daily", /five fields/],
    ["", /five fields/],
    ["0 3 ? * *", /five fields/],
    ["60 3 * * *", /minute/],
    ["0 24 * * *", /hour/],
    ["0 0 32 * *", /day/],
    ["0 0 * 13 *", /month/],
    ["0 0 * * 8", /day/i],
    ["*/0 * * * *", /stepping/],
    ["0 0 30 2 *", /never comes/],
    ["0 0 31 4,6,9,11 *", /never comes/],
  ] as const)
    it(`is refused where it is ${JSON.stringify(text)}`, () => {
      const read = parseCron(text, "UTC");
      assert.equal(typeof read, "string");
      assert.match(read as string, says);
    });

  it("knows the shortest time between two of its times, with clocks that go forward", () => {
    const cases: [string, string, number][] = [
      ["0 3 * * *", "UTC", DAY],
      ["0 3 * * *", "Europe/Berlin", DAY - HOUR],
      ["0 3 1 * *", "UTC", 28 * DAY],
      ["0 3 * * 0", "UTC", 7 * DAY],
      ["0 0 1,2 * *", "UTC", DAY],
      ["*/5 * * * *", "Europe/Berlin", 300_000],
      ["0 * * * *", "Europe/Berlin", HOUR],
      ["0 0 29 2 *", "UTC", 1461 * DAY],
    ];
    for (const [text, zone, expected] of cases) {
      const read = parseCron(text, zone);
      assert.ok(typeof read === "object");
      assert.equal(read.shortest(0), expected, `${text} ${zone}`);
    }
  });

  it("is what loads the library: a program without one does without", () => {
    const loaded = (more: string) =>
      execFileSync(
        process.execPath,
        [
          ...["--require", "tsx/cjs", "--eval"],
          `require("./provider/engine/secretVersion"); ${more};
           console.log(Object.keys(require.cache).some((file) => file.includes("node_modules/croner/")))`,
        ],
        { cwd: resolve(__dirname, "../.."), encoding: "utf8" },
      ).trim();
    assert.equal(loaded('require("./provider/triggers/compile").compileSchedule({ every: "90d" })'), "false");
    assert.equal(loaded('require("./provider/triggers/compile").compileSchedule({ cron: "0 3 1 * *" })'), "true");
  }).timeout(60_000);
});
