/** Blackouts: once and every year, over New Year, in their zone, together with windows. */
import { holdRows, type Row } from "./table";

const OLD = "2020-01-01T00:00Z";
const freeze = (from: string, to: string, more = {}) => ({ every: "30d", blackouts: [{ from, to, ...more }] });
const once = freeze("2026-12-20", "2027-01-03");
const yearly = freeze("12-20", "01-03");
const summer = freeze("07-15", "08-15");
const inBerlin = freeze("2026-12-20", "2027-01-03", { timeZone: "Europe/Berlin" });
const two = {
  every: "30d",
  blackouts: [
    { from: "2026-11-20", to: "2026-11-30", reason: "sale" },
    { from: "2026-12-01", to: "2026-12-02" },
  ],
};
const sundays = { days: ["sun"], from: "02:00", to: "04:00" } as const;
const held = (rows: readonly (readonly [string, Row[1], string, string, Row[5]?])[]) =>
  holdRows(rows.map(([title, schedule, now, outcome, more = {}]) => [title, schedule, OLD, now, outcome, more]));

describe("a blackout", () => {
  // prettier-ignore
  held([
    ["begins with its first day", once, "2026-12-20T00:00Z", "waits 2027-01-04T00:00Z"],
    ["has not begun the second before", once, "2026-12-19T23:59:59Z", "due"],
    ["ends with its last day", once, "2027-01-03T23:59:59Z", "waits 2027-01-04T00:00Z"],
    ["is over the day after", once, "2027-01-04T00:00Z", "due"],
    ["once does not come again", once, "2027-12-25T00:00Z", "due"],
    ["of one day", freeze("2026-11-27", "2026-11-27"), "2026-11-27T12:00Z", "waits 2026-11-28T00:00Z"],
    ["of every year, before New Year", yearly, "2026-12-25T00:00Z", "waits 2027-01-04T00:00Z"],
    ["of every year, after New Year", yearly, "2027-01-01T00:00Z", "waits 2027-01-04T00:00Z"],
    ["of every year, in another year", yearly, "2031-12-20T00:00Z", "waits 2032-01-04T00:00Z"],
    ["of every year is over", yearly, "2027-01-04T00:00Z", "due"],
    ["of every year within one", summer, "2026-08-15T23:00Z", "waits 2026-08-16T00:00Z"],
    ["of every year within one, before it", summer, "2026-07-14T23:59Z", "due"],
    ["to a leap day, in a leap year", freeze("02-20", "02-29"), "2028-02-29T12:00Z", "waits 2028-03-01T00:00Z"],
    ["to a leap day, in another year", freeze("02-20", "02-29"), "2026-02-28T12:00Z", "waits 2026-03-01T00:00Z"],
    ["from a leap day, in a leap year", freeze("02-29", "03-02"), "2028-02-29T00:00Z", "waits 2028-03-03T00:00Z"],
    ["from a leap day, in another year", freeze("02-29", "03-02"), "2026-03-01T00:00Z", "waits 2026-03-03T00:00Z"],
    ["from a leap day has not begun on the 28th", freeze("02-29", "03-02"), "2026-02-28T23:59Z", "due"],
    ["to the 28th leaves the leap day free", freeze("02-20", "02-28"), "2028-02-28T12:00Z", "waits 2028-02-29T00:00Z"],
    ["in Berlin begins by Berlin's clock", inBerlin, "2026-12-19T23:00Z", "waits 2027-01-04T00:00+01:00"],
    ["in Berlin has not begun", inBerlin, "2026-12-19T22:59:59Z", "due"],
    ["in Berlin ends by Berlin's clock", inBerlin, "2027-01-03T22:59:59Z", "waits 2027-01-03T23:00Z"],
    ["takes the zone of the schedule", { ...once, timeZone: "Asia/Tokyo" }, "2027-01-03T14:00Z", "waits 2027-01-04T00:00+09:00"],
    ["over the day on which clocks go forward", freeze("2026-03-28", "2026-03-29", { timeZone: "Europe/Berlin" }), "2026-03-28T12:00Z", "waits 2026-03-30T00:00+02:00"],
    ["over the day on which clocks go back", freeze("2026-10-24", "2026-10-25", { timeZone: "Europe/Berlin" }), "2026-10-24T12:00Z", "waits 2026-10-26T00:00+01:00"],
    ["over both changes", freeze("2026-03-01", "2026-11-30", { timeZone: "Europe/Berlin" }), "2026-07-01T12:00Z", "waits 2026-12-01T00:00+01:00"],
    ["to a midnight that Havana leaves out", freeze("2026-03-01", "2026-03-07", { timeZone: "America/Havana" }), "2026-03-07T12:00-05:00", "waits 2026-03-08T01:00-04:00"],
    ["to a midnight that Havana shows twice", freeze("2026-10-20", "2026-10-31", { timeZone: "America/Havana" }), "2026-10-31T12:00-04:00", "waits 2026-11-01T00:00-04:00"],
    ["and another right behind it", two, "2026-11-25T00:00Z", "waits 2026-12-03T00:00Z"],
    ["says its reason", two, "2026-11-25T00:00Z", "waits 2026-12-03T00:00Z", { says: /waits for the end of the blackout \(2026-11-20 to 2026-11-30 UTC, sale\), until 2026-12-03T00:00:00Z$/ }],
    ["and a window: waits for both", { ...yearly, window: sundays }, "2026-12-27T03:00Z", "waits 2027-01-10T02:00Z"],
    ["and a window that opens on its last day", { ...freeze("01-01", "01-10"), window: sundays }, "2027-01-09T00:00Z", "waits 2027-01-17T02:00Z"],
    ["and a window over its last midnight: the rest of it", { ...freeze("2027-01-01", "2027-01-10"), window: { from: "23:00", to: "01:00" } }, "2027-01-10T23:30Z", "waits 2027-01-11T00:00Z"],
    ["and a window over its first midnight: nothing of the rest", { ...freeze("2027-01-11", "2027-01-12"), window: { days: ["sun"], from: "23:00", to: "01:00" } }, "2027-01-11T00:30Z", "waits 2027-01-17T23:00Z"],
    ["that leaves one week of the year, and a window in it", { every: "30d", window: sundays, blackouts: [{ from: "06-08", to: "05-31" }] }, "2026-06-08T00:00Z", "waits 2027-06-06T02:00Z"],
    ["that leaves only the leap day, and a window on Sundays", { every: "30d", window: sundays, blackouts: [{ from: "03-01", to: "02-28" }] }, "2026-01-01T00:00Z", "waits 2032-02-29T02:00Z"],
    ["for ever, where nothing is left", { every: "30d", blackouts: [{ from: "01-01", to: "12-31" }] }, "2026-01-01T00:00Z", "waits for ever"],
  ]);

  // prettier-ignore
  holdRows([
    ["that is to come is counted in", yearly, "2026-11-25T00:00Z", "2026-11-26T00:00Z", "next 2027-01-04T00:00Z", { says: /^every 30d; due 2026-12-25T00:00:00Z, then waits for the end of the blackout \(12-20 to 01-03 UTC\)$/ }],
    ["that will be over is not", yearly, "2026-12-10T00:00Z", "2026-12-25T00:00Z", "next 2027-01-09T00:00Z"],
    ["holds a cron time back", { cron: "0 3 1 * *", blackouts: [{ from: "12-20", to: "01-03" }] }, "2026-12-05T00:00Z", "2027-01-01T03:00Z", "waits 2027-01-04T00:00Z"],
  ]);
});
