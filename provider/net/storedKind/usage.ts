/** Who uses a key that nobody issues: only a program of the user's can tell. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { RefusedTerm, RetirementTerms, UsageReport } from "../../contracts/kind";
import { ask, askOptions, type AskOptions } from "./ask";

/** The option `usage`. */
export const usageOption = askOptions("usage", '["orders-ctl", "key-usage"]', "30s");

/** How many names of an answer are taken, and how long each may be. */
const MOST_NAMES = 20;
const LONGEST_NAME = 200;

export async function askUsage(
  options: AskOptions | undefined,
  kind: string,
  ref: IssuedRef,
  context: AdapterContext,
): Promise<UsageReport> {
  if (!options)
    return { verdict: "unknown", uses: [], detail: "a use of it leaves no trace, and no usage.command asks" };
  const { line, end } = await ask(options, "usage", kind, ref, context, true);
  const used = line?.["used"];
  if (typeof used !== "number" || !(used >= 0))
    return { verdict: "unknown", uses: [], detail: line ? `${end}, and its answer has no "used"` : end };
  if (used === 0) return { verdict: "not-seen", uses: [] };
  const { by } = line as { by?: unknown };
  const names = (Array.isArray(by) ? by : []).filter((name): name is string => typeof name === "string");
  const uses = names.slice(0, MOST_NAMES).map((name) => ({ by: name.slice(0, LONGEST_NAME) }));
  return { verdict: "used", uses: uses.length > 0 ? uses : [{ by: `${used} uses, as ${options.command[0]} says` }] };
}

/** Evidence that cannot be had would hold every superseded version back for ever. */
export function refusesWithoutUsage(options: { readonly usage?: unknown }, terms: RetirementTerms): RefusedTerm[] {
  if (options.usage !== undefined || !terms.requireUnused) return [];
  return [
    {
      term: "requireUnused",
      reason:
        "true (the default) needs evidence, and a use of this kind leaves no trace, so no version would ever go. Give " +
        "kind.usage a command that can tell, or set it to false: a version then goes when its successor is confirmed " +
        "and the grace is over",
    },
  ];
}
