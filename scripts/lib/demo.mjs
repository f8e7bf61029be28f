// `npm run demo`: sets up what the quickstart's demo needs and hands the terminal to it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { prepare } from "./prepare.mjs";
import { Problem } from "./problem.mjs";
import { run, stopAllOnSignal } from "./processes.mjs";
import { providePulumi, withPulumi } from "./pulumi.mjs";

const DEMO = "examples/quickstart/demo.ts";

/** @param {string[]} args passed on to the demo @returns {Promise<number>} its exit code */
export async function runDemo(args) {
  if (!existsSync(join(ROOT, DEMO))) {
    throw new Problem(`${DEMO} is missing. It belongs to the repository: \`git checkout -- ${DEMO}\` brings it back.`);
  }
  stopAllOnSignal();
  await prepare();
  const pulumi = await providePulumi({ live: true });
  const tsx = join(ROOT, "node_modules", ".bin", "tsx");
  const { code } = await run(tsx, [DEMO, ...args], { cwd: ROOT, env: withPulumi(pulumi), foreground: true });
  return code ?? 1;
}
