/** A workload that a program of the user's moves. The program is told which version, never the value. */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConsumerError } from "../../lifecycle/errors";
import { refuseSecretsInTheOpen, resolveEnv, targetEnv, targetInput } from "../../net/commandOptions";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeEnd, lastLines, runCommand, type CommandResult } from "../../net/runCommand";
import { describeTarget } from "../../net/target";
import { confirmTold, describeConsumer } from "../../net/toldConsumer";
import { waitUntil } from "../../net/waitUntil";
import type { CommandConsumerOptions } from "./options";

export { commandConsumerOptions, type CommandConsumerOptions } from "./options";

export function createCommandConsumer(options: CommandConsumerOptions, context: AdapterContext): Consumer {
  return new CommandConsumer(options, context);
}

interface Ran {
  readonly ended: CommandResult["ended"];
  readonly end: string;
  /** The last ones that it wrote, without secrets. */
  readonly lines: readonly string[];
}

class CommandConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  readonly pinned: boolean;
  readonly readersCacheMs: number;
  readonly hasEvidence: boolean;

  constructor(
    private readonly options: CommandConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    const described = describeConsumer(options);
    this.name = described.name;
    this.wave = described.wave;
    this.pinned = described.pinned;
    this.readersCacheMs = described.readersCacheMs ?? 0;
    this.hasEvidence = described.hasEvidence || options.confirm !== undefined;
  }

  async roll(target: RollTarget): Promise<void> {
    this.context.signal.throwIfAborted();
    const { command } = this.options;
    const { ended, end, lines } = await this.run(command, durationMs(this.options.timeout, "60s"), target, false);
    if (succeeded(ended)) {
      for (const line of lines) this.context.log.info(`Consumer "${this.name}": ${line}`);
      return;
    }
    const wrote = lines.length > 0 ? `Its last lines:\n  ${lines.join("\n  ")}` : "It wrote nothing.";
    throw new ConsumerError(
      `Consumer "${this.name}" could not be rolled to ${describeTarget(target)}: ${end}. How far it came only the ` +
        `program knows; it may be run again. ${wrote}`,
    );
  }

  async confirm(target: RollTarget): Promise<Adoption> {
    const { confirm } = this.options;
    if (!confirm) {
      return confirmTold(this.options, "its command says that it was rolled, no more", target, this.context);
    }
    const oneMs = durationMs(confirm.timeout, "10s");
    const limitMs = durationMs(this.options.adoptionTimeout, "60s");
    const answer = await waitUntil<Ran>(
      {
        what: `consumer "${this.name}" to use ${describeTarget(target)}`,
        intervalMs: durationMs(this.options.interval, "500ms"),
        timeoutMs: limitMs,
        ask: (leftMs) => this.run(confirm.command, Math.min(leftMs, oneMs), target, true),
        // What does not exist does not come to be by waiting.
        good: ({ ended }) => succeeded(ended) || ended.how === "not-started",
        describe: ({ end }) => end,
      },
      this.context,
    );
    // What it wrote is not shown: the sentence goes into the ledger's trail, and who knows what it is.
    if (succeeded(answer.ended)) {
      return { adopted: true, detail: `"${confirm.command[0]}" says that it uses ${describeTarget(target)}` };
    }
    if (answer.ended.how === "not-started") return { adopted: false, detail: answer.end };
    return { adopted: false, detail: `not within ${describeDuration(limitMs)}: ${answer.end}` };
  }

  private async run(command: readonly string[], timeoutMs: number, target: RollTarget, asks: boolean): Promise<Ran> {
    const { env, secrets } = await resolveEnv(this.options.env, this.context);
    refuseSecretsInTheOpen(`Consumer "${this.name}"`, [...command, ...Object.values(env)], target);
    const step = { ROTATION_CONSUMER: this.name, ROTATION_STEP: asks ? "confirm" : "roll" };
    const { ended, output } = await runCommand({
      command,
      env: { ...env, ...step, ...targetEnv(target) },
      input: targetInput(target),
      timeoutMs,
      signal: this.context.signal,
      onlyAsks: asks,
    });
    const lines = lastLines(output, redactorFor(target, secrets));
    return { ended, end: describeEnd(command, ended, timeoutMs), lines };
  }
}

function succeeded(ended: CommandResult["ended"]): boolean {
  return ended.how === "exit" && ended.code === 0;
}
