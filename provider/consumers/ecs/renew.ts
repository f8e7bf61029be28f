/**
 * The task definition stays: tasks read what is current when they start, so a deployment is forced. A tag of the service
 * says for which target, so that it is forced once.
 */
import type { RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeTarget } from "../../net/target";
import type { Api } from "./api";
import { isReturn, isUnderWay, primaryOf, type Goal, type Service } from "./deployments";
import { markKey, newMark, readMark, targetOf, writeMark, type Mark } from "./mark";
import type { EcsConsumerOptions } from "./options";
import { isAlive, type Task } from "./tasks";

export interface Renewal {
  readonly goal: Goal;
  readonly mark: Mark;
}

/** @returns what to wait for. */
export async function renew(
  service: Service,
  target: RollTarget,
  api: Api,
  options: EcsConsumerOptions,
  context: AdapterContext,
): Promise<Renewal> {
  const known = markOf(service, options, target);
  if (known) {
    const goal = goalOf(known);
    if (isUnderWay(service, goal) && !(await hasLaterTasks(known, api))) return { goal, mark: known };
  }
  const before = primaryOf(service);
  const mark = newMark(target, before?.id);
  const isWritten = known !== undefined && known.former === mark.former && known.settledAt === undefined;
  // Before the deployment is forced: where this process is killed in between, the next one sees which was the former.
  if (!isWritten) await writeTag(service, mark, target, api, options);
  context.log.info(
    `Consumer "${options.name}": the service ${options.service} is deployed anew, so that its tasks read ${describeTarget(target)}.`,
  );
  const made = await api.update({ forceNewDeployment: true });
  return { goal: { ...goalOf(mark), before, made }, mark };
}

/** Notes when the tasks of the deployment were made, so that those that come later are told from them. */
export async function settle(
  service: Service,
  { mark }: Renewal,
  target: RollTarget,
  api: Api,
  options: EcsConsumerOptions,
): Promise<void> {
  if (mark.settledAt !== undefined) return;
  const tasks = await aliveTasks(api);
  const settledAt = Math.max(0, ...tasks.map(createdAt));
  await writeTag(service, { ...mark, settledAt }, target, api, options);
}

/** The mark, where it is for this target. */
export function markOf({ tags = [] }: Service, { name }: EcsConsumerOptions, target: RollTarget): Mark | undefined {
  const key = markKey(name, target);
  const mark = readMark(tags.find((tag) => tag.key === key)?.value);
  return mark?.target === targetOf(target) ? mark : undefined;
}

export function goalOf({ former }: Mark): Goal {
  return { isMeant: (deployment) => deployment.id !== former && !isReturn(deployment) };
}

export async function aliveTasks(api: Api): Promise<readonly Task[]> {
  const [running, stopped] = await Promise.all([api.taskArns("RUNNING"), api.taskArns("STOPPED")]);
  return (await api.tasks([...running, ...stopped])).filter(isAlive);
}

export function createdAt(task: Task): number {
  return task.createdAt?.getTime() ?? 0;
}

/** Tasks that were started by themselves since: another version may have been current then. */
async function hasLaterTasks({ settledAt }: Mark, api: Api): Promise<boolean> {
  if (settledAt === undefined) return false;
  return (await aliveTasks(api)).some((task) => createdAt(task) > settledAt);
}

async function writeTag(
  { serviceArn = "" }: Service,
  mark: Mark,
  target: RollTarget,
  api: Api,
  { name }: EcsConsumerOptions,
): Promise<void> {
  await api.tag(serviceArn, markKey(name, target), writeMark(mark));
}
