/**
 * A service with the deployment controller ECS, which replaces tasks in a rolling update:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
 */
import { randomInt } from "node:crypto";
import { Balancer } from "./balancer";
import type { Gates } from "./gates";
import type { SecretsSource } from "./secretReference";
import { Task } from "./task";
import type { Controller, RolloutState, Tag, TaskDefinition } from "./wire";

export interface ServiceOptions {
  readonly name: string;
  readonly taskDefinition: TaskDefinition;
  readonly desiredCount: number;
  /** Default: ECS. */
  readonly controller?: Controller;
  /** Default: none. */
  readonly circuitBreaker?: { readonly rollback: boolean };
  /** `false`: a task counts as healthy as soon as it runs. Default: it is healthy when it says that it listens. */
  readonly loadBalancer?: boolean;
  /** Of `deploymentConfiguration`. Default: ROLLING. */
  readonly strategy?: string;
  readonly tags?: readonly Tag[];
}

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html */
interface Deployment {
  readonly id: string;
  status: "PRIMARY" | "ACTIVE";
  readonly definition: TaskDefinition;
  createdAt: number;
  updatedAt: number;
  failedTasks: number;
  rolloutState: RolloutState;
  rolloutStateReason: string;
}

export interface Surroundings {
  readonly cluster: string;
  /** `arn:aws:ecs:region:account` */
  readonly prefix: string;
  readonly now: () => number;
  readonly secrets: SecretsSource;
  readonly gates: Gates;
}

/** https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html: from 3 to 200. */
const breakerThreshold = (desired: number) => Math.min(Math.max(Math.ceil(desired / 2), 3), 200);
/**
 * Without a circuit breaker ECS starts tasks again and again, with growing waits:
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html. Here it waits until a test
 * says so.
 */
const THROTTLED_AFTER = 4;
const MOST_EVENTS = 100;

export class Service {
  readonly name: string;
  readonly tags: Tag[];
  readonly balancer = new Balancer<Task>();
  readonly tasks: Task[] = [];
  desiredCount: number;
  status: "ACTIVE" | "DRAINING" | "INACTIVE" = "ACTIVE";
  private deployments: Deployment[] = [];
  private readonly events: { readonly id: string; readonly createdAt: number; readonly message: string }[] = [];
  /** The deployment that last reached a steady state: what a circuit breaker returns to. */
  private lastCompleted: Deployment | undefined;
  private throttled = false;
  private stopped = false;

  constructor(
    private readonly options: ServiceOptions,
    private readonly around: Surroundings,
  ) {
    this.name = options.name;
    this.tags = [...(options.tags ?? [])];
    this.desiredCount = options.desiredCount;
    this.deploy(options.taskDefinition);
  }

  get arn(): string {
    return `${this.around.prefix}:service/${this.around.cluster}/${this.name}`;
  }

  get controller(): Controller {
    return this.options.controller ?? "ECS";
  }

  get taskDefinition(): TaskDefinition {
    return this.primary.definition;
  }

  /** A new deployment: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html */
  deploy(definition: TaskDefinition): void {
    const id = `ecs-svc/${String(randomInt(1, 2 ** 47)).padStart(19, "1")}`;
    for (const deployment of this.deployments) deployment.status = "ACTIVE";
    this.throttled = false;
    const now = this.around.now();
    this.deployments.unshift({
      id,
      status: "PRIMARY",
      definition,
      createdAt: now,
      updatedAt: now,
      failedTasks: 0,
      rolloutState: "IN_PROGRESS",
      rolloutStateReason: `ECS deployment ${id} in progress.`,
    });
    this.reconcile();
  }

  scale(desiredCount: number): void {
    this.desiredCount = desiredCount;
    this.reconcile();
  }

  /** Goes on starting tasks that ECS had begun to start less often. */
  startAgain(): void {
    this.throttled = false;
    this.reconcile();
  }

  say(message: string): void {
    this.events.unshift({
      id: `${this.events.length}-${this.name}`,
      createdAt: this.around.now() / 1000,
      message: `(service ${this.name}) ${message}`,
    });
    this.events.splice(MOST_EVENTS);
  }

  /** At once. */
  kill(): void {
    this.stopped = true;
    for (const task of this.tasks) task.kill();
  }

  describe(include: readonly string[] = []): object {
    const counts = (tasks: readonly Task[]) => ({
      runningCount: tasks.filter(({ lastStatus }) => lastStatus === "RUNNING").length,
      pendingCount: tasks.filter(({ lastStatus }) => ["PROVISIONING", "PENDING", "ACTIVATING"].includes(lastStatus))
        .length,
    });
    const { circuitBreaker, loadBalancer = true, strategy = "ROLLING" } = this.options;
    const rolling = this.controller === "ECS";
    return {
      serviceArn: this.arn,
      serviceName: this.name,
      clusterArn: `${this.around.prefix}:cluster/${this.around.cluster}`,
      status: this.status,
      desiredCount: this.desiredCount,
      ...counts(this.tasks),
      launchType: "FARGATE",
      schedulingStrategy: "REPLICA",
      taskDefinition: this.taskDefinition.taskDefinitionArn,
      ...(rolling ? {} : { deploymentController: { type: this.controller } }),
      deploymentConfiguration: {
        maximumPercent: 200,
        minimumHealthyPercent: 100,
        strategy,
        deploymentCircuitBreaker: { enable: circuitBreaker !== undefined, rollback: circuitBreaker?.rollback ?? false },
      },
      loadBalancers: loadBalancer ? [{ targetGroupArn: `${this.around.prefix}:targetgroup/${this.name}` }] : [],
      // With CODE_DEPLOY and EXTERNAL there are task sets in their place.
      deployments: rolling
        ? this.deployments.map(({ definition, createdAt, updatedAt, ...shown }) => ({
            ...shown,
            taskDefinition: definition.taskDefinitionArn,
            desiredCount: shown.status === "PRIMARY" ? this.desiredCount : 0,
            ...counts(this.of(shown.id)),
            createdAt: createdAt / 1000,
            updatedAt: updatedAt / 1000,
          }))
        : [],
      events: this.events,
      ...(include.includes("TAGS") ? { tags: this.tags } : {}),
    };
  }

  private get primary(): Deployment {
    const [first] = this.deployments;
    if (!first) throw new Error("a service always has a deployment");
    return first;
  }

  private of(deployment: string): Task[] {
    return this.tasks.filter(({ startedBy }) => startedBy === deployment);
  }

  private isHealthy(task: Task): boolean {
    if (task.lastStatus !== "RUNNING" || task.isStopping) return false;
    return this.options.loadBalancer === false || task.port !== undefined;
  }

  /** Starts and stops what is to be, by the states that things have now. */
  private reconcile(): void {
    if (this.stopped) return;
    const { primary } = this;
    const wanted = this.tasks.filter(({ desiredStatus }) => desiredStatus === "RUNNING");
    const ofPrimary = wanted.filter(({ startedBy }) => startedBy === primary.id);
    // maximumPercent of 200, of tasks that run or are pending.
    const room = 2 * this.desiredCount - wanted.length;
    if (primary.rolloutState !== "FAILED" && !this.throttled)
      for (let left = Math.min(this.desiredCount - ofPrimary.length, room); left > 0; left--) this.launch(primary);

    const healthy = this.tasks.filter((task) => this.isHealthy(task)).length;
    // minimumHealthyPercent of 100: a healthy one goes only when there are enough others.
    let spare = healthy - this.desiredCount;
    const former = primary.rolloutState === "FAILED" ? [] : wanted.filter(({ startedBy }) => startedBy !== primary.id);
    for (const task of [...former, ...ofPrimary.slice(this.desiredCount)]) {
      if (this.isHealthy(task) && spare-- <= 0) continue;
      void task.stop("ServiceSchedulerInitiated", `Scaling activity initiated by (deployment ${primary.id})`);
    }
    this.settle(primary);
  }

  /** The steady state: as many healthy tasks as wanted, and none of another deployment. */
  private settle(primary: Deployment): void {
    if (primary.rolloutState !== "IN_PROGRESS") return;
    const others = this.tasks.filter(
      ({ startedBy, desiredStatus }) => startedBy !== primary.id && desiredStatus === "RUNNING",
    );
    const healthy = this.of(primary.id).filter((task) => this.isHealthy(task)).length;
    if (others.length > 0 || healthy !== this.desiredCount) return;
    primary.rolloutState = "COMPLETED";
    primary.rolloutStateReason = `ECS deployment ${primary.id} completed.`;
    primary.updatedAt = this.around.now();
    primary.failedTasks = 0;
    this.lastCompleted = primary;
    // INACTIVE ones are not shown any more.
    this.deployments = [primary];
    this.say("has reached a steady state.");
    this.say(`(deployment ${primary.id}) deployment completed.`);
  }

  private launch(deployment: Deployment): void {
    const { cluster, prefix, now, secrets, gates } = this.around;
    const task = new Task(deployment.definition, deployment.id, `service:${this.name}`, `${prefix}:task/${cluster}`, {
      now,
      secrets,
      gates,
      changed: (one) => this.onChange(one, deployment),
      drain: (one) => this.balancer.deregister(one),
    });
    this.tasks.push(task);
    // The first change of its state would start the next one before this one is counted.
    queueMicrotask(() => void task.start());
  }

  private onChange(task: Task, deployment: Deployment): void {
    if (this.isHealthy(task) && task.port !== undefined && !this.balancer.has(task)) {
      this.balancer.register(task, task.port);
      // "Once a service deployment has one or more successfully running tasks, the failed task count resets to zero."
      deployment.failedTasks = 0;
    }
    if (task.lastStatus === "STOPPED" && hasFailed(task)) this.onFailure(deployment);
    this.reconcile();
  }

  private onFailure(deployment: Deployment): void {
    if (deployment.rolloutState !== "IN_PROGRESS" || deployment.status !== "PRIMARY") return;
    deployment.failedTasks += 1;
    const { circuitBreaker } = this.options;
    if (!circuitBreaker) {
      if (deployment.failedTasks < THROTTLED_AFTER) return;
      this.throttled = true;
      // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
      this.say("is unable to consistently start tasks successfully.");
      return;
    }
    if (deployment.failedTasks < breakerThreshold(this.desiredCount)) return;
    deployment.rolloutState = "FAILED";
    deployment.rolloutStateReason = "ECS deployment circuit breaker: tasks failed to start.";
    deployment.updatedAt = this.around.now();
    this.say(`(deployment ${deployment.id}) deployment failed: tasks failed to start.`);
    if (circuitBreaker.rollback && this.lastCompleted) this.rollBack(deployment, this.lastCompleted);
  }

  /** The former deployment is the primary one again, under its id, and says why. */
  private rollBack(failed: Deployment, to: Deployment): void {
    failed.status = "ACTIVE";
    to.status = "PRIMARY";
    to.rolloutState = "IN_PROGRESS";
    to.rolloutStateReason = `ECS deployment circuit breaker: rolling back to deploymentId ${to.id}.`;
    to.createdAt = to.updatedAt = this.around.now();
    this.deployments = [to, ...this.deployments.filter((one) => one !== to)];
    this.say(`rolling back to (deployment ${to.id}).`);
  }
}

/** Not one that the scheduler or a person has stopped. */
function hasFailed({ stopCode }: Task): boolean {
  return stopCode === "TaskFailedToStart" || stopCode === "EssentialContainerExited";
}
