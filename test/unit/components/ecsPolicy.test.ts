import assert from "node:assert/strict";
import { Service, TaskDefinition } from "@pulumi/aws/ecs";
import { Policy } from "@pulumi/aws/iam";
import { ecsConsumerPolicy } from "../../../components/aws";
import { run } from "./support";

const SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders-api";
const ROLES = ["arn:aws:iam::123456789012:role/orders-task", "arn:aws:iam::123456789012:role/orders-execution"];

const LISTED = {
  Sid: "ListTasks",
  Effect: "Allow",
  Action: ["ecs:ListTasks"],
  Resource: ["*"],
  Condition: { ArnEquals: { "ecs:cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/prod" } },
};
const TASKS = {
  Sid: "Tasks",
  Effect: "Allow",
  Action: ["ecs:DescribeTasks"],
  Resource: ["arn:aws:ecs:eu-west-1:123456789012:task/prod/*"],
};

function statements(policy: string): unknown[] {
  return (JSON.parse(policy) as { Statement: unknown[] }).Statement;
}

describe("the policy for a consumer of type ecs", () => {
  it("allows one service to be deployed anew and tagged, where the task definition is kept", () => {
    assert.deepEqual(statements(ecsConsumerPolicy({ service: SERVICE })), [
      {
        Sid: "Service",
        Effect: "Allow",
        Action: ["ecs:DescribeServices", "ecs:UpdateService", "ecs:TagResource"],
        Resource: [SERVICE],
      },
      LISTED,
      TASKS,
      { Sid: "TaskDefinitions", Effect: "Allow", Action: ["ecs:DescribeTaskDefinition"], Resource: ["*"] },
    ]);
  });

  it("allows revisions with the task definition's roles, to ECS tasks only, where it is revised", async () => {
    const { made } = await run(
      (opts) => {
        const [taskRoleArn = "", executionRoleArn = ""] = ROLES;
        const definition = new TaskDefinition(
          "orders",
          { family: "orders-api", containerDefinitions: "[]", taskRoleArn, executionRoleArn },
          opts,
        );
        const service = new Service("orders", { taskDefinition: definition.arn, desiredCount: 2 }, opts);
        const policy = service.id.apply((id) =>
          ecsConsumerPolicy({ service: id, revises: { family: "orders-api", roles: ROLES } }),
        );
        return new Policy("orders-rotation", { policy }, opts);
      },
      {
        outputs: (type) => (type === "aws:ecs/taskDefinition:TaskDefinition" ? { arn: "arn" } : {}),
        id: () => SERVICE,
      },
    );
    const policy = made.find(({ type }) => type === "aws:iam/policy:Policy")?.inputs["policy"] as string;
    assert.deepEqual(statements(policy), [
      {
        Sid: "Service",
        Effect: "Allow",
        Action: ["ecs:DescribeServices", "ecs:UpdateService"],
        Resource: [SERVICE],
      },
      LISTED,
      TASKS,
      {
        Sid: "TaskDefinitions",
        Effect: "Allow",
        Action: ["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition"],
        Resource: ["*"],
      },
      {
        Sid: "TaskDefinitionTags",
        Effect: "Allow",
        Action: ["ecs:TagResource"],
        Resource: ["arn:aws:ecs:eu-west-1:123456789012:task-definition/orders-api:*"],
      },
      {
        Sid: "Roles",
        Effect: "Allow",
        Action: ["iam:PassRole"],
        Resource: ROLES,
        Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      },
    ]);
  });

  it("refuses what is no service with its cluster", () => {
    for (const service of ["orders-api", "arn:aws:ecs:eu-west-1:123456789012:service/orders-api"])
      assert.throws(() => ecsConsumerPolicy({ service }), /is no ARN of an ECS service with its cluster in it/);
  });
});
