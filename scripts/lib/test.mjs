// `npm test [suite]`: sets up what the suites need, runs them, adds up.
import { writeFileSync } from "node:fs";
import { closingLine, lastLines, sum } from "./counts.mjs";
import { prepare } from "./prepare.mjs";
import { Problem } from "./problem.mjs";
import { stopAllOnSignal } from "./processes.mjs";
import { providePulumi, withPulumi } from "./pulumi.mjs";
import { inWords, say } from "./say.mjs";
import { preparationsFor, runInOrder, startAll } from "./schedule.mjs";
import { GO_LANE, SERVERS } from "./server-recipes.mjs";
import { linkServers, provideServer } from "./servers.mjs";
import { SUITES, runSuite } from "./suites.mjs";

/** @param {string[]} args the suite's name, or nothing for all */
export async function runTests(args) {
  const names = args.length === 0 ? Object.keys(SUITES).filter((name) => !SUITES[name].onlyByName) : args;
  const unknown = names.filter((name) => !Object.hasOwn(SUITES, name));
  if (unknown.length > 0) {
    const known = Object.keys(SUITES).join(", ");
    return finish([failure("setup", `There is no suite "${unknown.join('", "')}". The suites are: ${known}.`)]);
  }
  stopAllOnSignal();
  try {
    await prepare();
  } catch (error) {
    return finish([failure("setup", reasonOf(error))]);
  }
  return finish(await runAll(names));
}

async function runAll(names) {
  // A first run may have to build the Pulumi CLI and servers for many minutes: it goes on beside the suites.
  const started = startAll(
    preparationsFor(names, SUITES),
    (need) => (need === "pulumi" ? GO_LANE : SERVERS[need].lane),
    ({ need, ...manner }) => (need === "pulumi" ? providePulumi(manner) : provideServer(need, manner)),
  );
  return runInOrder(names, SUITES, started, {
    async run(name, { pulumi, ...servers }) {
      const env = { ...(pulumi ? withPulumi(pulumi) : process.env) };
      if (Object.keys(servers).length > 0) env.ROTATION_SERVERS = await linkServers(servers);
      say(`\nSuite "${name}"`);
      return runSuite(name, env);
    },
    // Several servers may lack the same.
    refuse: (name, errors) =>
      failure(name, `\nThe suite "${name}" could not start.\n${[...new Set(errors.map(reasonOf))].join("\n")}`),
  });
}

/** @returns {import("./counts.mjs").Counts & any} a suite that could not even start */
function failure(name, problem) {
  say(problem);
  return { name, counts: { passed: 0, failed: 1, skipped: 0 }, problem: "could not start", ms: 0 };
}

function reasonOf(error) {
  return error instanceof Problem ? error.message : (error.stack ?? String(error));
}

function finish(results) {
  // No comma in these lines: "N passed, N failed" is for the last one alone.
  const rows = results.map(({ name, counts, problem, ms }) => {
    const skipped = counts.skipped ? `  ${counts.skipped} skipped` : "";
    const note = problem ? `  (${problem})` : "";
    return `  ${name.padEnd(9)} ${counts.passed} passed  ${counts.failed} failed${skipped}  ${inWords(ms)}${note}`;
  });
  const total = sum(results.map((result) => result.counts));
  // .ci/run adds more to the counts and prints the closing line itself.
  const file = process.env.TEST_TOTALS_FILE;
  if (file) writeFileSync(file, `${total.passed} ${total.failed}\n`);
  const closing = file ? `Tests: ${total.passed} passed and ${total.failed} failed.` : closingLine(total);
  process.stdout.write(`\n${rows.join("\n")}\n\n${lastLines(results, closing).join("\n")}\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}
