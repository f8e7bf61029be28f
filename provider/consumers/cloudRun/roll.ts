/** Moves the service to the target: looks, does what is to be done next, and looks again. */
import type { RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConfigurationError, ConsumerError, StateError } from "../../lifecycle/errors";
import { CallFailure, hasStatus } from "../../net/gcp/status";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import type { CloudRunClient } from "./client";
import { hasFailed, isReady, lacksSecret } from "./conditions";
import { assertNamed, goalOf } from "./goal";
import { shortName, type Revision, type Service } from "./messages";
import { describeShares, nextStep, type Change, type Plan, type Seen, type Step } from "./nextStep";
import type { CloudRunConsumerOptions } from "./options";
import { askProbe, keepAsking } from "./probe";
import { recordOf } from "./record";
import { servingShares } from "./traffic";

/** How often somebody else may be faster, and how often an answer may get lost, before it is given up. */
const CONFLICTS = 8;
const LOST_ANSWERS = 3;

type Waiting = Extract<Step, { kind: "wait" }>;

export class Roll {
  private readonly intervalMs: number;
  private readonly endsAt: number;
  private readonly known = new Map<string, Revision>();
  private readonly probed = new Set<string>();
  private readonly held = new Set<number>();
  private readonly redact: (text: string) => string;
  private failedBefore: string | undefined;
  private hasDeployed = false;
  private conflicts = 0;
  private lost = 0;

  constructor(
    private readonly options: CloudRunConsumerOptions,
    private readonly target: RollTarget,
    private readonly client: CloudRunClient,
    private readonly context: AdapterContext,
  ) {
    const holdMs = durationMs(options.traffic?.hold, "30s") * (options.traffic?.percents.length ?? 0);
    this.intervalMs = durationMs(options.interval, "2s");
    this.endsAt = context.clock.now() + this.timeoutMs + holdMs;
    this.redact = redactorFor(target);
  }

  async run(): Promise<void> {
    const { options, context } = this;
    const [goal, first] = await Promise.all([goalOf(this.target, options, this.client, context), this.look()]);
    this.assertMayChange(first.service);
    assertNamed(first.service.template ?? {}, goal, options);
    const created = shortName(first.service.latestCreatedRevision);
    this.failedBefore = hasFailed(first.revisions.get(created)) ? created : undefined;
    const plan = { goal, percents: options.traffic?.percents ?? [], probes: options.probe !== undefined };
    let seen: Seen | undefined = first;
    for (;;) {
      const [now, step] = await this.settled(plan, seen);
      if (step.kind === "done") return;
      await this.take(now, step);
      seen = undefined;
    }
  }

  /** Waits until there is something to be done. @param first what has just been seen. */
  private async settled(plan: Plan, first: Seen | undefined): Promise<readonly [Seen, Exclude<Step, Waiting>]> {
    let seen = first;
    const [now, step] = await waitUntil<readonly [Seen, Step]>(
      {
        what: `consumer "${this.options.name}" to serve with ${describeTarget(this.target)}`,
        intervalMs: this.intervalMs,
        timeoutMs: Math.max(0, this.endsAt - this.context.clock.now()),
        ask: async () => {
          const looked = seen ?? (await this.look());
          seen = undefined;
          const progress = {
            failedBefore: this.failedBefore,
            hasDeployed: this.hasDeployed,
            probed: this.probed,
            held: this.held,
          };
          return [looked, nextStep(looked, plan, progress)];
        },
        good: ([, next]) => next.kind !== "wait",
        describe: ([, next]) => (next.kind === "wait" ? this.redact(next.detail) : next.kind),
      },
      this.context,
    );
    if (step.kind !== "wait") return [now, step];
    throw this.failed(`it does not within ${describeDuration(this.timeoutMs)}: ${step.detail}`, now);
  }

  private async take(seen: Seen, step: Exclude<Step, Waiting | { kind: "done" }>): Promise<void> {
    const { options, context } = this;
    switch (step.kind) {
      case "change":
        context.log.info(`Consumer "${options.name}": ${step.what}.`);
        return this.change(seen.service, step.change);
      case "probe": {
        const complaint = await askProbe(step.uri, options, context);
        if (complaint !== undefined)
          throw this.failed(
            `the revision ${step.revision} gets no requests, since its probe failed: ${complaint}`,
            seen,
          );
        this.probed.add(step.revision);
        return;
      }
      case "hold":
        return this.hold(seen, step.revision, step.percent);
      case "refused":
        throw new StateError(
          `Consumer "${options.name}" cannot be moved to ${describeTarget(this.target)}: ${this.redact(step.why)}. ` +
            "Nothing was changed.",
        );
      case "failed":
        throw this.failed(step.why, seen, step.revision);
    }
  }

  private async change(service: Service, change: Change): Promise<void> {
    try {
      await this.client.updateService(service, change);
      if (change.template !== undefined) this.hasDeployed = true;
    } catch (error) {
      this.context.signal.throwIfAborted();
      if (!(error instanceof CallFailure)) throw error;
      // What is there by then tells whether it was carried out.
      if (error.isUncertain && ++this.lost < LOST_ANSWERS) return;
      if (hasStatus(error, "ABORTED", "FAILED_PRECONDITION") && ++this.conflicts < CONFLICTS) return;
      throw error;
    }
  }

  /** Keeps a step of the traffic up, and looks whether the new revision stays well. */
  private async hold(seen: Seen, revision: string, percent: number): Promise<void> {
    const { options, context } = this;
    const holdMs = durationMs(options.traffic?.hold, "30s");
    const until = context.clock.now() + holdMs;
    context.log.info(
      `Consumer "${options.name}": ${revision} has ${percent}% of the traffic, for ${describeDuration(holdMs)}.`,
    );
    for (let left = holdMs; left > 0; left = until - context.clock.now()) {
      await context.clock.sleep(Math.min(left, this.intervalMs), context.signal);
      const now = await this.client.getRevision(revision);
      if (now === undefined || !isReady(now))
        throw this.failed(`the revision ${revision} is not well any more at ${percent}% of the traffic`, seen, now);
      const complaint = await keepAsking(seen.service, revision, options, context);
      if (complaint !== undefined)
        throw this.failed(`the probe of ${revision} failed at ${percent}% of the traffic: ${complaint}`, seen, now);
    }
    this.held.add(percent);
  }

  private async look(): Promise<Seen> {
    return lookAt(this.client, this.known);
  }

  private assertMayChange({ labels }: Service): void {
    if (this.options.function === true || labels?.["goog-managed-by"] !== "cloudfunctions") return;
    const { name, service } = this.options;
    throw new ConfigurationError(
      `Consumer "${name}": the service ${service} belongs to a function of the Cloud Functions API, which keeps a record of ` +
        "its own of the versions of secrets, and puts them back at its next deployment. Nothing was changed. Detach it with " +
        `gcloud functions detach ${service}, let the function name the version "latest" and say function: true here, or ` +
        "roll it with the command consumer and gcloud functions deploy.",
    );
  }

  private failed(why: string, { service }: Seen, revision?: Revision): ConsumerError {
    const shares = servingShares(service);
    const log = revision?.logUri ? ` Its log: ${revision.logUri}.` : "";
    const grant =
      revision !== undefined && lacksSecret(revision)
        ? " Grant the service account that the service runs as roles/secretmanager.secretAccessor on the secret."
        : "";
    return new ConsumerError(
      `Consumer "${this.options.name}" could not be moved to ${describeTarget(this.target)}: ${this.redact(why)}. ` +
        `When last looked at, requests were served by ${describeShares(shares)}.${grant}${log} ` +
        "It may be rolled again at any time, to this version or to the one before.",
    );
  }

  private get timeoutMs(): number {
    return durationMs(this.options.timeout, "10m");
  }
}

/** @param known what is known of revisions that do not change any more; added to. */
export async function lookAt(client: CloudRunClient, known: Map<string, Revision> = new Map()): Promise<Seen> {
  const service = await client.getService();
  const created = shortName(service.latestCreatedRevision);
  const former = recordOf(service)?.former ?? "";
  const names = new Set([...servingShares(service).keys(), created, former].filter((name) => name !== ""));
  const found = await Promise.all(
    [...names].map(async (name) => [name, known.get(name) ?? (await client.getRevision(name))] as const),
  );
  const revisions = new Map(found.flatMap(([name, revision]) => (revision ? [[name, revision] as const] : [])));
  // What a revision is made of never changes; the last one may still come up, or not.
  for (const [name, revision] of revisions) if (isReady(revision) || hasFailed(revision)) known.set(name, revision);
  return { service, revisions };
}
