/** What a service's deployments say of the one that is wanted. Pure. */
import type * as Sdk from "@aws-sdk/client-ecs";

export type Service = Sdk.Service;
export type Deployment = Sdk.Deployment;

export interface Verdict {
  readonly state: "done" | "waiting" | "failed";
  /** Part of a sentence, with ECS's own words. */
  readonly detail: string;
  /** The deployment that it is about. */
  readonly deployment: Deployment | undefined;
}

/** Which deployment is wanted. */
export interface Goal {
  readonly isMeant: (deployment: Deployment) => boolean;
  /** The primary deployment when ECS was told to make another one; absent: it was not. */
  readonly before?: Deployment | undefined;
  /** The one that ECS then made: it is not shown any more once ECS has given it up. */
  readonly made?: Deployment | undefined;
}

/** ECS is eventually consistent: so often it may show what was before. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/Welcome.html */
const OLD_LOOKS = 3;

export function primaryOf({ deployments = [] }: Service): Deployment | undefined {
  return deployments.find(({ status }) => status === "PRIMARY");
}

/**
 * The circuit breaker, or an alarm, is putting an earlier deployment back. ECS says so in words only.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
 */
export function isReturn({ rolloutStateReason = "" }: Deployment): boolean {
  return /roll(?:ing|ed) back/i.test(rolloutStateReason);
}

/** Whether it is on its way, or there, and nothing has to be done but wait. */
export function isUnderWay(service: Service, goal: Goal): boolean {
  const primary = primaryOf(service);
  return primary !== undefined && goal.isMeant(primary) && primary.rolloutState !== "FAILED";
}

/** @param looks how often the service was looked at since ECS was told, this time included. */
export function judge(service: Service, goal: Goal, looks: number): Verdict {
  const { deployments = [] } = service;
  const deployment = primaryOf(service);
  if (!deployment) return { state: "waiting", detail: "it has no deployment", deployment };
  if (!goal.isMeant(deployment)) return judgeOther(service, deployment, goal, looks);
  const { rolloutState, runningCount = 0, pendingCount = 0 } = deployment;
  if (rolloutState === "FAILED")
    return { state: "failed", detail: `${name(deployment)} failed: ${reasonOf(deployment)}`, deployment };
  const desired = service.desiredCount ?? 0;
  const others = deployments.length - 1;
  const left = others === 1 ? "the former deployment is still there" : `${others} former deployments are still there`;
  const detail = [
    rolloutState === undefined ? name(deployment) : `${name(deployment)} is ${rolloutState}`,
    `${runningCount} of ${desired} tasks run`,
    ...(pendingCount > 0 ? [`${pendingCount} pending`] : []),
    ...(others > 0 ? [left] : []),
  ].join(", ");
  // Behind a Classic Load Balancer there is no rollout state: then the counts are all that ECS says.
  const settled = rolloutState === undefined ? pendingCount === 0 : rolloutState === "COMPLETED";
  return { state: settled && others === 0 && runningCount >= desired ? "done" : "waiting", detail, deployment };
}

function judgeOther(service: Service, primary: Deployment, { isMeant, before, made }: Goal, looks: number): Verdict {
  const { deployments = [] } = service;
  const ours = deployments.find((one) => one !== primary && isMeant(one)) ?? made;
  const failed = [ours, ...deployments].find((one) => one?.rolloutState === "FAILED");
  const instead = `${name(primary)} of ${shortArn(primary.taskDefinition)} takes its place (${reasonOf(primary)})`;
  if (failed)
    return {
      state: "failed",
      detail: `${name(failed)} failed: ${reasonOf(failed)}; ${instead}`,
      deployment: failed,
    };
  if (isReturn(primary)) return { state: "failed", detail: `ECS has given it up: ${instead}`, deployment: ours };
  const isOld = before?.id === primary.id && before?.createdAt?.getTime() === primary.createdAt?.getTime();
  if (isOld && looks <= OLD_LOOKS)
    return { state: "waiting", detail: "ECS does not show the new deployment yet", deployment: undefined };
  return { state: "failed", detail: `it was replaced: ${instead}`, deployment: ours };
}

export function name({ id }: Deployment): string {
  return `deployment ${id ?? "without id"}`;
}

/** `orders-api:7` */
export function shortArn(arn = ""): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

function reasonOf({ rolloutStateReason, rolloutState }: Deployment): string {
  return (rolloutStateReason ?? rolloutState ?? "no reason given").replace(/\.$/, "");
}
