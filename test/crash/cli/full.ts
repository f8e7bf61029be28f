/**
 * The whole matrix with the real CLI: `npm run test:crash:full`. It may be stopped and goes on where it was; results are
 * kept for one state of the library's source.
 *
 * CRASH_ONLY: the name of one scenario. CRASH_EVERY: only each so-manieth cell.
 */
import { startPostgres } from "../../support/postgres";
import { CallNames } from "../calls";
import { takeCensus } from "../census";
import { MOMENTS, Stage, type Row } from "../cells";
import { Compiled } from "../compiled";
import { keyOf, Results } from "../results";
import { MAIN } from "../scenarios";
import { Victims } from "../victims";
import { COLUMNS, everyCell, type CliCell } from "./phases";
import { inParallel, work, type Job } from "./work";

const PARALLEL = 2;
/** So many cells of a scenario are prepared together. */
const TOGETHER = 24;

async function main(): Promise<void> {
  const only = process.env["CRASH_ONLY"];
  const every = Number(process.env["CRASH_EVERY"] ?? 1);
  const results = await Results.open("cli");
  const known = results.all();
  const isOpen = ({ row, moment, column }: CliCell) => !isSettled(row, moment, column);
  const isSettled = ({ scenario, name }: Row, moment: CliCell["moment"], covered: CliCell["column"]) =>
    known.get(keyOf({ scenario, name, moment, covered }))?.wrong.length === 0;
  const server = await startPostgres({ settings: { max_connections: "200" } });
  const jobs: Job[] = [];
  let points = 0;
  const compiled = new Compiled();
  const victims = new Victims(compiled, 1);
  const names = new CallNames(takeCensus());
  for (const scenario of MAIN.filter(({ name }) => only === undefined || name === only)) {
    const stage = await Stage.open(scenario, server, victims, 1);
    const rows = await stage.calls(names).finally(() => stage.close());
    points += rows.length;
    const cells = everyCell(rows).filter((cell, index) => index % every === 0 && isOpen(cell));
    for (let at = 0; at < cells.length; at += TOGETHER) jobs.push({ scenario, cells: cells.slice(at, at + TOGETHER) });
  }
  await victims.close();
  compiled.remove();

  const todo = jobs.reduce((sum, job) => sum + job.cells.length, 0);
  console.log(`${todo} cells to do of ${points} points, ${MOMENTS.length} moments, ${COLUMNS.length} columns`);
  const started = Date.now();
  let done = 0;
  let failures = 0;
  await inParallel(PARALLEL, jobs, (job) =>
    work(server, job, (result) => {
      results.add([result]);
      done++;
      if (result.wrong.length > 0) failures++;
      const left = ((Date.now() - started) / done) * (todo - done);
      const said = result.wrong.length === 0 ? "settled" : `FAILED: ${result.wrong.slice(0, 3).join("; ")}`;
      console.log(
        `${done}/${todo}, ${Math.ceil(left / 60_000)} min left: ${result.scenario}, ${result.name}, ${result.moment}, ${result.covered}: ${said}`,
      );
    }),
  );
  await server.stop();
  console.log(`crash points=${points} moments=${MOMENTS.length} columns=${COLUMNS.length} failures=${failures}`);
  if (failures > 0) process.exitCode = 1;
}

void main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
