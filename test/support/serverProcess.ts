/** A server that a test has started, with what it said last. */
import { spawn } from "node:child_process";

const LOOK_EVERY_MS = 100;
const KEPT_OUTPUT = 8000;

export class ServerProcess {
  private readonly child;
  private readonly ended: Promise<void>;
  private output = "";

  constructor(
    private readonly file: string,
    flags: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ) {
    const child = spawn(file, flags, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.ended = new Promise<void>((resolve) => {
      child.once("error", () => resolve());
      child.once("exit", () => resolve());
    });
    const keep = (chunk: string) => (this.output = (this.output + chunk).slice(-KEPT_OUTPUT));
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
  }

  /** Whether it has ended, or could not even be started. */
  get isOver(): boolean {
    const { exitCode, signalCode, pid } = this.child;
    return exitCode !== null || signalCode !== null || pid === undefined;
  }

  get told(): string {
    return `${this.file} said:\n${this.output}`;
  }

  async kill(): Promise<void> {
    if (!this.isOver) this.child.kill("SIGKILL");
    await this.ended;
  }

  /** Lets it clear away what it made; killed after `withinMs`. */
  async end(withinMs: number): Promise<void> {
    if (this.isOver) return;
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), withinMs);
    await this.ended;
    clearTimeout(late);
  }
}

/** @throws with what they said, when one of them ends before, or when it takes longer. */
export async function untilServed(
  what: string,
  all: readonly ServerProcess[],
  withinMs: number,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const limit = Date.now() + withinMs;
  let last = "";
  while (Date.now() < limit) {
    const over = all.find(({ isOver }) => isOver);
    if (over) throw new Error(`It ended before ${what}. ${over.told}`);
    try {
      if (await isSo()) return;
    } catch (error) {
      last = (error as Error).message;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`Not within ${withinMs} ms: ${what} (${last}).\n${all.map(({ told }) => told).join("\n")}`);
}
