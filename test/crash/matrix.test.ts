import assert from "node:assert/strict";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { HOUR, SCENARIOS, type Scenario } from "./scenarios";
import { CrashSite } from "./site";

/** `lost`: the call is done, and its reply never comes. */
const MOMENTS = ["before", "after", "lost"] as const;
const MORE_RUNS = 3;
const PARALLEL = 2;

describe("a run that is stopped at any of its external calls", function () {
  this.timeout(25 * 60_000);
  let server: PostgresServer;
  const total = { points: 0, cells: 0, failures: 0 };
  before(async () => {
    server = await startPostgres({ settings: { max_connections: "200" } });
  });
  after(async () => {
    await server.stop();
    console.log(`crash points=${total.points} moments=${MOMENTS.length} failures=${total.failures}`);
  });

  for (const scenario of SCENARIOS)
    it(`settles within ${MORE_RUNS} more runs: ${scenario.name}`, async () => {
      const points = await callsOf(scenario);
      assert.ok(points.length > 0);
      const cells = points.flatMap((point, index) =>
        MOMENTS.map((moment) => ({ point, at: `${index + 1}:${moment}` })),
      );
      total.points += points.length;
      const failures: string[] = [];
      await inParallel(cells, async ({ point, at }) => {
        const found = await cell(scenario, at).catch((error: unknown) => [String((error as Error).stack)]);
        total.cells++;
        if (found.length > 0) failures.push(`${scenario.name}, ${point} (${at}): ${found.slice(0, 3).join("; ")}`);
      });
      total.failures += failures.length;
      assert.deepEqual(failures, [], `${failures.length} of ${cells.length} cells`);
    });

  /** The numbered calls of the run when nothing stops it. */
  async function callsOf(scenario: Scenario): Promise<string[]> {
    const site = await CrashSite.open(server);
    try {
      await scenario.prepare(site);
      const { points, error } = await site.stopped(scenario.run, "0:before");
      assert.equal(error !== undefined, scenario.failsAnyway ?? false, error);
      return points;
    } finally {
      await site.close();
    }
  }

  async function cell(scenario: Scenario, at: string): Promise<string[]> {
    const site = await CrashSite.open(server);
    try {
      await scenario.prepare(site);
      site.watch();
      await site.stopped(scenario.run, at);
      const gone = scenario.then.do === "destroy";
      // Consumers of what is torn down end with it.
      if (gone) site.endLoad();
      for (let run = 0; run < MORE_RUNS; run++) {
        await site.clean(scenario.then).catch((error: unknown) => {
          if (run > 0 || !scenario.nextMayFail) throw error;
        });
        site.advance(HOUR + 1000);
      }
      return await site.settled(gone);
    } finally {
      await site.close();
    }
  }
});

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}
