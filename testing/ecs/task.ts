/**
 * A task: its containers are real processes of this machine.
 *
 * The states are those of
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html. A container runs its
 * `entryPoint` and `command` as they are, with its `environment` and its `secrets`, which are resolved when the task
 * starts and never again
 * (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html). That it serves, its
 * first process says itself, by `process.send({ listening: port })`: it stands for the health check.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { parseReference, select, type SecretsSource } from "./secretReference";
import type { Gates } from "./gates";
import type { ContainerDefinition, TaskDefinition } from "./wire";

export type TaskStatus =
  "PROVISIONING" | "PENDING" | "ACTIVATING" | "RUNNING" | "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "STOPPED";

/** https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html#ECS-Type-Task-stopCode */
export type StopCode =
  | "TaskFailedToStart"
  | "EssentialContainerExited"
  | "UserInitiated"
  | "ServiceSchedulerInitiated"
  | "SpotInterruption"
  | "TerminationNotice";

export interface World {
  readonly now: () => number;
  readonly secrets: SecretsSource;
  readonly gates: Gates;
  /** The status of a task is another one. */
  readonly changed: (task: Task) => void;
  /** Called before a task that is stopped gets its signal: no request may be under way to it. */
  readonly drain: (task: Task) => Promise<void>;
}

interface Container {
  readonly definition: ContainerDefinition;
  lastStatus: "PENDING" | "RUNNING" | "STOPPED";
  process?: ChildProcess;
  exitCode?: number;
  reason?: string;
}

/** A container has so long to end by itself: `stopTimeout`, of which 30 s are the default; a test waits less. */
const STOP_TIMEOUT_MS = 2000;

export class Task {
  readonly id = randomBytes(16).toString("hex");
  readonly createdAt: number;
  lastStatus: TaskStatus = "PROVISIONING";
  desiredStatus: "RUNNING" | "STOPPED" = "RUNNING";
  startedAt?: number;
  stoppingAt?: number;
  stoppedAt?: number;
  stopCode?: StopCode;
  stoppedReason?: string;
  /** Where it serves; absent until it says so. */
  port?: number;
  /** The versions that its containers were given, by the secret's ARN. */
  readonly versions = new Map<string, string>();
  private readonly containers: Container[];
  private ending: Promise<void> | undefined;

  constructor(
    readonly definition: TaskDefinition,
    readonly startedBy: string,
    readonly group: string,
    private readonly arnPrefix: string,
    private readonly world: World,
  ) {
    this.createdAt = world.now();
    this.containers = definition.containerDefinitions.map((one) => ({ definition: one, lastStatus: "PENDING" }));
  }

  get arn(): string {
    return `${this.arnPrefix}/${this.id}`;
  }

  /** Whether anything of it may still be running. */
  get isAlive(): boolean {
    return this.lastStatus !== "STOPPED";
  }

  get isStopping(): boolean {
    return this.ending !== undefined;
  }

  async start(): Promise<void> {
    this.become("PENDING");
    let environments: Record<string, string>[];
    try {
      environments = await Promise.all(this.containers.map(({ definition }) => this.environmentOf(definition)));
    } catch (error) {
      // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
      await this.stop(
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: " +
          "unable to retrieve secret from asm: service call has been retried 1 time(s): " +
          (error as Error).message,
      );
      return;
    }
    await this.world.gates.pass("RUNNING");
    if (this.isToEnd()) return;
    this.become("ACTIVATING");
    for (const [index, container] of this.containers.entries()) {
      const failure = await this.run(container, environments[index] ?? {});
      if (this.isToEnd()) return;
      if (failure === undefined) continue;
      // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cannot-start-container.html
      container.reason = `CannotStartContainerError: Error response from daemon: failed to create task for container: ${failure}`;
      await this.stop("TaskFailedToStart", "Task failed to start");
      return;
    }
    this.startedAt = this.world.now();
    this.become("RUNNING");
  }

  /** Ends it as ECS does. Again: the same end. */
  stop(code: StopCode, reason: string): Promise<void> {
    this.ending ??= this.end(code, reason);
    return this.ending;
  }

  /** At once, when the emulator stops. */
  kill(): void {
    this.ending ??= Promise.resolve();
    for (const { process } of this.containers) process?.kill("SIGKILL");
  }

  describe(): object {
    const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
    return {
      taskArn: this.arn,
      clusterArn: this.arnPrefix.replace(":task/", ":cluster/"),
      taskDefinitionArn: this.definition.taskDefinitionArn,
      startedBy: this.startedBy,
      group: this.group,
      lastStatus: this.lastStatus,
      desiredStatus: this.desiredStatus,
      healthStatus: this.port === undefined ? "UNKNOWN" : "HEALTHY",
      launchType: "FARGATE",
      createdAt: seconds(this.createdAt),
      startedAt: seconds(this.startedAt),
      stoppingAt: seconds(this.stoppingAt),
      stoppedAt: seconds(this.stoppedAt),
      stopCode: this.stopCode,
      stoppedReason: this.stoppedReason,
      containers: this.containers.map(({ definition, lastStatus, exitCode, reason }) => ({
        name: definition.name,
        image: definition.image,
        taskArn: this.arn,
        lastStatus,
        exitCode,
        reason,
      })),
    };
  }

  /** Asked after a wait, in which it may have been stopped. */
  private isToEnd(): boolean {
    return this.ending !== undefined;
  }

  private async environmentOf({
    environment = [],
    secrets = [],
  }: ContainerDefinition): Promise<Record<string, string>> {
    const resolved: Record<string, string> = {};
    for (const { name, value } of environment) resolved[name] = value;
    for (const { name, valueFrom } of secrets) {
      const reference = parseReference(valueFrom);
      let found;
      try {
        found = await this.world.secrets(reference);
      } catch (error) {
        throw new Error(`failed to fetch secret ${reference.arn} from secrets manager: ${(error as Error).message}`, {
          cause: error,
        });
      }
      resolved[name] = select(found.text, reference.jsonKey);
      this.versions.set(reference.arn, found.versionId);
    }
    return resolved;
  }

  /** @returns why it could not be started. */
  private async run(container: Container, env: Record<string, string>): Promise<string | undefined> {
    const { entryPoint = [], command = [], essential = true } = container.definition;
    const [program = "", ...args] = [...entryPoint, ...command];
    const path = process.env["PATH"];
    const child = spawn(program, args, {
      env: { ...(path === undefined ? {} : { PATH: path }), ...env },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    container.process = child;
    child.on("message", (message: { readonly listening?: number }) => {
      if (message.listening === undefined || this.ending) return;
      this.port = message.listening;
      this.world.changed(this);
    });
    const failure = await new Promise<string | undefined>((resolve) => {
      child.once("spawn", () => resolve(undefined));
      child.once("error", () => resolve(`exec: "${program}": executable file not found in $PATH`));
    });
    if (failure !== undefined) return failure;
    container.lastStatus = "RUNNING";
    child.once("exit", (code, signal) => {
      container.lastStatus = "STOPPED";
      // As a shell counts: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
      container.exitCode = code ?? 128 + (signal === "SIGKILL" ? 9 : 15);
      if (essential) void this.stop("EssentialContainerExited", "Essential container in task exited");
    });
    return undefined;
  }

  private async end(code: StopCode, reason: string): Promise<void> {
    this.desiredStatus = "STOPPED";
    this.stopCode = code;
    this.stoppedReason = reason;
    this.stoppingAt = this.world.now();
    this.become("DEACTIVATING");
    await this.world.drain(this);
    await this.world.gates.pass("STOPPING");
    this.become("STOPPING");
    await Promise.all(this.containers.flatMap(({ process }) => (process ? [endOf(process)] : [])));
    for (const container of this.containers) container.lastStatus = "STOPPED";
    this.become("DEPROVISIONING");
    this.stoppedAt = this.world.now();
    this.become("STOPPED");
  }

  private become(status: TaskStatus): void {
    this.lastStatus = status;
    this.world.changed(this);
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
