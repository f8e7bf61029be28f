/** Intervals: fixed lengths, calendar months and their ends, leap days, clocks that are moved. */
import { holdRows } from "./table";

const BERLIN = { timeZone: "Europe/Berlin" };
const NEW_YORK = { timeZone: "America/New_York" };
const SYDNEY = { timeZone: "Australia/Sydney" };

describe("an interval of a fixed length", () => {
  // prettier-ignore
  holdRows([
    ["90 days are over", { every: "90d" }, "2026-01-01T10:00Z", "2026-04-01T10:00Z", "due", { says: /^90 days old, every 90d$/ }],
    ["90 days are not over", { every: "90d" }, "2026-01-01T10:00Z", "2026-03-31T10:00Z", "next 2026-04-01T10:00Z"],
    ["it has just been issued", { every: "90d" }, "2026-01-01T10:00Z", "2026-01-01T10:00Z", "next 2026-04-01T10:00Z"],
    ["P90D is the same as 90d", { every: "P90D" }, "2026-01-01T10:00Z", "2026-01-02T10:00Z", "next 2026-04-01T10:00Z"],
    ["P2W is two weeks", { every: "P2W" }, "2026-02-20T00:00Z", "2026-02-21T00:00Z", "next 2026-03-06T00:00Z"],
    ["PT36H is 36 hours", { every: "PT36H" }, "2026-02-27T18:00Z", "2026-02-28T00:00Z", "next 2026-03-01T06:00Z"],
    ["over a leap day, 30 days are a day less in the calendar", { every: "30d" }, "2028-02-15T00:00Z", "2028-02-16T00:00Z", "next 2028-03-16T00:00Z"],
    ["over no leap day", { every: "30d" }, "2026-02-15T00:00Z", "2026-02-16T00:00Z", "next 2026-03-17T00:00Z"],
    ["over the last leap day that was left out", { every: "30d" }, "2100-02-15T00:00Z", "2100-02-16T00:00Z", "next 2100-03-17T00:00Z"],
    ["days are 24 hours, also where clocks go forward", { every: "1d", ...BERLIN }, "2026-03-28T12:00+01:00", "2026-03-28T13:00+01:00", "next 2026-03-29T13:00+02:00"],
    ["days are 24 hours, also where clocks go back", { every: "1d", ...BERLIN }, "2026-10-24T12:00+02:00", "2026-10-24T13:00+02:00", "next 2026-10-25T11:00+01:00"],
    ["over New Year", { every: "14d" }, "2026-12-25T06:00Z", "2026-12-26T06:00Z", "next 2027-01-08T06:00Z"],
  ]);
});

describe("an interval of calendar months and years", () => {
  // prettier-ignore
  holdRows([
    ["a month later on the same day", { every: "P1M" }, "2026-01-15T08:30Z", "2026-01-20T00:00Z", "next 2026-02-15T08:30Z"],
    ["three months", { every: "P3M" }, "2026-01-15T08:30Z", "2026-01-20T00:00Z", "next 2026-04-15T08:30Z"],
    ["three months are over", { every: "P3M" }, "2026-01-15T08:30Z", "2026-04-15T08:30Z", "due", { says: /^90 days old, every P3M$/ }],
    ["from the 31st to a month of 28 days", { every: "P1M" }, "2026-01-31T12:00Z", "2026-02-01T00:00Z", "next 2026-02-28T12:00Z"],
    ["from the 31st to a month of 29 days", { every: "P1M" }, "2028-01-31T12:00Z", "2028-02-01T00:00Z", "next 2028-02-29T12:00Z"],
    ["from the 30th to a month of 28 days", { every: "P1M" }, "2026-01-30T12:00Z", "2026-02-01T00:00Z", "next 2026-02-28T12:00Z"],
    ["from the end of February it stays the 28th", { every: "P1M" }, "2026-02-28T12:00Z", "2026-03-01T00:00Z", "next 2026-03-28T12:00Z"],
    ["from the 31st to a month of 30 days", { every: "P1M" }, "2026-03-31T12:00Z", "2026-04-01T00:00Z", "next 2026-04-30T12:00Z"],
    ["from the 31st over a short month to a long one", { every: "P2M" }, "2026-01-31T12:00Z", "2026-02-01T00:00Z", "next 2026-03-31T12:00Z"],
    ["from the 31st over a quarter", { every: "P3M" }, "2026-08-31T12:00Z", "2026-09-01T00:00Z", "next 2026-11-30T12:00Z"],
    ["half a year over New Year, to a short month", { every: "P6M" }, "2026-08-31T12:00Z", "2026-09-01T00:00Z", "next 2027-02-28T12:00Z"],
    ["half a year to a leap day", { every: "P6M" }, "2027-08-31T12:00Z", "2027-09-01T00:00Z", "next 2028-02-29T12:00Z"],
    ["a year", { every: "P1Y" }, "2026-06-01T12:00Z", "2026-06-02T00:00Z", "next 2027-06-01T12:00Z"],
    ["a year from a leap day", { every: "P1Y" }, "2028-02-29T12:00Z", "2028-03-01T00:00Z", "next 2029-02-28T12:00Z"],
    ["four years from a leap day", { every: "P4Y" }, "2028-02-29T12:00Z", "2028-03-01T00:00Z", "next 2032-02-29T12:00Z"],
    ["a year, a month and a day", { every: "P1Y1M1D" }, "2026-01-31T12:00Z", "2026-02-01T00:00Z", "next 2027-03-01T12:00Z"],
    ["a month and twelve hours", { every: "P1MT12H" }, "2026-01-15T18:00Z", "2026-01-20T00:00Z", "next 2026-02-16T06:00Z"],
    ["at the same time of day, though clocks went forward", { every: "P1M", ...BERLIN }, "2026-03-15T09:00+01:00", "2026-03-16T00:00Z", "next 2026-04-15T09:00+02:00"],
    ["at the same time of day, though clocks went back", { every: "P1M", ...BERLIN }, "2026-10-10T09:00+02:00", "2026-10-11T00:00Z", "next 2026-11-10T09:00+01:00"],
    ["in UTC no clock is moved", { every: "P1M" }, "2026-03-15T09:00+01:00", "2026-03-16T00:00Z", "next 2026-04-15T08:00Z"],
    ["to a time that the clocks leave out", { every: "P1M", ...BERLIN }, "2026-02-28T02:30+01:00", "2026-03-01T00:00Z", "next 2026-03-28T02:30+01:00"],
    ["to a time that the clocks leave out on that day", { every: "P2M", ...BERLIN }, "2026-01-29T02:30+01:00", "2026-03-01T00:00Z", "next 2026-03-29T03:30+02:00"],
    ["to a time that comes twice, the first one", { every: "P1M", ...BERLIN }, "2026-09-25T02:30+02:00", "2026-10-01T00:00Z", "next 2026-10-25T02:30+02:00"],
    ["in New York, forward", { every: "P1M", ...NEW_YORK }, "2026-02-20T07:00-05:00", "2026-02-21T00:00Z", "next 2026-03-20T07:00-04:00"],
    ["in New York, back", { every: "P1M", ...NEW_YORK }, "2026-10-20T07:00-04:00", "2026-10-21T00:00Z", "next 2026-11-20T07:00-05:00"],
    ["in Sydney, where clocks go back in April", { every: "P1M", ...SYDNEY }, "2026-03-20T07:00+11:00", "2026-03-21T00:00Z", "next 2026-04-20T07:00+10:00"],
    ["in Sydney, where clocks go forward in October", { every: "P1M", ...SYDNEY }, "2026-09-20T07:00+10:00", "2026-09-21T00:00Z", "next 2026-10-20T07:00+11:00"],
    ["the day of the month is the zone's", { every: "P1M", timeZone: "Pacific/Auckland" }, "2026-01-31T00:30+13:00", "2026-02-01T00:00Z", "next 2026-02-28T00:30+13:00"],
    ["the same moment in UTC is a day earlier", { every: "P1M" }, "2026-01-31T00:30+13:00", "2026-02-01T00:00Z", "next 2026-02-28T11:30Z"],
  ]);
});

describe("a run that comes late", () => {
  // prettier-ignore
  holdRows([
    ["by an hour finds it due", { every: "30d" }, "2026-01-01T00:00Z", "2026-01-31T01:00Z", "due", { says: /^30 days old/ }],
    ["by a year finds it due, once", { every: "30d" }, "2026-01-01T00:00Z", "2027-02-01T00:00Z", "due", { says: /^396 days old, every 30d$/ }],
    ["counts the next interval from when it rotated", { every: "30d" }, "2027-02-01T00:00Z", "2027-02-01T00:00Z", "next 2027-03-03T00:00Z"],
    ["finds calendar months due", { every: "P1M" }, "2026-01-31T00:00Z", "2026-07-04T00:00Z", "due"],
    ["counts the next month from when it rotated", { every: "P1M" }, "2026-07-04T00:00Z", "2026-07-04T00:00Z", "next 2026-08-04T00:00Z"],
  ]);
});

describe("a clock that was set back", () => {
  const says =
    /v1 was issued at 2026-06-01T00:00:00Z, and it is .* by the clock of this machine: .* Nothing is rotated twice/;
  // prettier-ignore
  holdRows([
    ["by a second is no clock worth a word", { every: "30d" }, "2026-06-01T00:00Z", "2026-05-31T23:59:59Z", "next 2026-07-01T00:00Z"],
    ["by an hour rotates nothing twice", { every: "30d" }, "2026-06-01T00:00Z", "2026-05-31T23:00Z", "waits 2026-07-01T00:00Z", { says }],
    ["by years rotates nothing twice", { every: "30d" }, "2026-06-01T00:00Z", "2020-01-01T00:00Z", "waits 2026-07-01T00:00Z", { says }],
    ["to before a cron time rotates nothing twice", { cron: "0 3 1 * *" }, "2026-06-01T03:00Z", "2026-06-01T02:50Z", "waits 2026-07-01T03:00Z"],
    ["says nothing any more when the time has come again", { every: "30d" }, "2026-06-01T00:00Z", "2026-06-02T00:00Z", "next 2026-07-01T00:00Z"],
  ]);
});

describe("nothing", () => {
  // prettier-ignore
  holdRows([
    ["is due without a schedule", {}, "2026-01-01T00:00Z", "2036-01-01T00:00Z", "never"],
    ["is due where only what expires is", { renewBefore: "30d" }, "2026-01-01T00:00Z", "2036-01-01T00:00Z", "never"],
  ]);
});
