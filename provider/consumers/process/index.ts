/**
 * A process on this machine: it gets its credential in a file, and is restarted, signalled, or watches the file itself.
 *
 * No secret ever goes on a command line or into an environment.
 */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, ConsumerError } from "../../lifecycle/errors";
import { awaitAdoption, type AdoptionOptions } from "../../net/awaitAdoption";
import { durationMs } from "../../net/options";
import { containsSecret, redactorFor } from "../../net/redact";
import { describeEnd, lastLines, runCommand } from "../../net/runCommand";
import { describeTarget, identifyTarget } from "../../net/target";
import { deliver } from "./deliver";
import type { ProcessConsumerOptions } from "./options";
import { findProcess, isRunning, sendSignal } from "../../net/pidFile";
import { waitUntilReady } from "./ready";

export { processConsumerOptions, type ProcessConsumerOptions } from "./options";

export function createProcessConsumer(options: ProcessConsumerOptions, context: AdapterContext): Consumer {
  return new ProcessConsumer(options, context);
}

class ProcessConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  readonly pinned: boolean;
  readonly readersCacheMs: number;
  readonly hasEvidence: boolean;
  /** What this object has rolled to the end: a restart that is only believed to have happened is no evidence. */
  private rolled: string | undefined;
  /** The process did not run when the file was delivered, which is allowed. */
  private absent = false;

  constructor(
    private readonly options: ProcessConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    this.name = options.name;
    this.wave = options.wave ?? 0;
    this.pinned = options.file !== undefined;
    this.readersCacheMs = durationMs(options.readersCache, "0s");
    this.hasEvidence = options.adoption !== undefined || this.readsOnlyWhatIsDelivered;
  }

  /** A process that was started after the only version it can read was delivered uses that version. */
  private get readsOnlyWhatIsDelivered(): boolean {
    return this.options.restart !== undefined && this.options.file !== undefined;
  }

  async roll(target: RollTarget): Promise<void> {
    const { file, owner, restart, signal, ready } = this.options;
    this.context.signal.throwIfAborted();
    this.rolled = undefined;
    this.absent = false;
    this.refuseSecretsInTheOpen(target);
    // First, also for a process that does not run: whenever it starts, it must find what it was last rolled to.
    if (file !== undefined) await deliver(this.name, file, owner, target);
    if (restart) await this.restart(restart, target);
    if (signal) this.absent = !(await this.signal(signal, target));
    if (ready && !this.absent) await this.becomeReady(ready, target);
    this.rolled = identifyTarget(target);
  }

  async confirm(target: RollTarget): Promise<Adoption> {
    const rolledByThisRun = this.rolled === identifyTarget(target);
    if (this.options.adoption) return this.askForAdoption(this.options.adoption, target, rolledByThisRun);
    if (rolledByThisRun && this.absent) return { adopted: true, detail: this.describeAbsence(target) };
    if (!this.readsOnlyWhatIsDelivered) {
      const did = this.options.signal ? "it was only signalled" : "it reads the credential by itself";
      return { adopted: false, detail: `no evidence of the version in use: ${did}, and has no adoption address` };
    }
    if (rolledByThisRun) return { adopted: true, detail: "restarted after delivery" };
    return { adopted: false, detail: "this run has not restarted it with this version; it has to be rolled again" };
  }

  private refuseSecretsInTheOpen(target: RollTarget): void {
    const { restart } = this.options;
    const open = [...(restart?.command ?? []), ...Object.values(restart?.env ?? {})];
    if (!open.some((text) => containsSecret(target, text))) return;
    throw new ConfigurationError(
      `Consumer "${this.name}": its restart command or environment contains a value of ${describeTarget(target)}, ` +
        `where other users of the machine can see it. Nothing was changed. Let the process read the credential from ` +
        `"file" instead.`,
    );
  }

  private async restart(restart: NonNullable<ProcessConsumerOptions["restart"]>, target: RollTarget): Promise<void> {
    const timeoutMs = durationMs(restart.timeout, "60s");
    const { ended, output } = await runCommand({
      command: restart.command,
      env: restart.env ?? {},
      timeoutMs,
      signal: this.context.signal,
    });
    const lines = lastLines(output, redactorFor(target));
    if (ended.how === "exit" && ended.code === 0) {
      for (const line of lines) this.context.log.info(`Consumer "${this.name}" restart: ${line}`);
      return;
    }
    throw new ConsumerError(
      `Consumer "${this.name}": the restart command ${describeEnd(restart.command, ended, timeoutMs)}. ` +
        `${this.state(target)} ${lines.length > 0 ? `Its last lines:\n  ${lines.join("\n  ")}` : "It wrote nothing."}`,
    );
  }

  /** @returns false for an optional process that is not running. */
  private async signal(signal: NonNullable<ProcessConsumerOptions["signal"]>, target: RollTarget): Promise<boolean> {
    const found = await findProcess(signal.pidFile);
    const result = found.state === "running" ? sendSignal(found.pid, signal.name) : found.state;
    if (found.state === "running" && result === "sent") {
      await this.surviveSignal(found.pid, signal, target);
      return true;
    }
    const why =
      found.state !== "running"
        ? found.why
        : result === "absent"
          ? `process ${found.pid} ended before it could be signalled`
          : `this user may not signal process ${found.pid}`;
    if (result === "absent" && this.options.optional) {
      this.context.log.info(`Consumer "${this.name}" is not running (${why}); it reads the file when it starts.`);
      return false;
    }
    throw new ConsumerError(
      `Consumer "${this.name}" could not be signalled: ${why}. ${this.state(target)} Start the process or correct ` +
        `"pidFile"; for a process that may not be running yet, deliver a file and set "optional": true.`,
    );
  }

  /** The default action of most signals is to end the process. */
  private async surviveSignal(
    pid: number,
    signal: NonNullable<ProcessConsumerOptions["signal"]>,
    target: RollTarget,
  ): Promise<void> {
    // Something may start it again; then whether it serves decides.
    if (this.options.ready) return;
    await this.context.clock.sleep(durationMs(this.options.interval, "500ms"), this.context.signal);
    if (isRunning(pid) || (await findProcess(signal.pidFile)).state === "running") return;
    throw new ConsumerError(
      `Consumer "${this.name}": process ${pid} ended after it got ${signal.name}. ${this.state(target)} Send a signal ` +
        `by which the process reads its credential again, or use "restart".`,
    );
  }

  private async becomeReady(ready: NonNullable<ProcessConsumerOptions["ready"]>, target: RollTarget): Promise<void> {
    const health = await waitUntilReady({ ...this.options, ready }, target, this.context);
    if (health.healthy) return;
    const limit = describeDuration(durationMs(this.options.readyTimeout, "60s"));
    throw new ConsumerError(
      `Consumer "${this.name}" does not serve ${limit} after it was rolled: ${health.detail}. ${this.state(target)} ` +
        `Look into the log of the process; a process that needs longer needs a longer "readyTimeout".`,
    );
  }

  private async askForAdoption(
    adoption: AdoptionOptions,
    target: RollTarget,
    rolledByThisRun: boolean,
  ): Promise<Adoption> {
    // Nothing listens, and nothing ran when the file was delivered: there is nobody to wait for.
    const mayBeAbsent = rolledByThisRun && this.absent;
    const { name, adoptionTimeout, interval } = this.options;
    const request = { consumer: name, adoption, timeout: adoptionTimeout, interval, endsWhenRefused: mayBeAbsent };
    const answer = await awaitAdoption(request, target, this.context);
    if (mayBeAbsent && answer.refused) return { adopted: true, detail: this.describeAbsence(target) };
    return { adopted: answer.adopted, detail: answer.detail };
  }

  /** Said as it is: nobody uses the target, but nobody can use anything else either. */
  private describeAbsence(target: RollTarget): string {
    return `not running; its file holds ${describeTarget(target)}, which it reads when it starts`;
  }

  private state(target: RollTarget): string {
    const { file } = this.options;
    if (file === undefined) return `It was to use ${describeTarget(target)}.`;
    return `The file "${file}" holds ${describeTarget(target)}.`;
  }
}
