/** The stack that a command works on: its secrets, and the adapters to reach them with. */
import type { Command } from "commander";
import { NotFoundError, StateError } from "../provider/lifecycle/errors";
import type { AdapterDescription } from "../provider/lifecycle/ledger";
import { Runtime } from "../provider/runtime";
import { digestOf } from "../provider/rotation/fingerprint";
import type { Parts } from "../provider/rotation/session";
import type { SecretLink } from "../provider/inputs/rollout";
import { findProjectFile, programFolder } from "./project";
import { Pulumi } from "./pulumi";
import { readState, type OwnedSecret, type StackState } from "./state";

/** The options that every command has. */
export interface StackOptions {
  readonly cwd?: string;
  readonly stack?: string;
}

export class OpenStack {
  private constructor(
    readonly state: StackState,
    readonly runtime: Runtime,
  ) {}

  /** Runs `work` with the stack, in its program's folder, and closes every connection at the end. */
  static async use<T>(command: Command, work: (stack: OpenStack) => Promise<T>): Promise<T> {
    const { cwd = ".", stack } = command.optsWithGlobals<StackOptions>();
    const folder = programFolder(findProjectFile(cwd));
    const pulumi = new Pulumi(folder, stack);
    const state = readState((showSecrets) => pulumi.exportState(showSecrets));
    // As the provider process does: relative paths in the program count from there.
    process.chdir(folder);
    const runtime = new Runtime((key) => pulumi.readConfig(key), undefined, { info: toStderr, warn: toStderr });
    try {
      return await work(new OpenStack(state, runtime));
    } finally {
      await runtime.close();
    }
  }

  /** @throws NotFoundError that lists the names there are. */
  find(name: string): OwnedSecret {
    const found = this.state.owned.filter((secret) => secret.entry.name === name);
    if (found.length > 1)
      throw new StateError(
        `More than one secret of this stack is named ${name}: ${found.map((secret) => secret.urn).join(", ")}. Nothing ` +
          `was changed. Give them different names in the program.`,
      );
    if (!found[0]) throw this.noSuch(name);
    return found[0];
  }

  /** What to work on the secret with. The program's word counts: a ledger may be older than it (rule 24). */
  async partsOf({ entry, inputs, owner }: OwnedSecret): Promise<Parts> {
    const { name, store } = entry;
    const parts = inputs
      ? await this.runtime.parts({ ...inputs, name, store }, owner.stack)
      : await this.runtime.partsOf({ name, store, ref: "" }, owner.stack);
    return parts ?? this.noLedger(name, store);
  }

  async noLedger(name: string, store: AdapterDescription): Promise<never> {
    throw new StateError(
      `${name}: there is no ledger in ${(await this.runtime.store(store)).location}: the store was removed, or restored ` +
        `from before the secret was made. Nothing was changed. Restore the store, or look whether its path is right.`,
    );
  }

  noSuch(name: string): NotFoundError {
    const names = this.state.owned.map((secret) => secret.entry.name);
    const there = names.length > 0 ? `There are: ${names.sort().join(", ")}.` : "It has none.";
    return new NotFoundError(`This stack has no secret ${name}. Nothing was changed. ${there}`);
  }

  /** The secrets of other stacks that only rollouts of this one use. */
  get borrowed(): SecretLink[] {
    const seen = new Set(this.state.owned.map((secret) => digestOf(secret.entry.store)));
    return this.state.used.filter(({ store }) => {
      const key = digestOf(store);
      return seen.has(key) ? false : seen.add(key);
    });
  }
}

/** Standard output is for the answer. */
function toStderr(message: string): void {
  process.stderr.write(`${message}\n`);
}
