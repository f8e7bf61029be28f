/** `rotation adopt`: takes the world as it is into the ledger, or hands the secret over to this stack. */
import type { Command } from "commander";
import { describeAdoption } from "../provider/lifecycle/adoption";
import { adapterOptions, type AdapterOptions } from "../provider/inputs/common";
import { adopt, type AdoptionOrder } from "../provider/rotation/adopt";
import { randomId } from "../provider/rotation/fingerprint";
import type { Parts } from "../provider/rotation/session";
import { StateError } from "../provider/lifecycle/errors";
import { agree } from "./agree";
import { EXIT, EXIT_CODES_HELP, UsageError } from "./failures";
import { OpenStack, type StackOptions } from "./stack";

interface AdoptOptions {
  readonly reason: string;
  readonly yes?: boolean;
  readonly store?: string;
  readonly kind?: string;
}

type Situation = Omit<AdoptionOrder, "reason"> & { readonly parts: Parts };

export function addAdopt(program: Command): void {
  program
    .command("adopt")
    .argument("<name>", "the secret's name in the program")
    .summary("take the world as it is into the ledger, or the secret over from another stack")
    .description(
      "For a ledger that was restored from a backup, for live versions that it does not know, and for a secret that " +
        "another stack owns. Shows what it would record and asks. Touches no credential: what has to be revoked is " +
        "revoked by the next runs, after everybody has confirmed again. Audited.",
    )
    .requiredOption("--reason <text>", "why, for the audit trail")
    .option("--yes", "do not ask")
    .option(
      "--store <json>",
      "the store as in the program, where this stack has no entry of the secret yet; needs --stack organization/project/stack",
    )
    .option("--kind <json>", "with --store: the credential kind as in the program, if it is not to be the ledger's")
    .addHelpText("after", EXIT_CODES_HELP)
    .action((name: string, options: AdoptOptions, command: Command) => run(name, options, command));
}

async function run(name: string, options: AdoptOptions, command: Command): Promise<void> {
  await OpenStack.use(command, async (stack) => {
    const { parts, ...situation } =
      options.store === undefined
        ? await fromEntry(stack, name, options)
        : await withoutEntry(stack, name, options, command.optsWithGlobals<StackOptions>().stack);
    const order: AdoptionOrder = { ...situation, reason: options.reason };
    const { outcome, warnings } = await adopt(parts, order, (ledger, plan) =>
      agree(`${name}: to be adopted:`, describeAdoption(ledger, plan), options.yes ?? false),
    );
    const said = {
      adopted: "adopted, and recorded. Now run: pulumi up",
      nothing: "the ledger fits the world, nothing has to be adopted.",
      declined: "nothing was changed.",
    };
    process.stdout.write(`${name}: ${said[outcome]}\n`);
    for (const warning of warnings) process.stdout.write(`${name}: ${warning}\n`);
    if (outcome === "declined" || warnings.length > 0) process.exitCode = EXIT.refused;
  });
}

async function fromEntry(stack: OpenStack, name: string, { kind }: AdoptOptions): Promise<Situation> {
  if (kind !== undefined) throw new UsageError("--kind is only for a secret that is named with --store.");
  if (!stack.state.owned.some((secret) => secret.entry.name === name))
    throw new StateError(
      `${stack.noSuch(name).message} To take over a secret that another stack owns, name its store and this stack: ` +
        `rotation adopt ${name} --stack ORGANIZATION/PROJECT/STACK --store JSON`,
    );
  const secret = stack.find(name);
  const { entry, owner } = secret;
  return { parts: await stack.partsOf(secret), entry, identity: entry.identity, owner };
}

/** The stack declares the secret and has no entry of it yet: `check()` refused, as another stack owns it. */
async function withoutEntry(
  stack: OpenStack,
  name: string,
  options: AdoptOptions,
  stackName: string | undefined,
): Promise<Situation> {
  if (stack.state.owned.some((secret) => secret.entry.name === name))
    throw new UsageError(`This stack has an entry of ${name}, which says where the store is: leave out --store.`);
  if (stackName === undefined || !/^[^/]+\/[^/]+\/[^/]+$/.test(stackName))
    throw new UsageError(
      `With --store, say which stack is to own the secret: --stack ORGANIZATION/PROJECT/STACK (with a backend of your ` +
        `own the organization is "organization").`,
    );
  const store = descriptor("--store", options.store ?? "");
  const ledger = await stack.runtime.ledgerOf({ store });
  if (!ledger) return stack.noLedger(name, store);
  const declared =
    options.kind === undefined ? ledger.declared : { ...ledger.declared, kind: descriptor("--kind", options.kind) };
  // An entry that the first run makes takes the owner's id from the ledger.
  const owner = ledger.owner.stack === stackName ? ledger.owner : { id: randomId(), stack: stackName };
  return {
    parts: await stack.runtime.parts({ name, store, ...declared }, stackName),
    entry: null,
    identity: null,
    owner,
  };
}

function descriptor(option: string, text: string): AdapterOptions {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(
      `${option} is not JSON. Write it as in the program, such as '{"type": "file", "path": "…", …}'.`,
    );
  }
  const parsed = adapterOptions.safeParse(value);
  if (!parsed.success) throw new UsageError(`${option} names no "type". Write it as in the program.`);
  return parsed.data;
}
