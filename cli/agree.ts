/** Shows what would be done, and asks whether it should be. */
import { createInterface } from "node:readline/promises";
import { UsageError } from "./failures";

/** @throws UsageError where there is nobody to ask and no --yes; nothing was changed. */
export async function agree(heading: string, lines: readonly string[], yes: boolean): Promise<boolean> {
  process.stdout.write(`${heading}\n${lines.map((line) => `  - ${line}\n`).join("")}`);
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new UsageError("There is no terminal to ask in. Nothing was changed. To do what is listed above, add --yes.");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    // Ctrl-C and Ctrl-D close it and mean no; without this the question would stay open for ever.
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    const answer = await Promise.race([terminal.question("Do this? [y/N] "), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
