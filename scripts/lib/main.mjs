// Reads the command line and runs the one command that it names.
import { runFullMatrix } from "./crash.mjs";
import { Problem } from "./problem.mjs";
import { printServers } from "./print-servers.mjs";
import { runDemo } from "./demo.mjs";
import { runTests } from "./test.mjs";
import { SUITES } from "./suites.mjs";
import { say } from "./say.mjs";

const USAGE = `Usage: npm test [${Object.keys(SUITES).join(" | ")}]   or   npm run demo   or   npm run servers`;

/**
 * @param {string[]} args what follows `node scripts/run.mjs`
 * @returns {Promise<number>} the exit code
 */
export async function main([command, ...rest]) {
  if (command === "test") return runTests(rest);
  if (command === "demo") return started("The demo", () => runDemo(rest));
  if (command === "crash-matrix") return started("The matrix", () => runFullMatrix());
  if (command === "servers") return started("The servers", () => printServers());
  say(`Unknown command "${command ?? ""}". ${USAGE}`);
  return 2;
}

/** @param {string} what @param {() => Promise<number>} work */
async function started(what, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(`${what} could not start. ${error.message}`);
    return 1;
  }
}
