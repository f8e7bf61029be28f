/** The task definition names the version: a revision of it for the target, and the service is moved to that. */
import type { AdapterContext } from "../../contracts/context";
import type { Api, DefinitionFound } from "./api";
import { isSameDefinition, registrable } from "./definitions";
import { isUnderWay, primaryOf, shortArn, type Deployment, type Goal, type Service } from "./deployments";
import type { EcsConsumerOptions } from "./options";
import { withVersions, type Wanted } from "./references";

/** So many of the newest revisions are looked at for one that is the wanted one already. */
const LOOKED_AT = 10;

/** @returns what to wait for. */
export async function revise(
  service: Service,
  found: DefinitionFound,
  wanted: readonly Wanted[],
  api: Api,
  options: EcsConsumerOptions,
  context: AdapterContext,
): Promise<Goal> {
  const arn = await revisionFor(found, wanted, api, options);
  const before = primaryOf(service);
  const goal: Goal = { isMeant: ({ taskDefinition }: Deployment) => taskDefinition === arn };
  if (isUnderWay(service, goal)) return goal;
  context.log.info(`Consumer "${options.name}": the service ${options.service} is moved to ${shortArn(arn)}.`);
  // What ECS has given up, it does not try again unless it is forced to.
  const again = service.taskDefinition === arn;
  const made = await api.update({ taskDefinition: arn, ...(again ? { forceNewDeployment: true } : {}) });
  return { ...goal, before, made };
}

/** The revision with the target's versions: this one, a former one that is still active, or a new one. */
async function revisionFor(
  { definition, tags }: DefinitionFound,
  wanted: readonly Wanted[],
  api: Api,
  { container }: EcsConsumerOptions,
): Promise<string> {
  const revised = withVersions(definition, wanted, container);
  if (isSameDefinition(revised, definition) && definition.taskDefinitionArn !== undefined)
    return definition.taskDefinitionArn;
  const family = definition.family ?? "";
  const arns = await api.revisions(family, LOOKED_AT);
  const candidates = await Promise.all(arns.map((arn) => api.definition(arn)));
  const existing = candidates.find((candidate) => isSameDefinition(candidate.definition, revised));
  return (
    existing?.definition.taskDefinitionArn ??
    (await api.register({ ...registrable(revised), ...(tags.length > 0 ? { tags: [...tags] } : {}) }))
  );
}
