/**
 * A function of AWS Lambda behind an alias. A rotation publishes a version of it whose variables name the new version of
 * the secret, and moves the alias; a return moves the alias back. A published version never changes, so that whatever
 * the alias names uses the one version that its variables name.
 */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError, ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import { isReturn, moveAlias } from "./alias";
import { Api } from "./api";
import { carries, type Configuration } from "./configuration";
import { Refused } from "./failures";
import { describeAlias, look, serves, type Seen, type Work } from "./look";
import { isOurs } from "./marks";
import {
  DEFAULT_ADOPTION_TIMEOUT,
  DEFAULT_INTERVAL,
  DEFAULT_PROBE_ATTEMPTS,
  DEFAULT_PROPAGATION,
  DEFAULT_READERS_CACHE,
  DEFAULT_READY_TIMEOUT,
  type LambdaConsumerOptions,
  type LambdaProbe,
} from "./options";
import { invoke, invokeUntilWell, type Judged } from "./probe";
import { untilProvisioned } from "./provisioned";
import { restoreLatest, valuesOf, versionFor } from "./publish";
import { referenceTo } from "./templates";
import { tidy } from "./tidy";

export { lambdaConsumerOptions, type LambdaConsumerOptions } from "./options";

/** How often it begins anew where somebody else changes the function at the same time. */
const ATTEMPTS = 5;

export function createLambdaConsumer(options: LambdaConsumerOptions, context: AdapterContext): Consumer {
  return new LambdaConsumer(options, context);
}

class LambdaConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  /** A published version keeps its variables for ever. */
  readonly pinned = true;
  readonly hasEvidence = true;
  readonly readersCacheMs: number;
  private readonly api: Api;

  constructor(
    private readonly options: LambdaConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    this.name = options.name;
    this.wave = options.wave ?? 0;
    this.readersCacheMs = durationMs(options.readersCache, DEFAULT_READERS_CACHE);
    this.api = new Api(options, context);
  }

  async roll(target: RollTarget): Promise<void> {
    this.context.signal.throwIfAborted();
    const work = this.workFor(target);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.move(work);
        return;
      } catch (error) {
        if (!(error instanceof Refused) || attempt >= ATTEMPTS) throw error;
        this.context.log.info(
          `Consumer "${this.name}": the function ${this.options.functionName} was changed by somebody else meanwhile; ` +
            "looking again.",
        );
        await this.context.clock.sleep(durationMs(this.options.interval, DEFAULT_INTERVAL), this.context.signal);
      }
    }
  }

  async confirm(target: RollTarget): Promise<Adoption> {
    this.context.signal.throwIfAborted();
    const work = this.workFor(target);
    const seen = await look(work);
    const names = `the alias ${this.options.alias} names ${describeAlias(seen.alias)}`;
    if (!serves(seen, work.reference))
      return { adopted: false, detail: `${names}, whose variables do not name ${describeTarget(target)} alone` };
    const detail = `${names}, whose variables name ${describeTarget(target)}`;
    const { probe } = this.options;
    if (probe === undefined) return { adopted: true, detail };
    const judged = await this.probeAlias(work, probe, seen);
    return { adopted: judged.well, detail: `${detail}; invoked through the alias, ${judged.detail}` };
  }

  private workFor(target: RollTarget): Work {
    const { options, context, api } = this;
    return { api, options, context, target, reference: referenceTo(target, options.environment, this.name) };
  }

  /** Each step looks first whether it is done. */
  private async move(work: Work): Promise<void> {
    const { clock, signal } = this.context;
    const seen = await look(work);
    this.assertMovable(seen, work);
    if (serves(seen, work.reference)) {
      await restoreLatest(work);
      return;
    }
    const version = await versionFor(work, seen.main);
    await this.probeVersion(work, version, seen);
    await moveAlias(work, seen.alias, version.Version ?? "");
    await untilProvisioned(work);
    // AWS gives no time within which every request meets what the alias names now.
    await clock.sleep(durationMs(this.options.propagation, DEFAULT_PROPAGATION), signal);
    await restoreLatest(work);
    await tidy(work);
  }

  private assertMovable({ alias, other }: Seen, { reference }: Work): void {
    const { alias: name, functionName } = this.options;
    if (alias.main === "$LATEST")
      throw new ConfigurationError(
        `Consumer "${this.name}": the alias ${name} of the function ${functionName} names $LATEST, which changes as soon ` +
          "as it is updated, so that there is nothing to return to. Nothing was changed. Publish a version and let the " +
          "alias name it, then run again.",
      );
    if (other !== undefined && !carries(other, reference) && !isOurs(other, name))
      throw new ConsumerError(
        `Consumer "${this.name}": the alias ${name} of the function ${functionName} names ${describeAlias(alias)}: ` +
          "somebody deploys it step by step. Nothing was changed. When that is over, run again.",
      );
  }

  /**
   * Before any request meets it. A version that is returned to is only woken: what is left is no better, and the return
   * is not to wait.
   */
  private async probeVersion(work: Work, configuration: Configuration, { alias }: Seen): Promise<void> {
    const { name, options } = this;
    const { probe, functionName } = options;
    const version = configuration.Version ?? "";
    const returns = isReturn(alias, version);
    if (probe === undefined || (returns && configuration.State !== "Inactive")) {
      if (configuration.State === "Inactive")
        this.context.log.warn(
          `Consumer "${name}": version ${version} of ${functionName} was idle for long, and Lambda has to start it anew: ` +
            "the first requests may fail. A `probe` would start it before.",
        );
      return;
    }
    const redact = redactorFor(work.target, valuesOf(configuration));
    const attempts = probe.attempts ?? DEFAULT_PROBE_ATTEMPTS;
    const readyMs = durationMs(options.readyTimeout, DEFAULT_READY_TIMEOUT);
    const judged = await invokeUntilWell(work, probe, version, redact, attempts, readyMs);
    if (judged.well || returns) return;
    throw new ConsumerError(
      `Consumer "${name}": version ${version} of the function ${functionName}, made for ${describeTarget(work.target)}, ` +
        `is not well; invoked by its number, ${judged.detail}. The alias ${options.alias} was not moved to it, and names ` +
        `${describeAlias(alias)} as before. Look into the log ${logOf(configuration)} of that version, remove the cause, ` +
        "then run again.",
    );
  }

  /** Requests may meet the version before for a moment. */
  private probeAlias(work: Work, probe: LambdaProbe, { alias, main }: Seen): Promise<Judged> {
    const { options, context } = this;
    const redact = redactorFor(work.target, valuesOf(main));
    const right = [alias.main, alias.other?.version];
    return waitUntil<Judged>(
      {
        what: `the alias ${options.alias} of consumer "${this.name}" to answer for ${describeTarget(work.target)}`,
        intervalMs: durationMs(options.interval, DEFAULT_INTERVAL),
        timeoutMs: durationMs(options.adoptionTimeout, DEFAULT_ADOPTION_TIMEOUT),
        ask: async () => {
          const judged = await invoke(work, probe, options.alias, redact);
          if (judged.executed === undefined || right.includes(judged.executed)) return judged;
          return { ...judged, well: false, detail: `version ${judged.executed} answered` };
        },
        good: ({ well }) => well,
        describe: ({ detail }) => detail,
      },
      context,
    );
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html */
function logOf({ LoggingConfig, FunctionName }: Configuration): string {
  return LoggingConfig?.LogGroup ?? `/aws/lambda/${FunctionName ?? ""}`;
}
