/** `rotation audit verify`: whether the audit trail is whole, held against the ledgers. */
import type { Command } from "commander";
import { verifyChain, type AuditFinding } from "../provider/audit/verify";
import { EXIT, EXIT_CODES_HELP } from "./failures";
import { OpenStack } from "./stack";
import { readTrail } from "./trail";

interface Verification {
  readonly name: string;
  readonly trail: string;
  readonly events: number;
  /** Events that only the ledger has so far. */
  readonly unwritten: number;
  readonly findings: readonly AuditFinding[];
}

export function addAudit(program: Command): void {
  const audit = program.command("audit").description("The audit trail");
  audit
    .command("verify")
    .argument("[name]", "the secret's name; every secret of the stack without it")
    .description("Checks that the audit trail is whole: nothing changed, removed, moved or cut off.")
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((name: string | undefined, options: { json?: boolean }, command: Command) => run(name, options, command));
}

async function run(name: string | undefined, { json }: { json?: boolean }, command: Command): Promise<void> {
  await OpenStack.use(command, async (stack) => {
    const secrets = name === undefined ? stack.state.owned : [stack.find(name)];
    const results: Verification[] = [];
    for (const secret of secrets) {
      const { audit } = await stack.partsOf(secret);
      const read = await readTrail(audit, () => stack.runtime.ledgerOf(secret.entry));
      results.push({ name: secret.entry.name, trail: audit.location, ...verify(read) });
    }
    process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : results.map(describe).join(""));
    if (results.some(({ findings }) => findings.length > 0)) process.exitCode = EXIT.refused;
  });
}

type Checked = Pick<Verification, "events" | "unwritten" | "findings">;

function verify({ ledger, events, unwritten }: Awaited<ReturnType<typeof readTrail>>): Checked {
  if (!ledger) {
    const message =
      "There is no ledger to hold the trail against: the store was removed, or restored from before the secret was made.";
    return { events: 0, unwritten: 0, findings: [{ problem: "foreign", message }] };
  }
  const findings = verifyChain([...events, ...unwritten], { identity: ledger.identity, expectedHead: ledger.audit });
  return { events: events.length, unwritten: unwritten.length, findings };
}

function describe({ name, trail, events, unwritten, findings }: Verification): string {
  const waiting = unwritten > 0 ? `, and ${unwritten} that the next run writes` : "";
  const verdict = findings.length === 0 ? "whole" : `${findings.length} findings`;
  const lines = findings.map((finding) => `  ${finding.problem}: ${finding.message}\n`);
  return `${name}: ${verdict}; ${events} events in ${trail}${waiting}\n${lines.join("")}`;
}
