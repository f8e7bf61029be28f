/**
 * Amazon ECS in memory, behind its JSON protocol on the loopback interface: for tests that use the real client,
 * `@aws-sdk/client-ecs`. The tasks of its services are real processes.
 *
 * It has one cluster with services under the rolling update, task definitions with their revisions, deployments with
 * their rollout states, the circuit breaker, the tasks' states and reasons, tags, and the errors of these. Each rule names the page
 * that says so. It has no container instances, capacity, task sets or blue/green deployments, and does not look at images. Things
 * happen as soon as they can, with no waits: a test that wants to look at a state on the way holds it.
 */
import { openDoor, type EcsDoor } from "./door";
import { EcsError, type Code } from "./errors";
import { denied, Faults, type EcsFault } from "./faults";
import { Gates, type Point } from "./gates";
import { handlersOf, OPERATIONS, type Operation } from "./operations";
import type { SecretsSource } from "./secretReference";
import { Service, type ServiceOptions } from "./service";
import { TaskDefinitions } from "./taskDefinitions";
import type { Request, TaskDefinition, TaskDefinitionInput } from "./wire";

export type { Answer as EcsAnswer } from "./balancer";
export type { EcsDoor } from "./door";
export type { EcsFault } from "./faults";
export type { Operation as EcsOperation } from "./operations";
export type { ResolvedSecret, SecretReference, SecretsSource } from "./secretReference";
export type { Service as EcsService } from "./service";
export type { Task as EcsTask } from "./task";
export type { ContainerDefinition as EcsContainerDefinition, TaskDefinitionInput as EcsTaskDefinition } from "./wire";

export interface EcsEmulatorOptions {
  /** Default: "orders". */
  readonly cluster?: string;
  /** Default: the clock of this machine. In ms since the epoch. */
  readonly now?: () => number;
  /** Stands for Secrets Manager: asked when a task starts. */
  readonly secrets: SecretsSource;
}

export interface EcsEmulator {
  readonly cluster: string;
  readonly definitions: TaskDefinitions;
  /** The calls so far, in the order in which they came. */
  readonly calls: readonly { readonly operation: Operation; readonly request: Request }[];
  /** Registers a revision as a person would. */
  register(input: TaskDefinitionInput): TaskDefinition;
  /** Makes a service, which begins its first deployment. */
  createService(options: Omit<ServiceOptions, "taskDefinition"> & { readonly taskDefinition: string }): Service;
  /** An address of its own for a further caller. */
  open(): Promise<EcsDoor>;
  /** The next calls that it fits go wrong. Of several, the first that fits. */
  fail(fault: EcsFault): void;
  /** These are refused for want of a permission from now on. @param permissions such as `iam:PassRole`; empty: none */
  deny(permissions: readonly string[]): void;
  /** Tasks wait before they take this state. */
  hold(point: Point): void;
  /** @param point absent: all of them */
  release(point?: Point): void;
  /** Ends every process and closes every address. */
  stop(): Promise<void>;
}

export async function startEcs({
  cluster = "orders",
  now = Date.now,
  secrets,
}: EcsEmulatorOptions): Promise<EcsEmulator> {
  const prefix = "arn:aws:ecs:eu-west-1:123456789012";
  const definitions = new TaskDefinitions(prefix, now);
  const services = new Map<string, Service>();
  const gates = new Gates();
  const faults = new Faults();
  const handlers = handlersOf({ cluster, services, definitions });
  const calls: { operation: Operation; request: Request }[] = [];
  const doors: EcsDoor[] = [];
  let forbidden: readonly string[] = [];

  const act = (operation: Operation, request: Request): object | undefined => {
    calls.push({ operation, request });
    assertAllowed(operation, request);
    const fault = faults.take(operation);
    if (!fault) return handlers[operation](request);
    if (fault.when === "after") handlers[operation](request);
    if (fault.code === undefined) return undefined;
    throw new EcsError(fault.code, fault.message ?? wordsOf(fault.code));
  };
  const assertAllowed = (operation: Operation, request: Request) => {
    for (const action of forbidden) {
      if (action === `ecs:${operation}`) throw denied(action, request.resourceArn ?? "*");
      // A tag that is given with what is made needs its own permission:
      // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
      if (action === "ecs:TagResource" && operation === "RegisterTaskDefinition" && request.tags?.length)
        throw denied(action, `${prefix}:task-definition/${request.family}:*`);
      // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/security_iam_id-based-policy-examples.html
      const role = request["executionRoleArn"] ?? request["taskRoleArn"];
      if (action === "iam:PassRole" && operation === "RegisterTaskDefinition" && typeof role === "string")
        throw denied(action, role);
    }
  };

  return {
    cluster,
    definitions,
    calls,
    register: (input) => definitions.register(input).definition,
    createService: ({ taskDefinition, ...options }) => {
      const { definition } = definitions.find(taskDefinition);
      const service = new Service({ ...options, taskDefinition: definition }, { cluster, prefix, now, secrets, gates });
      services.set(service.name, service);
      return service;
    },
    open: async () => {
      const door = await openDoor(act);
      doors.push(door);
      return door;
    },
    fail: (fault) => faults.add(fault),
    deny: (permissions) => (forbidden = permissions),
    hold: (point) => gates.hold(point),
    release: (point) => gates.release(point),
    stop: async () => {
      for (const service of services.values()) service.kill();
      gates.release();
      await Promise.all(doors.map((door) => door.close()));
    },
  };
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html */
function wordsOf(code: Code): string {
  return code === "ThrottlingException" ? "Rate exceeded" : "made to fail";
}

export const ECS_OPERATIONS = Object.keys(OPERATIONS) as readonly Operation[];
/** Those that change something. */
export const ECS_CHANGES: readonly Operation[] = ECS_OPERATIONS.filter((name) => OPERATIONS[name]);
