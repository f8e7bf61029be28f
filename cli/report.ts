/** `rotation report`: what became of the events that asked for new versions. It only reads. */
import type { Command } from "commander";
import { RotationError } from "../provider/lifecycle/errors";
import { describeReport, reportOf, type IncidentReport } from "../provider/triggers/incidents";
import { EXIT, EXIT_CODES_HELP } from "./failures";
import { OpenStack } from "./stack";

interface SecretReport {
  readonly secret: string;
  readonly events: readonly IncidentReport[];
}

interface Unreadable {
  readonly secret: string;
  readonly error: string;
}

export function addReport(program: Command): void {
  program
    .command("report")
    .argument("[event]", "the event's id; every event without it")
    .summary("show what an event such as a suspected compromise matched, what is done and what is not")
    .description(
      "Goes through every secret of the stack and shows for each event which versions it matched, which of them are " +
        "gone and proven dead, which are not and why, and who has yet to confirm the version that answers it. Exits " +
        "with 1 while anything is not done. It only reads.",
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((event: string | undefined, options: { json?: boolean }, command: Command) => run(event, options, command));
}

async function run(event: string | undefined, { json }: { json?: boolean }, command: Command): Promise<void> {
  await OpenStack.use(command, async (stack) => {
    const reports: (SecretReport | Unreadable)[] = [];
    for (const { entry } of stack.state.owned) reports.push(await reportOfSecret(stack, entry, event));
    process.stdout.write(json ? `${JSON.stringify(reports, null, 2)}\n` : inText(reports, event));
    if (reports.some((report) => "error" in report || report.events.some(({ done }) => !done)))
      process.exitCode = EXIT.refused;
  });
}

async function reportOfSecret(
  stack: OpenStack,
  entry: { readonly name: string; readonly store: OpenStack["state"]["owned"][number]["entry"]["store"] },
  event: string | undefined,
): Promise<SecretReport | Unreadable> {
  try {
    const ledger = (await stack.runtime.ledgerOf(entry)) ?? (await stack.noLedger(entry.name, entry.store));
    const incidents = ledger.incidents.filter((incident) => event === undefined || incident.id === event);
    return { secret: entry.name, events: incidents.map((incident) => reportOf(ledger, incident)) };
  } catch (error) {
    if (error instanceof RotationError) return { secret: entry.name, error: error.message };
    throw error;
  }
}

function inText(reports: readonly (SecretReport | Unreadable)[], event: string | undefined): string {
  const which = event === undefined ? "any event" : `event ${event}`;
  return reports
    .map((report) => {
      if ("error" in report) return `${report.secret}: cannot be looked at: ${report.error}\n`;
      if (report.events.length === 0) return `${report.secret}: not matched by ${which}\n`;
      return report.events.map((one) => `${report.secret}: ${describeReport(one)}\n`).join("");
    })
    .join("");
}
