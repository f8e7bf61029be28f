import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { CallNames } from "./calls";
import { takeCensus, type Census } from "./census";
import { MOMENTS, MORE_RUNS, Stage, stopAndSettle, type Row } from "./cells";
import { Compiled, ROOT } from "./compiled";
import { listedIn } from "./page";
import { Results, type Result } from "./results";
import { SCENARIOS, type Scenario } from "./scenarios";
import type { Moment } from "./victim";
import { Victims } from "./victims";

const PARALLEL = 3;
/** To look for a fault: only each so-manieth cell. The tests that count then fail. */
const EVERY = Number(process.env["CRASH_EVERY"] ?? 1);

describe("a run that is stopped at any of its external calls", function () {
  this.timeout(25 * 60_000);
  let server: PostgresServer;
  let compiled: Compiled;
  let victims: Victims;
  let census: Census;
  let names: CallNames;
  const rows: Row[] = [];
  const results: Result[] = [];
  /** The call sites that were stopped, at each moment. */
  const stopped: Record<Moment, Set<string>> = { before: new Set(), after: new Set(), lost: new Set() };

  before(async () => {
    compiled = new Compiled();
    victims = new Victims(compiled, 2);
    census = takeCensus();
    names = new CallNames(census);
    server = await startPostgres({ settings: { max_connections: "200" } });
  });
  after(async () => {
    await victims.close();
    await server.stop();
    compiled.remove();
    const kept = await Results.open("handler");
    const whole = SCENARIOS.every(({ name }) => results.some((result) => result.scenario === name));
    if (whole) kept.replace(results);
    else kept.add(results);
    const failures = results.filter((result) => result.wrong.length > 0).length;
    const summary = `crash points=${rows.length} moments=${MOMENTS.length}`;
    // The whole suite ends with it; its failed tests are counted there.
    const file = process.env["TEST_SUMMARY_FILE"];
    if (file) writeFileSync(file, JSON.stringify({ summary, failures }));
    else console.log(`${summary} failures=${failures}`);
  });

  for (const scenario of SCENARIOS)
    it(`settles within ${MORE_RUNS} more runs: ${scenario.name}`, async () => {
      const stage = await Stage.open(scenario, server, victims, PARALLEL);
      try {
        const mine = chosen(scenario, await stage.calls(names));
        assert.ok(mine.length > 0, "its run comes to no call that is stopped: the scenario shows nothing");
        rows.push(...mine);
        const all = mine.flatMap((row) => MOMENTS.map((moment) => ({ row, moment, wrong: [] as string[] })));
        const cells = all.filter((_, index) => index % EVERY === 0);
        await stage.each(cells, async (site, cell) => {
          const { row, moment } = cell;
          cell.wrong = await stopAndSettle(site, scenario, { ...row.at, moment });
          if (cell.wrong.length === 0) row.point.sites.forEach((name) => stopped[moment].add(name));
          else console.log(`      ${tell(row, moment, cell.wrong)}`);
        });
        results.push(
          ...cells.map(({ row, ...cell }) => ({
            ...cell,
            scenario: scenario.name,
            name: row.name,
            covered: "handler" as const,
          })),
        );
        const failed = cells.filter(({ wrong }) => wrong.length > 0);
        const told = failed.map(({ row, moment, wrong }) => tell(row, moment, wrong));
        assert.deepEqual(told, [], `${failed.length} of ${cells.length} cells`);
      } finally {
        await stage.close();
      }
    });

  /** Which of the calls of a run are stopped. */
  function chosen({ stopAt }: Scenario, calls: readonly Row[]): Row[] {
    const known = new Set(rows.flatMap((row) => row.point.sites));
    const isNew = ({ at, point }: Row) => at.nth === 1 && point.sites.some((site) => !known.has(site));
    switch (stopAt) {
      case "every call":
        return [...calls];
      case "every third call":
        return calls.filter((row, index) => index % 3 === 1 || isNew(row));
      case "new calls":
        return calls.filter(isNew);
    }
  }

  it("is stopped at every place in the library that causes a side effect, at each moment", () => {
    assert.deepEqual(census.problems, []);
    const missing = MOMENTS.flatMap((moment) =>
      census.sites.filter((site) => !stopped[moment].has(site.name)).map((site) => `${moment}: ${site.name}`),
    );
    assert.deepEqual(missing, []);
  });

  it("is stopped at the points that docs/crash-matrix.md lists, and at no other", () => {
    const listed = listedIn(readFileSync(join(ROOT, "docs/crash-matrix.md"), "utf8"));
    const titles = (all: readonly { scenario: string; name: string }[]) =>
      all.map((row) => `${row.scenario}: ${row.name}`);
    assert.deepEqual(titles(listed), titles(rows), "write the page anew: npm run docs:crash-matrix");
    const open = listed.filter(({ cells }) => cells.some((cell) => !/^H/.test(cell) || cell.includes("!")));
    assert.deepEqual(titles(open), [], "the page has cells that were not run, or did not settle");
  });
});

function tell(row: Row, moment: Moment, wrong: readonly string[]): string {
  return `${row.name}, ${moment}: ${wrong.slice(0, 3).join("; ")}`;
}
