// The suites of tests, and how one is run.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge, sum, summaryLine } from "./counts.mjs";
import { ROOT, cacheFolder } from "./paths.mjs";
import { run } from "./processes.mjs";
import { inWords, say } from "./say.mjs";

const MINUTE = 60_000;

/**
 * In the order in which they run. `budgetMs`: a suite that takes longer is ended and has failed. `jobs`: so many of its
 * files run at a time. `onlyByName`: not part of `npm test` by itself. `folders`: what it runs, by default the folder of
 * its name; each in a process of its own, at the same time. `env`: variables that are set for it where the user has not.
 * `needsServers`: names of scripts/lib/server-recipes.mjs; its tests find them in the folder ROTATION_SERVERS.
 */
export const SUITES = {
  unit: { budgetMs: 3 * MINUTE, needsPulumi: false },
  triggers: { budgetMs: 5 * MINUTE, needsPulumi: false },
  adapters: { budgetMs: 8 * MINUTE, needsPulumi: false },
  rules: { budgetMs: 6 * MINUTE, needsPulumi: false },
  faults: { budgetMs: 10 * MINUTE, needsPulumi: true },
  engine: { budgetMs: 25 * MINUTE, needsPulumi: true, jobs: 2 },
  // The last ones: a first run builds their servers beside all the others.
  stores: {
    budgetMs: 20 * MINUTE,
    needsPulumi: false,
    needsServers: ["vault", "etcd", "kube-apiserver", "moto"],
    jobs: 2,
  },
  kinds: { budgetMs: 8 * MINUTE, needsPulumi: false, needsServers: ["vault", "moto"], jobs: 2 },
  consumers: {
    budgetMs: 20 * MINUTE,
    needsPulumi: true,
    needsServers: [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kwok",
      "kubelet",
      "containers",
      "prometheus",
    ],
    jobs: 2,
  },
  // The model takes one core for as long as the matrix takes the other. Always the same sequences, so that what fails was
  // broken by a change; the suite "random" looks at others.
  crash: {
    budgetMs: 25 * MINUTE,
    needsPulumi: true,
    folders: ["crash", "random"],
    env: { ROTATION_RANDOM_RUNS: "20000", ROTATION_RANDOM_SEED: "7" },
  },
  random: {
    budgetMs: 15 * MINUTE,
    needsPulumi: false,
    env: { ROTATION_RANDOM_RUNS: "20000" },
    onlyByName: true,
  },
};

/**
 * @param {keyof typeof SUITES} name
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ name: string, counts: import("./counts.mjs").Counts, problem?: string, ms: number,
 *   summary?: string }>} `summary`: a line of its own that the suite ends with
 */
export async function runSuite(name, env) {
  const started = Date.now();
  const { folders = [name] } = SUITES[name];
  const parts = await Promise.all(
    folders.map((folder, index) => runFolder(`test/${folder}`, env, SUITES[name], index > 0)),
  );
  const counts = sum(parts.map((part) => part.counts));
  const problems = parts.flatMap((part) => part.problem ?? []);
  for (const problem of problems) say(`The suite "${name}" ${problem}.`);
  const told = parts.find((part) => part.summary)?.summary;
  return {
    name,
    counts,
    ...(problems.length > 0 ? { problem: problems.join("; ") } : {}),
    summary: summaryLine(told, counts),
    ms: Date.now() - started,
  };
}

/** @param {boolean} later its output comes in one piece when it is done, so that it does not mix with another's */
async function runFolder(folder, env, { budgetMs, jobs, env: defaults = {} }, later) {
  if (!existsSync(join(ROOT, folder))) {
    return { ...judge(undefined, 0), problem: `ran no test: there is no folder ${folder}` };
  }
  const scratch = await mkdtemp(join(tmpdir(), "rotation-counts-"));
  try {
    const countsFile = join(scratch, "counts.json");
    const summaryFile = join(scratch, "summary.json");
    const { code, timedOut, output } = await run(
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
        env: {
          // The tests start hundreds of Node processes that load the same; from Node 22 on they need not compile it again.
          NODE_COMPILE_CACHE: join(cacheFolder(), "compile-cache"),
          ...defaults,
          ...env,
          TEST_COUNTS_FILE: countsFile,
          TEST_SUMMARY_FILE: summaryFile,
        },
        show: !later,
        limitMs: budgetMs,
      },
    );
    if (later) process.stdout.write(output);
    const verdict = judge(readJson(countsFile), code);
    if (timedOut) verdict.problem = `took longer than its budget of ${inWords(budgetMs)} and was ended`;
    return { ...verdict, summary: readJson(summaryFile) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // it never got that far
  }
}
