/** The words of this consumer for what ECS answers. */
import { ConfigurationError, UnreachableError, type RotationError } from "../../lifecycle/errors";
import { actionNamed, type AwsAttempt, type AwsFacts, type AwsUse } from "../../net/aws/failures";
import type { EcsConsumerOptions } from "./options";

/** ECS was busy and has surely not carried the call out: it may be made again. */
export class TurnedAway extends UnreachableError {}

const TURNED_AWAY = new Set(["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"]);

type Named = Pick<EcsConsumerOptions, "name" | "cluster" | "service">;

export function useOf({ name, cluster, service }: Named): AwsUse {
  const place = `${cluster}/${service}`;
  return {
    service: "Amazon ECS",
    user: `consumer "${name}"`,
    place,
    resource: "service",
    asBefore: "The service is as it was before this call.",
    action: ({ operation }) => actionNamed("ecs", operation),
    subject: ({ subject }) => `${subject} (consumer "${name}", service ${place})`,
    permission: (attempt, facts) => permission(attempt, facts, place),
    refusal: (attempt, facts, doing) => refusal(attempt, facts, doing, place),
  };
}

function permission({ operation, subject }: AwsAttempt, { deniedAction }: AwsFacts, place: string): string {
  const action = deniedAction ?? actionNamed("ecs", operation);
  if (action === "iam:PassRole")
    return "iam:PassRole on the task role and the execution role of the task definition, to ecs-tasks.amazonaws.com";
  if (action === "ecs:TagResource" && operation === "registerTaskDefinition")
    return "ecs:TagResource on the task definition: the revision has the tags of the one before";
  const on: Record<string, string> = {
    describeServices: `arn:aws:ecs:REGION:ACCOUNT:service/${place}`,
    updateService: `arn:aws:ecs:REGION:ACCOUNT:service/${place}`,
    tagResource: subject,
    registerTaskDefinition: `arn:aws:ecs:REGION:ACCOUNT:task-definition/${subject}:*`,
  };
  return `${action} on ${on[operation] ?? "*"}`;
}

function refusal(attempt: AwsAttempt, facts: AwsFacts, doing: string, place: string): RotationError | undefined {
  const { name, deniedAction } = facts;
  switch (name) {
    case "ClusterNotFoundException":
    case "ServiceNotFoundException":
      return new ConfigurationError(
        `AWS has no such thing for ${doing} (${name}). Correct \`cluster\`, \`service\` or \`region\`: the service ` +
          `${place} has to exist.`,
      );
    case "ServiceNotActiveException":
      return new ConfigurationError(
        `AWS refused ${doing}: the service is being deleted, or was (${name}). Make it again, or take the consumer out.`,
      );
    case "InvalidParameterException":
      if (attempt.operation !== "tagResource") break;
      return new ConfigurationError(
        `AWS refused ${doing} (${name}). The service has to have an ARN of the long format, with the cluster in it, so ` +
          "that it can be tagged; one that was made before 2021 may have to be made anew. No deployment was made.",
      );
    case "AccessDeniedException":
      break;
    default:
      // ECS wraps the refusal of a role in an error of its own.
      if (deniedAction !== undefined)
        return new ConfigurationError(
          `AWS does not allow ${doing} (${name}). The service is as it was before this call. Allow ` +
            `${permission(attempt, facts, place)}. Then run again.`,
        );
      if (TURNED_AWAY.has(name))
        return new TurnedAway(
          `AWS turned ${doing} away again and again: too many calls are made in this account and region (${name}). ` +
            "The service is as it was before this call. Run again later, or raise `maxAttempts` and `timeout`.",
        );
  }
  return undefined;
}
