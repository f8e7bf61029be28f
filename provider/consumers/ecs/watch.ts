/** Waits until a deployment has arrived, and says early that it does not. */
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { waitUntil } from "../../net/waitUntil";
import type { Api } from "./api";
import { judge, type Goal, type Service, type Verdict } from "./deployments";
import { DEFAULTS, type EcsConsumerOptions } from "./options";
import { describeService, eventsSince, findService, isImpaired } from "./site";
import { cannotGetSecret, describeFailures, hasFailed, isAlive, type Task } from "./tasks";

export interface Watched {
  /** `v2 of "orders-db"` */
  readonly what: string;
  readonly goal: Goal;
  readonly redact: (text: string) => string;
}

interface Look extends Verdict {
  readonly service: Service;
}

/** @throws ConsumerError when the deployment has failed, or is not there in time. */
export async function watchDeployment(
  { what, goal, redact }: Watched,
  api: Api,
  options: EcsConsumerOptions,
  context: AdapterContext,
): Promise<Service> {
  const stopped = new StoppedTasks(api);
  const limitMs = durationMs(options.readyTimeout, DEFAULTS.readyTimeout);
  let looks = 0;
  const last = await waitUntil<Look>(
    {
      what: `consumer "${options.name}" to run ${what}`,
      intervalMs: durationMs(options.interval, DEFAULTS.interval),
      timeoutMs: limitMs,
      ask: async () => {
        const service = await findService(api, options);
        const verdict = judge(service, goal, ++looks);
        return { service, ...(await withTasks(verdict, service, stopped, options, redact)) };
      },
      good: ({ state }) => state !== "waiting",
      describe: ({ detail }) => detail,
    },
    context,
  );
  if (last.state === "done") return last.service;
  const failed = last.state === "failed" ? last.detail : `not within ${describeDuration(limitMs)}: ${last.detail}`;
  const events = eventsSince(last.service, last.deployment?.createdAt).map(redact);
  throw new ConsumerError(
    `Consumer "${options.name}" could not be rolled to ${what}: ${failed}.` +
      `${events.length > 0 ? ` ECS says: ${events.join(" ")}` : ""} Now ${describeService(last.service)}. ` +
      "ECS may go on trying until the service is moved to another version. Mend what the tasks complain of, or read " +
      "their logs, then run again.",
  );
}

/** What the tasks of the deployment say, where ECS has not decided yet, or has and does not say why. */
async function withTasks(
  verdict: Verdict,
  service: Service,
  stopped: StoppedTasks,
  options: EcsConsumerOptions,
  redact: (text: string) => string,
): Promise<Verdict> {
  const { state, detail, deployment } = verdict;
  if (state === "done" || deployment?.id === undefined) return verdict;
  const failed = (await stopped.of(deployment.id)).filter(hasFailed);
  const words = failed.length > 0 ? `${detail}; ${describeFailures(failed, redact)}` : detail;
  if (state === "failed") return { ...verdict, detail: words };
  if (failed.some(cannotGetSecret) || failed.length >= (options.failedTasks ?? DEFAULTS.failedTasks))
    return { ...verdict, state: "failed", detail: words };
  // The event does not say of which deployment: it may come late, of the former one.
  if (failed.length > 0 && isImpaired(eventsSince(service, deployment.createdAt)))
    return { ...verdict, state: "failed", detail: words };
  return { ...verdict, detail: words };
}

/** Those that have ended are asked once: nothing about them changes any more. */
class StoppedTasks {
  private readonly ended = new Map<string, Task>();

  constructor(private readonly api: Api) {}

  async of(deployment: string): Promise<readonly Task[]> {
    const arns = await this.api.taskArns("STOPPED");
    const unknown = arns.filter((arn) => !this.ended.has(arn));
    const seen = await this.api.tasks(unknown);
    for (const task of seen) if (task.taskArn !== undefined && !isAlive(task)) this.ended.set(task.taskArn, task);
    return [...this.ended.values(), ...seen.filter(isAlive)].filter(({ startedBy }) => startedBy === deployment);
  }
}
