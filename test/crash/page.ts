/** docs/crash-matrix.md, from results; and which points the page lists. */
import { MOMENTS } from "./cells";
import { keyOf, type Covered, type Result } from "./results";
import { SCENARIOS } from "./scenarios";

/** A row of the page. */
export interface Listed {
  readonly scenario: string;
  readonly name: string;
}

const LETTERS: Readonly<Record<Covered, string>> = { handler: "H", provider: "P", engine: "E" };

const INTRO = `# Crash matrix

A run of \`pulumi up\` may be killed at any moment, and a reply may get lost on its way. So the tests stop a run at each of its external calls, and then let it run again. This page lists every such point, and what came of it. It is written from the results of the tests (\`npm run docs:crash-matrix\`), and a test holds it against the points that were counted.

How to read it:

- A **row** is one call on the issuer, a store, the ledger (which lives in a store), the audit trail or a consumer: the place in the source that asks for it, what it tells of in the trail, and the call itself. A number in brackets tells the second such call from the first.
- **before**: the process gets SIGKILL just before the call. **after**: just after it. **reply lost**: the call is done, the run is told that nobody answered, and goes on with that error.
- **H**: the real provider code in a process of its own, with a real PostgreSQL and the file store. **P**: the real Pulumi CLI, the process of the provider stopped. **E**: the real Pulumi CLI, the CLI itself killed there, then \`pulumi cancel\`. The letter means that all was settled afterwards; **!** in its place means that it was not.

**Settled** means, after at most three more runs with an hour between them and nothing else done by hand: an application under load has seen no failure at any moment; never more than two versions were live; one role is left at the server, and it can log in; the store, and each replica, holds that version alone and calls it current; what the program left is empty; the version is confirmed; the Pulumi state names version, incarnation and epoch of the ledger, with nothing left to delete; the lease is given back; the audit trail is complete and its chain is whole. After a destroy, nothing is left but the tombstone and the trail.
`;

export function pageOf(rows: readonly Listed[], results: ReadonlyMap<string, Result>): string {
  const sections = [...new Set(rows.map((row) => row.scenario))].map((scenario) => {
    const mine = rows.filter((row) => row.scenario === scenario);
    const lines = mine.map(
      (row) => `| ${[`\`${row.name}\``, ...MOMENTS.map((moment) => cellOf(row, moment, results))].join(" | ")} |`,
    );
    return `## ${scenario[0]?.toUpperCase()}${scenario.slice(1)}\n\n${notesOn(scenario)}| call | before | after | reply lost |\n| --- | --- | --- | --- |\n${lines.join("\n")}\n`;
  });
  return [INTRO, ...sections].join("\n");
}

/** What is not as the page's beginning says. */
function notesOn(name: string): string {
  const { endsApp = false, extraRuns = 0 } = SCENARIOS.find((scenario) => scenario.name === name) ?? {};
  const notes = [
    ...(extraRuns > 0
      ? [
          `Settled after up to ${3 + extraRuns} more runs, commands included: it takes as many where nothing is stopped.`,
        ]
      : []),
    ...(endsApp ? ["The application is not watched: its credential ends here, whatever is stopped."] : []),
  ];
  return notes.length > 0 ? `${notes.join(" ")}\n\n` : "";
}

function cellOf(row: Listed, moment: (typeof MOMENTS)[number], results: ReadonlyMap<string, Result>): string {
  const seen = (["handler", "provider", "engine"] as const).flatMap((covered) => {
    const result = results.get(keyOf({ ...row, moment, covered }));
    if (!result) return [];
    return [result.wrong.length === 0 ? LETTERS[covered] : `${LETTERS[covered]}!`];
  });
  return seen.join(" ") || "-";
}

/** The rows of a page, and their cells. */
export function listedIn(page: string): (Listed & { readonly cells: readonly string[] })[] {
  let scenario = "";
  return page.split("\n").flatMap((line) => {
    const heading = /^## (.*)$/.exec(line)?.[1];
    if (heading) scenario = `${heading[0]?.toLowerCase()}${heading.slice(1)}`;
    const [, name, rest] = /^\| `([^`]+)` *\|(.*)\|$/.exec(line) ?? [];
    return name === undefined || rest === undefined
      ? []
      : [{ scenario, name, cells: rest.split("|").map((cell) => cell.trim()) }];
  });
}
