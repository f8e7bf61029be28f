/**
 * An execution environment: a real Node process that runs one version of a function. It is started cold by the first
 * invocation that finds none free, with that version's variables, and is kept for the next ones.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
import { spawn, type ChildProcess } from "node:child_process";
import { dirname } from "node:path";
import type { Version } from "./settings";

/** What an invocation comes to. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_ResponseSyntax */
export interface Outcome {
  readonly payload: string;
  /** `Unhandled`, or absent where the function answered. */
  readonly functionError?: string;
}

/** Loads the function's module as Lambda's own runtime does, and calls it once for each message. */
const BOOTSTRAP = `
const send = (message) => process.send(message);
const failed = (error) => ({
  errorType: error?.name ?? "Error", errorMessage: String(error?.message ?? error),
});
let handler;
try {
  handler = require(process.env.LAMBDA_CODE_FILE)[process.env._HANDLER];
  if (typeof handler !== "function") throw Object.assign(new Error("handler is undefined or not exported"), { name: "Runtime.HandlerNotFound" });
  send({ ready: true });
} catch (error) {
  send({ failed: failed(error) });
}
process.on("disconnect", () => process.exit(0));
process.on("message", ({ event, context }) => {
  Promise.resolve().then(() => handler(event, context)).then(
    (result) => send({ result: result === undefined ? null : result }),
    (error) => send({ failed: failed(error) }),
  );
});
`;

interface Message {
  readonly ready?: true;
  readonly result?: unknown;
  readonly failed?: { readonly errorType: string; readonly errorMessage: string };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib */
const INIT_TIMEOUT_MS = 10_000;

export class Environment {
  busy = false;
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;
  private waiting: ((message: Message) => void) | undefined;
  private early: Message | undefined;
  private initialised = false;
  private readonly output: string[] = [];

  constructor(
    readonly version: Version,
    functionName: string,
    region: string,
  ) {
    const { code, variables, memory } = version.settings;
    this.child = spawn(process.execPath, ["-e", BOOTSTRAP], {
      cwd: dirname(code.file),
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
      env: {
        PATH: process.env["PATH"],
        ...variables,
        AWS_REGION: region,
        AWS_LAMBDA_FUNCTION_NAME: functionName,
        AWS_LAMBDA_FUNCTION_VERSION: version.name,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memory),
        LAMBDA_TASK_ROOT: dirname(code.file),
        LAMBDA_CODE_FILE: code.file,
        _HANDLER: code.handler,
      },
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (chunk: Buffer) => this.output.push(chunk.toString()));
    this.child.on("message", (message) => this.take(message as Message));
    this.exited = new Promise((resolve) => {
      const gone = () => {
        this.take({
          failed: { errorType: "Runtime.ExitError", errorMessage: "Runtime exited without providing a reason" },
        });
        resolve();
      };
      this.child.once("exit", gone).once("error", gone);
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** What it wrote, which Lambda keeps in CloudWatch. */
  log(): string {
    return this.output.join("");
  }

  async invoke(event: unknown, context: object): Promise<Outcome> {
    if (!this.initialised) {
      const started = await this.next(INIT_TIMEOUT_MS);
      if (started?.ready !== true) {
        await this.stop();
        return unhandled(started?.failed ?? { errorType: "Sandbox.Timedout", errorMessage: "Init timed out" });
      }
      this.initialised = true;
    }
    const { timeout } = this.version.settings;
    this.child.send({ event, context });
    const answer = await this.next(timeout * 1000);
    if (answer === undefined) {
      await this.stop();
      return unhandled({
        errorType: "Sandbox.Timedout",
        errorMessage: `Error: Task timed out after ${timeout.toFixed(2)} seconds`,
      });
    }
    return answer.failed === undefined ? { payload: JSON.stringify(answer.result) } : unhandled(answer.failed);
  }

  async stop(): Promise<void> {
    if (this.alive) this.child.kill("SIGKILL");
    await this.exited;
  }

  /** @returns `undefined` when the time is over. */
  private next(timeoutMs: number): Promise<Message | undefined> {
    const { early } = this;
    this.early = undefined;
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.waiting = undefined;
        resolve(undefined);
      }, timeoutMs);
      this.waiting = (message) => {
        clearTimeout(timer);
        resolve(message);
      };
    });
  }

  private take(message: Message): void {
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting === undefined) this.early ??= message;
    else waiting(message);
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html */
function unhandled(error: NonNullable<Message["failed"]>): Outcome {
  return { functionError: "Unhandled", payload: JSON.stringify({ ...error, trace: [] }) };
}
