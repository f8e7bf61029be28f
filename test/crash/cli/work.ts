/** Cells with the real CLI, worked off by some workers; each prepares a scenario once for all its cells. */
import type { PostgresServer } from "../../support/postgres";
import { stopAndSettle } from "../cells";
import type { Result } from "../results";
import type { Scenario } from "../scenarios";
import { CliSite } from "./cliSite";
import type { CliCell } from "./phases";

/** Some cells of one scenario. */
export interface Job {
  readonly scenario: Scenario;
  readonly cells: readonly CliCell[];
}

export async function work(server: PostgresServer, job: Job, done: (result: Result) => void): Promise<void> {
  const { scenario, cells } = job;
  const site = await CliSite.open(server);
  try {
    await scenario.prepare(site);
    await site.save();
    for (const { row, moment, column } of cells) {
      site.column = column;
      const wrong = await stopAndSettle(site, scenario, { ...row.at, moment });
      done({ scenario: scenario.name, name: row.name, moment, covered: column, wrong });
    }
  } finally {
    await site.close();
  }
}

/** Gives the jobs to `workers` that go on until none is left. */
export async function inParallel<T>(
  workers: number,
  jobs: readonly T[],
  doIt: (job: T) => Promise<void>,
): Promise<void> {
  const queue = [...jobs];
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) await doIt(job);
    }),
  );
}
