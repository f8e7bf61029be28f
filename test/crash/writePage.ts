/** Writes docs/crash-matrix.md from the results of this state of the source: `npm run docs:crash-matrix`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { ROOT } from "./compiled";
import { pageOf } from "./page";
import { Results } from "./results";
import { SCENARIOS } from "./scenarios";

async function main(): Promise<void> {
  const handler = (await Results.open("handler")).all();
  const cli = (await Results.open("cli")).all();
  if (handler.size === 0) throw new Error("There are no results for this state of provider/. Run: npm run test:crash");
  const rows = new Map([...handler.values()].map(({ scenario, name }) => [`${scenario}|${name}`, { scenario, name }]));
  const order = SCENARIOS.map((scenario) => scenario.name);
  const sorted = [...rows.values()]
    .filter((row) => order.includes(row.scenario))
    .sort((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario));
  const page = pageOf(sorted, new Map([...handler, ...cli]));
  const file = join(ROOT, "docs/crash-matrix.md");
  writeFileSync(file, await format(page, { parser: "markdown", printWidth: 120 }));
  const open = [...handler.values(), ...cli.values()].filter((result) => result.wrong.length > 0);
  console.log(
    `${rows.size} points, ${handler.size} results of the handler, ${cli.size} of the CLI, ${open.length} failed`,
  );
}

void main().catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
