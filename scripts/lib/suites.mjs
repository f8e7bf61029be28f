// The suites of tests, and how one is run.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge } from "./counts.mjs";
import { ROOT, cacheFolder } from "./paths.mjs";
import { run } from "./processes.mjs";
import { inWords, say } from "./say.mjs";

const MINUTE = 60_000;

/**
 * In the order in which they run. `budgetMs`: a suite that takes longer is ended and has failed. `jobs`: so many of its
 * files run at a time. `onlyByName`: not part of `npm test`, because it takes too long beside the others.
 */
export const SUITES = {
  unit: { budgetMs: 3 * MINUTE, needsPulumi: false },
  adapters: { budgetMs: 8 * MINUTE, needsPulumi: false },
  random: { budgetMs: 8 * MINUTE, needsPulumi: false },
  engine: { budgetMs: 25 * MINUTE, needsPulumi: true, jobs: 2 },
  crash: { budgetMs: 40 * MINUTE, needsPulumi: false, onlyByName: true },
};

/**
 * @param {keyof typeof SUITES} name
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ name: string, counts: import("./counts.mjs").Counts, problem?: string, ms: number }>}
 */
export async function runSuite(name, env) {
  const started = Date.now();
  const folder = `test/${name}`;
  if (!existsSync(join(ROOT, folder))) {
    return { name, ...judge(undefined, 0), problem: `ran no test: there is no folder ${folder}`, ms: 0 };
  }
  const scratch = await mkdtemp(join(tmpdir(), "rotation-counts-"));
  try {
    const countsFile = join(scratch, "counts.json");
    const { budgetMs, jobs } = SUITES[name];
    const { code, timedOut } = await run(
      process.execPath,
      [
        join(ROOT, "node_modules/mocha/bin/mocha.js"),
        "--reporter",
        join(ROOT, "scripts/lib/mocha-reporter.cjs"),
        ...(jobs ? ["--parallel", "--jobs", String(jobs)] : []),
        `${folder}/**/*.test.ts`,
      ],
      {
        cwd: ROOT,
        // The tests start hundreds of Node processes that load the same; from Node 22 on they need not compile it again.
        env: { NODE_COMPILE_CACHE: join(cacheFolder(), "compile-cache"), ...env, TEST_COUNTS_FILE: countsFile },
        show: true,
        limitMs: budgetMs,
      },
    );
    const verdict = judge(readCounts(countsFile), code);
    if (timedOut) verdict.problem = `took longer than its budget of ${inWords(budgetMs)} and was ended`;
    if (verdict.problem) say(`The suite "${name}" ${verdict.problem}.`);
    return { name, ...verdict, ms: Date.now() - started };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // it never got as far as its first test
  }
}
