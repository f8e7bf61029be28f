/** `rotation release`: what a rollout that is gone may have been using is used no more. */
import type { Command } from "commander";
import { describeMayUse, type Release } from "../provider/lifecycle/release";
import { release } from "../provider/rotation/release";
import { agree } from "./agree";
import { EXIT, EXIT_CODES_HELP } from "./failures";
import { OpenStack } from "./stack";

interface ReleaseOptions {
  readonly rollout?: string;
  readonly reason: string;
  readonly yes?: boolean;
}

export function addRelease(program: Command): void {
  program
    .command("release")
    .argument("<name>", "the secret's name")
    .summary("let go of what a rollout that is gone may still be using")
    .description(
      "Takes out of the ledger what rollouts left behind when they were deleted, or, named with --rollout, a rollout " +
        "of another stack that is gone without destroy. Only say it when nothing uses the versions any more: they may " +
        "be retired then. Audited.",
    )
    .option("--rollout <key or name>", "only this one; organization/project/stack::name where the name is not enough")
    .requiredOption("--reason <text>", "why, for the audit trail")
    .option("--yes", "do not ask")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((name: string, options: ReleaseOptions, command: Command) => run(name, options, command));
}

async function run(name: string, { rollout, reason, yes = false }: ReleaseOptions, command: Command): Promise<void> {
  await OpenStack.use(command, async (stack) => {
    const secret = stack.find(name);
    const { entry, owner } = secret;
    const parts = await stack.partsOf(secret);
    const order = {
      owner,
      entry,
      reason,
      inState: stack.state.rollouts,
      ...(rollout === undefined ? {} : { rollout }),
    };
    const released = await release(parts, order, (releases) =>
      agree(`${name}: to be released:`, releases.map(describe), yes),
    );
    process.stdout.write(released ? `${name}: released, and recorded.\n` : `${name}: nothing was changed.\n`);
    if (!released) process.exitCode = EXIT.refused;
  });
}

function describe({ key, what, record }: Release): string {
  const may = `may be using ${describeMayUse(record.mayUse)}`;
  return what === "residue"
    ? `what rollout ${key} left behind, which ${may}`
    : `rollout ${key}, registered, which ${may}`;
}
