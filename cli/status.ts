/** `rotation status`: how the secrets of the stack are. It only reads: no lease, no commit. */
import type { Command } from "commander";
import { RotationError } from "../provider/lifecycle/errors";
import { assertNotOlder } from "../provider/rotation/secretVersion";
import { EXIT, EXIT_CODES_HELP } from "./failures";
import { OpenStack } from "./stack";
import type { OwnedSecret } from "./state";
import { statusOf, type SecretStatus } from "./statusReport";
import { statusText } from "./statusText";
import { readTrailOrSayWhyNot } from "./trail";
import type { SecretLink } from "../provider/inputs/rollout";

/** A secret that could not be looked at. */
interface Unreadable {
  readonly name: string;
  readonly error: string;
}

export function addStatus(program: Command): void {
  program
    .command("status")
    .argument("[name]", "the secret's name; every secret of the stack without it")
    .summary("show versions, what is due, who has yet to confirm, and what holds a retirement back")
    .description(
      "Shows each secret that the stack owns or its rollouts use: the active version, what is due, who has yet to " +
        "confirm, what else lives and why, and what is left behind. It only reads.",
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((name: string | undefined, options: { json?: boolean }, command: Command) => run(name, options, command));
}

async function run(name: string | undefined, { json }: { json?: boolean }, command: Command): Promise<void> {
  await OpenStack.use(command, async (stack) => {
    const owned = stack.state.owned.filter((secret) => name === undefined || secret.entry.name === name);
    const borrowed = stack.borrowed.filter((link) => name === undefined || link.name === name);
    if (name !== undefined && owned.length + borrowed.length === 0) throw stack.noSuch(name);
    const results: (SecretStatus | Unreadable)[] = [];
    for (const secret of owned) results.push(await attempt(secret.entry.name, () => ofOwned(stack, secret)));
    for (const link of borrowed) results.push(await attempt(link.name, () => ofBorrowed(stack, link)));
    process.stdout.write(json ? `${JSON.stringify(results, null, 2)}\n` : inText(results));
    if (results.some((result) => "error" in result)) process.exitCode = EXIT.refused;
  });
}

/** One secret that cannot be looked at does not hide the others. */
async function attempt(name: string, look: () => Promise<SecretStatus>): Promise<SecretStatus | Unreadable> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof RotationError) return { name, error: error.message };
    throw error;
  }
}

async function ofOwned(stack: OpenStack, secret: OwnedSecret): Promise<SecretStatus> {
  const parts = await stack.partsOf(secret);
  const trail = await readTrailOrSayWhyNot(parts.audit, () => stack.runtime.ledgerOf(secret.entry));
  if (!trail.ledger) return stack.noLedger(parts.secret, secret.entry.store);
  assertNotOlder(trail.ledger, secret.entry);
  return statusOf(parts, trail.ledger, trail, secret.inputs?.schedule);
}

async function ofBorrowed(stack: OpenStack, link: SecretLink): Promise<SecretStatus> {
  const parts = (await stack.runtime.partsOf(link, "")) ?? (await stack.noLedger(link.name, link.store));
  const trail = await readTrailOrSayWhyNot(parts.audit, () => stack.runtime.ledgerOf(link));
  if (!trail.ledger) return stack.noLedger(link.name, link.store);
  return statusOf(parts, trail.ledger, trail, undefined);
}

function inText(results: readonly (SecretStatus | Unreadable)[]): string {
  if (results.length === 0) return "This stack has no rotating secret.\n";
  return results
    .map((result) => ("error" in result ? `${result.name}\n  error      ${result.error}\n` : statusText(result)))
    .join("\n");
}
