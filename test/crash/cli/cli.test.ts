import assert from "node:assert/strict";
import { startPostgres, type PostgresServer } from "../../support/postgres";
import { CallNames } from "../calls";
import { takeCensus } from "../census";
import { MORE_RUNS, Stage } from "../cells";
import { Compiled } from "../compiled";
import { Results, type Result } from "../results";
import { MAIN } from "../scenarios";
import { Victims } from "../victims";
import { oneForEachPhase } from "./phases";
import { inParallel, work, type Job } from "./work";

const PARALLEL = 2;

describe("a real pulumi up whose provider or CLI is killed, once in each phase", function () {
  this.timeout(20 * 60_000);
  let server: PostgresServer;
  const results: Result[] = [];
  /** What each scenario's work ended with. */
  const ends = new Map<string, Promise<void>>();

  before(async () => {
    server = await startPostgres({ settings: { max_connections: "200" } });
    const jobs = await chooseJobs();
    // Two at a time, in the order of the tests, which only wait for them.
    const told = new Map(jobs.map((job) => [job.scenario.name, signal()]));
    for (const [name, { end }] of told) ends.set(name, end);
    void inParallel(PARALLEL, jobs, async (job) => {
      const { resolve, reject } = told.get(job.scenario.name) as Signal;
      await work(server, job, (result) => results.push(result)).then(resolve, reject);
    });
  });
  after(async () => {
    await Promise.allSettled(ends.values());
    (await Results.open("cli")).add(results);
    await server.stop();
  });

  /** The handler tells which calls there are: they are the same. */
  async function chooseJobs(): Promise<Job[]> {
    const compiled = new Compiled();
    const victims = new Victims(compiled, 1);
    const names = new CallNames(takeCensus());
    const jobs: Job[] = [];
    try {
      let chosen = 0;
      for (const scenario of MAIN) {
        const stage = await Stage.open(scenario, server, victims, 1);
        const cells = oneForEachPhase(await stage.calls(names).finally(() => stage.close()), chosen);
        chosen += cells.length;
        jobs.push({ scenario, cells });
      }
    } finally {
      await victims.close();
      compiled.remove();
    }
    return jobs;
  }

  for (const { name } of MAIN)
    it(`settles within ${MORE_RUNS} more runs: ${name}`, async () => {
      await ends.get(name);
      const mine = results.filter((result) => result.scenario === name);
      assert.ok(mine.length > 0);
      const failed = mine.filter(({ wrong }) => wrong.length > 0);
      assert.deepEqual(failed, [], `${failed.length} of ${mine.length} cells`);
    });
});

interface Signal {
  readonly end: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function signal(): Signal {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const end = new Promise<void>((done, failed) => ((resolve = done), (reject = failed)));
  end.catch(() => undefined);
  return { end, resolve, reject };
}
