/** Windows: their days, over midnight, several of them, and clocks that are moved. */
import { holdRows, type Row } from "./table";

/** A version that has been old enough for long. */
const OLD = "2020-01-01T00:00Z";
const every = { every: "30d" };
const sunday = { ...every, window: { days: ["sun"], from: "02:00", to: "04:00" } } as const;
const night = { ...every, window: { from: "23:00", to: "01:00" } } as const;
const saturdayNight = { ...every, window: { days: ["sat"], from: "23:00", to: "01:00" } } as const;
const two = {
  ...every,
  windows: [
    { days: ["tue"], from: "09:00", to: "10:00" },
    { days: ["sat", "sun"], from: "20:00", to: "22:00" },
  ],
} as const;
const inZone = (from: string, to: string, timeZone: string) => ({ ...every, window: { from, to, timeZone } });
const berlin = (from: string, to: string) => inZone(from, to, "Europe/Berlin");
const held = (rows: readonly (readonly [string, Row[1], string, string])[]) =>
  holdRows(rows.map(([title, schedule, now, outcome]) => [title, schedule, OLD, now, outcome]));

describe("a window", () => {
  // prettier-ignore
  held([
    ["opens to the second", sunday, "2026-11-22T02:00Z", "due"],
    ["is open until just before its end", sunday, "2026-11-22T03:59:59.999Z", "due"],
    ["is closed at its end", sunday, "2026-11-22T04:00Z", "waits 2026-11-29T02:00Z"],
    ["is closed just before it opens", sunday, "2026-11-22T01:59:59Z", "waits 2026-11-22T02:00Z"],
    ["is closed on other days", sunday, "2026-11-23T03:00Z", "waits 2026-11-29T02:00Z"],
    ["over midnight is open before it", night, "2026-11-22T23:30Z", "due"],
    ["over midnight is open after it", night, "2026-11-23T00:30Z", "due"],
    ["over midnight is closed at noon", night, "2026-11-23T12:00Z", "waits 2026-11-23T23:00Z"],
    ["over midnight belongs to the day on which it opened", saturdayNight, "2026-11-22T00:30Z", "due"],
    ["over midnight does not open early on that day", saturdayNight, "2026-11-21T00:30Z", "waits 2026-11-21T23:00Z"],
    ["over midnight is closed when it is over", saturdayNight, "2026-11-22T01:00Z", "waits 2026-11-28T23:00Z"],
    ["over midnight at the end of a month", night, "2026-03-01T00:59Z", "due"],
    ["over midnight at New Year", night, "2027-01-01T00:30Z", "due"],
    ["over midnight on a leap day", { ...every, window: { days: ["tue"], from: "22:00", to: "02:00" } }, "2028-02-29T12:00Z", "waits 2028-02-29T22:00Z"],
    ["over midnight from a leap day", { ...every, window: { days: ["tue"], from: "22:00", to: "02:00" } }, "2028-03-01T01:30Z", "due"],
    ["of 24 hours is open on its day", { ...every, window: { days: ["wed"], from: "06:00", to: "06:00" } }, "2026-11-26T05:59Z", "due"],
    ["of 24 hours is closed on the others", { ...every, window: { days: ["wed"], from: "06:00", to: "06:00" } }, "2026-11-26T06:00Z", "waits 2026-12-02T06:00Z"],
    ["of several is open: the first", two, "2026-11-24T09:30Z", "due"],
    ["of several is open: the second", two, "2026-11-28T21:00Z", "due"],
    ["of several opens next: the second", two, "2026-11-24T10:00Z", "waits 2026-11-28T20:00Z"],
    ["of several opens next: the second again", two, "2026-11-28T22:00Z", "waits 2026-11-29T20:00Z"],
    ["of several opens next: the first", two, "2026-11-29T22:00Z", "waits 2026-12-01T09:00Z"],
    ["in Tokyo is on Tokyo's day", { ...every, window: { days: ["mon"], from: "01:00", to: "02:00", timeZone: "Asia/Tokyo" } }, "2026-11-22T12:00Z", "waits 2026-11-22T16:00Z"],
    ["takes the zone of the schedule", { ...every, timeZone: "Asia/Tokyo", window: { days: ["mon"], from: "01:00", to: "02:00" } }, "2026-11-22T12:00Z", "waits 2026-11-22T16:00Z"],
    ["keeps its own zone", { ...every, timeZone: "Asia/Tokyo", window: { days: ["mon"], from: "01:00", to: "02:00", timeZone: "UTC" } }, "2026-11-22T12:00Z", "waits 2026-11-23T01:00Z"],
  ]);
  // prettier-ignore
  holdRows([
    ["says what it waits for", sunday, OLD, "2026-11-23T03:00Z", "waits 2026-11-29T02:00Z", { says: /^due by schedule \(every 30d\), and waits for its window \(sun 02:00-04:00 UTC\), until 2026-11-29T02:00:00Z$/ }],
    ["says before that when it will open", sunday, "2026-11-23T03:00Z", "2026-11-24T03:00Z", "next 2026-12-27T02:00Z", { says: /^every 30d; due 2026-12-23T03:00:00Z, then waits for its window \(sun/ }],
    ["says nothing of waiting where it will be open", sunday, "2026-10-23T03:00Z", "2026-10-24T03:00Z", "next 2026-11-22T03:00Z", { says: /^every 30d$/ }],
    ["holds a cron time back that is out of it", { cron: "0 12 1 * *", window: { from: "22:00", to: "23:00" } }, "2026-01-10T00:00Z", "2026-02-01T13:00Z", "waits 2026-02-01T22:00Z"],
    ["missed by a late run is waited for again", { cron: "0 12 1 * *", window: { from: "22:00", to: "23:00" } }, "2026-01-10T00:00Z", "2026-02-02T00:00Z", "waits 2026-02-02T22:00Z"],
  ]);
});

describe("a window, where clocks are moved", () => {
  // prettier-ignore
  held([
    ["that is left out in Berlin opens the next day", berlin("02:00", "03:00"), "2026-03-28T12:00Z", "waits 2026-03-30T02:00+02:00"],
    ["that is left out is closed just before", berlin("02:00", "03:00"), "2026-03-29T01:59:59+01:00", "waits 2026-03-30T02:00+02:00"],
    ["that is left out is closed at the change", berlin("02:00", "03:00"), "2026-03-29T03:00+02:00", "waits 2026-03-30T02:00+02:00"],
    ["of which the beginning is left out opens at the change", berlin("02:30", "04:00"), "2026-03-29T01:00+01:00", "waits 2026-03-29T03:00+02:00"],
    ["of which the end is left out closes at the change", berlin("01:00", "02:30"), "2026-03-29T03:00+02:00", "waits 2026-03-30T01:00+02:00"],
    ["of which the end is left out is open until then", berlin("01:00", "02:30"), "2026-03-29T01:59+01:00", "due"],
    ["around the change is open before it", berlin("01:00", "05:00"), "2026-03-29T01:30+01:00", "due"],
    ["around the change is open after it", berlin("01:00", "05:00"), "2026-03-29T03:30+02:00", "due"],
    ["that comes twice in Berlin opens", berlin("02:00", "03:00"), "2026-10-25T01:00+02:00", "waits 2026-10-25T02:00+02:00"],
    ["that comes twice stays open from the one into the other", berlin("02:00", "03:00"), "2026-10-25T02:00+01:00", "due"],
    ["that comes twice closes after the second", berlin("02:00", "03:00"), "2026-10-25T03:00+01:00", "waits 2026-10-26T02:00+01:00"],
    ["of half an hour opens a second time", berlin("02:00", "02:30"), "2026-10-25T02:45+02:00", "waits 2026-10-25T02:00+01:00"],
    ["of half an hour closes a second time", berlin("02:00", "02:30"), "2026-10-25T02:30+01:00", "waits 2026-10-26T02:00+01:00"],
    ["that is left out in New York opens the next day", inZone("02:15", "02:45", "America/New_York"), "2026-03-08T00:00-05:00", "waits 2026-03-09T02:15-04:00"],
    ["that comes twice in New York", inZone("01:00", "01:30", "America/New_York"), "2026-11-01T01:40-04:00", "waits 2026-11-01T01:00-05:00"],
    ["that is left out in Sydney, in October", inZone("02:00", "03:00", "Australia/Sydney"), "2026-10-04T00:00+10:00", "waits 2026-10-05T02:00+11:00"],
    ["that comes twice in Sydney, in April", inZone("02:00", "02:30", "Australia/Sydney"), "2026-04-05T02:40+11:00", "waits 2026-04-05T02:00+10:00"],
    ["on Lord Howe, by half an hour", inZone("02:00", "02:30", "Australia/Lord_Howe"), "2026-10-04T00:00+10:30", "waits 2026-10-05T02:00+11:00"],
    ["at a midnight that Havana leaves out", inZone("00:00", "00:30", "America/Havana"), "2026-03-07T12:00-05:00", "waits 2026-03-09T00:00-04:00"],
    ["over a midnight that Havana shows twice", inZone("23:30", "00:30", "America/Havana"), "2026-11-01T00:45-04:00", "waits 2026-11-01T00:00-05:00"],
  ]);
  // prettier-ignore
  holdRows([
    ["in St John's, where the clocks went back over midnight: the next day begins first", { every: "30d", window: { from: "00:00", to: "23:10", timeZone: "America/St_Johns" } }, "2010-01-01T00:00Z", "2010-11-06T23:30-02:30", "waits 2010-11-07T00:00-02:30"],
    ["in St John's, where the day before then comes again", { every: "30d", window: { from: "00:00", to: "23:10", timeZone: "America/St_Johns" } }, "2010-01-01T00:00Z", "2010-11-06T23:05-03:30", "due"],
    ["on a Friday that Samoa left out", { every: "30d", window: { days: ["fri"], from: "09:00", to: "10:00", timeZone: "Pacific/Apia" } }, "2011-01-01T00:00Z", "2011-12-27T00:00Z", "waits 2012-01-06T09:00+14:00"],
  ]);
});
