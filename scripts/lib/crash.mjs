// `npm run test:crash:full`: the whole crash matrix with the real CLI. Stopped and started again, it goes on.
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { prepare } from "./prepare.mjs";
import { run, stopAllOnSignal } from "./processes.mjs";
import { providePulumi, withPulumi } from "./pulumi.mjs";

/** @returns {Promise<number>} its exit code */
export async function runFullMatrix() {
  stopAllOnSignal();
  await prepare();
  const pulumi = await providePulumi({ live: true });
  const tsx = join(ROOT, "node_modules", ".bin", "tsx");
  const { code } = await run(tsx, ["test/crash/cli/full.ts"], { cwd: ROOT, env: withPulumi(pulumi), show: true });
  return code ?? 1;
}
