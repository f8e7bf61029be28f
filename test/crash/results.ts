/** What became of each cell, kept outside the checkout: one line of JSON each, for one state of the library's source. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./compiled";
import type { Moment } from "./victim";

/** Who was stopped: the real handler, or with the real CLI the process of the provider or of the engine. */
export type Covered = "handler" | "provider" | "engine";

export interface Result {
  readonly scenario: string;
  /** The name of the row. */
  readonly name: string;
  readonly moment: Moment;
  readonly covered: Covered;
  /** What was not settled; empty: all was. */
  readonly wrong: readonly string[];
}

export class Results {
  private constructor(private readonly file: string) {}

  /** @param kind `handler` or `cli`: they are run by themselves. */
  static async open(kind: "handler" | "cli"): Promise<Results> {
    const { cacheFolder } = await import("../../scripts/lib/paths.mjs");
    const folder = join(cacheFolder(), "crash");
    mkdirSync(folder, { recursive: true });
    return new Results(join(folder, `${kind}-${treeOfProvider()}.jsonl`));
  }

  add(results: readonly Result[]): void {
    if (results.length > 0)
      appendFileSync(this.file, `${results.map((result) => JSON.stringify(result)).join("\n")}\n`);
  }

  /** Forgets what was there. */
  replace(results: readonly Result[]): void {
    writeFileSync(this.file, "");
    this.add(results);
  }

  /** The newest of each cell. */
  all(): Map<string, Result> {
    if (!existsSync(this.file)) return new Map();
    // A run that was killed may have left half a line.
    const lines = readFileSync(this.file, "utf8").split("\n").slice(0, -1);
    return new Map(lines.map((line) => JSON.parse(line) as Result).map((result) => [keyOf(result), result]));
  }
}

export function keyOf({ scenario, name, moment, covered }: Omit<Result, "wrong">): string {
  return [scenario, name, moment, covered].join("|");
}

/** One name for everything that is in `provider/`, committed or not. */
function treeOfProvider(): string {
  const hash = createHash("sha256");
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else hash.update(`${path}\0${readFileSync(join(ROOT, path), "utf8")}\0`);
    }
  };
  visit("provider");
  return hash.digest("hex").slice(0, 16);
}
