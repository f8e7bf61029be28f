/** A service of Amazon ECS. Its tasks read their secrets when they start, so they are replaced. */
import type { Adoption, Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { awaitAdoption } from "../../net/awaitAdoption";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeTarget, identifyTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import { Api, type DefinitionFound } from "./api";
import { isSameDefinition } from "./definitions";
import { isUnderWay, primaryOf, shortArn, type Service } from "./deployments";
import { evidenceOf, type Evidence, type Expected } from "./evidence";
import { DEFAULTS, type EcsConsumerOptions } from "./options";
import { assertNamed, namesVersion, wantedOf, withVersions } from "./references";
import { aliveTasks, goalOf, markOf, renew, settle } from "./renew";
import { revise } from "./revise";
import { findService } from "./site";
import { watchDeployment } from "./watch";

export function createEcsConsumer(options: EcsConsumerOptions, context: AdapterContext): Consumer {
  return new EcsConsumer(options, context);
}

class EcsConsumer implements Consumer {
  readonly name: string;
  readonly wave: number;
  readonly pinned: boolean;
  readonly readersCacheMs: number;
  readonly hasEvidence = true;
  private readonly api: Api;
  /** The target that this process has moved the service to itself. */
  private moved: string | undefined;

  constructor(
    private readonly options: EcsConsumerOptions,
    private readonly context: AdapterContext,
  ) {
    this.name = options.name;
    this.wave = options.wave ?? 0;
    // Where it is left to the task definition, what that says is not known yet.
    this.pinned = options.taskDefinition === "revise";
    this.readersCacheMs = durationMs(options.readersCache, "0s");
    this.api = new Api(options, context);
  }

  async roll(target: RollTarget): Promise<void> {
    this.context.signal.throwIfAborted();
    const { api, options, context } = this;
    this.moved = undefined;
    const service = await findService(api, options, true);
    const found = await api.definition(service.taskDefinition ?? "");
    const wanted = wantedOf(options, target);
    const revises = this.revises(found, target);
    assertNamed(options, found.definition, target, wanted, revises);
    const what = { what: describeTarget(target), redact: redactorFor(target) };
    if (revises) {
      const goal = await revise(service, found, wanted, api, options, context);
      await watchDeployment({ ...what, goal }, api, options, context);
    } else {
      const renewal = await renew(service, target, api, options, context);
      const settled = await watchDeployment({ ...what, goal: renewal.goal }, api, options, context);
      await settle(settled, renewal, target, api, options);
    }
    this.moved = identifyTarget(target);
  }

  async confirm(target: RollTarget): Promise<Adoption> {
    const { api, options, context } = this;
    const limitMs = durationMs(options.adoptionTimeout, DEFAULTS.adoptionTimeout);
    const last = await waitUntil<Evidence>(
      {
        what: `consumer "${this.name}" to run ${describeTarget(target)} alone`,
        intervalMs: durationMs(options.interval, DEFAULTS.interval),
        timeoutMs: limitMs,
        ask: async () => {
          const service = await findService(api, options, true);
          const expected = await this.expected(service, target);
          if (typeof expected === "string") return { adopted: false, isOver: true, detail: expected };
          return evidenceOf(await aliveTasks(api), expected);
        },
        good: ({ adopted, isOver }) => adopted || isOver,
        describe: ({ detail }) => detail,
      },
      context,
    );
    if (!last.adopted)
      return {
        adopted: false,
        detail: last.isOver ? last.detail : `not within ${describeDuration(limitMs)}: ${last.detail}`,
      };
    const { adoption, adoptionTimeout, interval } = options;
    if (!adoption) return { adopted: true, detail: last.detail };
    const said = await awaitAdoption(
      { consumer: this.name, adoption, timeout: adoptionTimeout, interval },
      target,
      context,
    );
    return { adopted: said.adopted, detail: `${last.detail}; asked itself: ${said.detail}` };
  }

  /** What the tasks have to be, or why none of them can be it. */
  private async expected(service: Service, target: RollTarget): Promise<Expected | string> {
    const deployment = primaryOf(service);
    if (!deployment) return "the service has no deployment";
    const found = await this.api.definition(deployment.taskDefinition ?? "");
    const wanted = wantedOf(this.options, target);
    if (this.revises(found, target)) {
      const named = wanted.length === target.secrets.length;
      const same = isSameDefinition(withVersions(found.definition, wanted, this.options.container), found.definition);
      if (named && same && namesVersion(found.definition, wanted)) return { service, deployment };
      return `the service runs ${shortArn(deployment.taskDefinition)}, which names another version`;
    }
    const mark = markOf(service, this.options, target);
    if (!mark || !isUnderWay(service, goalOf(mark)))
      return `the service was not deployed anew for ${describeTarget(target)}`;
    // This process has moved it while the version is current, and nobody takes that back meanwhile.
    if (this.moved === identifyTarget(target)) return { service, deployment, forced: {} };
    if (mark.settledAt === undefined) return `the deployment for ${describeTarget(target)} was not seen to settle`;
    return { service, deployment, forced: { settledAt: mark.settledAt } };
  }

  private revises({ definition }: DefinitionFound, target: RollTarget): boolean {
    const { taskDefinition } = this.options;
    if (taskDefinition !== undefined) return taskDefinition === "revise";
    return namesVersion(definition, wantedOf(this.options, target));
  }
}
