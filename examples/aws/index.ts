/**
 * A database credential in AWS Secrets Manager. A service of ECS reads one field of it when a task starts; the engine
 * starts new tasks because their definition takes an output of the secret.
 */
import * as ecs from "@pulumi/aws/ecs";
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";
import { AwsSecret } from "pulumi-rotating-secrets/aws";

const config = new pulumi.Config();

// The place: the secret that tasks read, our own record beside it, and the policies of both sides.
const place = new AwsSecret("orders-db", {
  name: "orders/db",
  fields: ["url"],
  iamPolicies: true,
  tags: { service: "orders" },
});

const db = new rotation.RotatingPostgresRole("orders-db", {
  connection: {
    host: config.require("host"),
    database: "orders",
    admin: rotation.secretFrom.config("adminUrl"),
  },
  owner: "orders_owner",
  store: place.store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1d" },
  audit: rotation.auditFile(config.require("auditFile")),
});

// What ECS itself may do to start a task: read the one secret. The application needs no permission.
const execution = new iam.Role("orders-execution", {
  assumeRolePolicy: JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ecs-tasks.amazonaws.com" } }],
  }),
});
const mayRead = new iam.RolePolicy("orders-execution", { role: execution.id, policy: place.consumerPolicy });

const definition = new ecs.TaskDefinition(
  "orders",
  {
    family: "orders",
    requiresCompatibilities: ["FARGATE"],
    networkMode: "awsvpc",
    cpu: "256",
    memory: "512",
    executionRoleArn: execution.arn,
    containerDefinitions: pulumi.jsonStringify([
      {
        name: "orders",
        image: config.require("image"),
        essential: true,
        secrets: [{ name: "DATABASE_URL", valueFrom: place.references.ecs.fields.url }],
        // Changes with each version and each return, so that tasks are replaced and read again.
        environment: [{ name: "ROTATION_REF", value: db.ref }],
      },
    ]),
  },
  // The tasks that still run keep theirs until they are replaced.
  { dependsOn: mayRead, retainOnDelete: true },
);

const service = new ecs.Service("orders", {
  cluster: config.require("cluster"),
  desiredCount: 2,
  launchType: "FARGATE",
  taskDefinition: definition.arn,
  networkConfiguration: { subnets: config.requireObject<string[]>("subnets") },
  // Until all tasks are new, the update is not done, and nothing is confirmed.
  waitForSteadyState: true,
  deploymentCircuitBreaker: { enable: true, rollback: true },
});

// Confirmed once the database has seen the new role in use, and no other.
const rollout = new rotation.Rollout("orders", {
  secrets: [db],
  dependents: [service],
  checks: [rotation.check.http({ url: config.require("healthUrl"), bake: "30s" })],
  evidence: "issuer",
});

/** To attach to the role that runs `pulumi`. */
export const pipelinePolicyArn = place.policies?.pipeline.arn;
export const version = db.version;
export const confirmed = rollout.confirmed;
