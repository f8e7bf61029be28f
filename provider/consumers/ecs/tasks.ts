/** What tasks say of themselves. Pure. */
import type * as Sdk from "@aws-sdk/client-ecs";
import { shortArn } from "./deployments";

export type Task = Sdk.Task;

/**
 * Ended by itself, or by ECS because it was not healthy; not one that was scaled in, or that a person or the loss of
 * capacity ended. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
 */
export function hasFailed({ stopCode, stoppedReason = "" }: Task): boolean {
  if (stopCode === "TaskFailedToStart" || stopCode === "EssentialContainerExited") return true;
  return stopCode === "ServiceSchedulerInitiated" && /health check/i.test(stoppedReason);
}

/**
 * It could not get a secret, and another try would not get it either.
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
 */
export function cannotGetSecret({ stoppedReason = "" }: Task): boolean {
  return (
    /ResourceInitializationError/.test(stoppedReason) &&
    /secret/i.test(stoppedReason) &&
    /ResourceNotFound|AccessDenied|not authorized|did not contain json key|InvalidParameter|can't find/i.test(
      stoppedReason,
    )
  );
}

/** Its processes may still run. */
export function isAlive({ lastStatus }: Task): boolean {
  return lastStatus !== "STOPPED" && lastStatus !== "DELETED";
}

export function idOf({ taskArn }: Task): string {
  return shortArn(taskArn);
}

const SHOWN_TASKS = 3;
const SHOWN_CHARACTERS = 500;

/** The tasks' own words, the same words once. */
export function describeFailures(failed: readonly Task[], redact: (text: string) => string): string {
  const byWords = new Map<string, string[]>();
  for (const task of failed) {
    const words = redact(wordsOf(task)).slice(0, SHOWN_CHARACTERS);
    byWords.set(words, [...(byWords.get(words) ?? []), idOf(task)]);
  }
  const shown = [...byWords].slice(0, SHOWN_TASKS).map(([words, [first, ...others]]) => {
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return `task ${first}${more}: ${words}`;
  });
  const left = byWords.size - shown.length;
  return shown.join("; ") + (left > 0 ? `; ${left} other reasons` : "");
}

function wordsOf({ stopCode, stoppedReason, containers = [] }: Task): string {
  const ends = containers.flatMap(({ name, exitCode, reason }) => {
    const parts = [exitCode === undefined ? "" : `exit code ${exitCode}`, reason ?? ""].filter((part) => part !== "");
    return parts.length > 0 ? [`container "${name}": ${parts.join(", ")}`] : [];
  });
  return [stopCode ?? "stopped", stoppedReason ?? "no reason given", ...ends].join(": ");
}
