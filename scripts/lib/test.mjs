// `npm test [suite]`: sets up what the suites need, runs them, adds up.
import { writeFileSync } from "node:fs";
import { closingLine, lastLines, sum } from "./counts.mjs";
import { prepare } from "./prepare.mjs";
import { Problem } from "./problem.mjs";
import { stopAllOnSignal } from "./processes.mjs";
import { providePulumi, withPulumi } from "./pulumi.mjs";
import { inWords, say } from "./say.mjs";
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
  // A first run may have to build the Pulumi CLI for minutes: it goes on beside the suites that need none.
  const alone = names.every((name) => SUITES[name].needsPulumi);
  const pulumi = names.some((name) => SUITES[name].needsPulumi)
    ? providePulumi({ alone }).then(
        (found) => ({ found }),
        (error) => ({ error }),
      )
    : undefined;
  const results = [];
  for (const name of names) {
    let env = process.env;
    if (SUITES[name].needsPulumi) {
      const { found, error } = await pulumi;
      if (error) {
        results.push(failure(name, reasonOf(error)));
        continue;
      }
      env = withPulumi(found);
    }
    say(`\nSuite "${name}"`);
    results.push(await runSuite(name, env));
  }
  return results;
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
