/** What the tasks that run show of the target. Pure. */
import { name, shortArn, type Deployment, type Service } from "./deployments";
import { createdAt } from "./renew";
import { idOf, type Task } from "./tasks";

export interface Expected {
  readonly service: Service;
  readonly deployment: Deployment;
  /** The deployment was forced, and the version is not in the task definition. */
  readonly forced?: {
    /** Tasks that were created later may have read another version. Absent: it is known that they did not. */
    readonly settledAt?: number | undefined;
  };
}

export interface Evidence {
  readonly adopted: boolean;
  /** Whether it may come by waiting. */
  readonly isOver: boolean;
  readonly detail: string;
}

const SHOWN_TASKS = 3;

/** @param tasks all of the service that may still run. */
export function evidenceOf(tasks: readonly Task[], { service, deployment, forced }: Expected): Evidence {
  const meant = tasks.filter((task) => belongs(task, deployment, forced !== undefined));
  const others = tasks.filter((task) => !meant.includes(task));
  const running = meant.filter(({ lastStatus }) => lastStatus === "RUNNING");
  const of = `${name(deployment)} of ${shortArn(deployment.taskDefinition)}`;
  const not = (detail: string, isOver = false): Evidence => ({ adopted: false, isOver, detail });
  if (others.length > 0) {
    const shown = others
      .slice(0, SHOWN_TASKS)
      .map((task) => `${idOf(task)} (${task.lastStatus}, ${shortArn(task.taskDefinitionArn)})`);
    const more = others.length > shown.length ? ` and ${others.length - shown.length} more` : "";
    const how = others.length === 1 ? "1 task does" : `${others.length} tasks do`;
    return not(`${how} not belong to ${of} and have not ended: ${shown.join(", ")}${more}`);
  }
  const settledAt = forced?.settledAt;
  const later = settledAt === undefined ? [] : meant.filter((task) => createdAt(task) > settledAt);
  if (later.length > 0)
    return not(
      `task ${later.map(idOf).join(", ")} was started by itself after ${of} had settled; which version was current then is not known`,
      true,
    );
  const desired = service.desiredCount ?? 0;
  if (running.length < desired) return not(`${running.length} of ${desired} tasks of ${of} run`);
  if (desired === 0 && running.length === 0)
    return { adopted: true, isOver: true, detail: `no task runs, and none is wanted; the next ones are of ${of}` };
  const how = forced ? "were started after the version became current" : "name the version in their task definition";
  return { adopted: true, isOver: true, detail: `all ${running.length} tasks that run are of ${of} and ${how}` };
}

function belongs(task: Task, { id, taskDefinition, createdAt: since }: Deployment, forced: boolean): boolean {
  if (!forced) return task.taskDefinitionArn === taskDefinition;
  // A deployment that ECS has returned to keeps its id, and its tasks.
  return task.startedBy === id && createdAt(task) >= (since?.getTime() ?? 0);
}
