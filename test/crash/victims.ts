/** Processes that are stopped, the next ones started ahead while others work. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Compiled } from "./compiled";
import type { Orders } from "./victim";

interface Waiting {
  readonly child: ChildProcess;
  readonly ready: Promise<unknown>;
  noise: string;
}

export class Victims {
  private readonly waiting: Waiting[] = [];

  constructor(
    private readonly compiled: Compiled,
    private readonly ahead: number,
  ) {}

  private start(): Waiting {
    const child = fork(this.compiled.victim, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
    const waiting: Waiting = { child, ready: once(child, "message"), noise: "" };
    waiting.ready.catch(() => undefined);
    child.stderr?.on("data", (data) => (waiting.noise += String(data)));
    return waiting;
  }

  private take(): Waiting {
    while (this.waiting.length < this.ahead) this.waiting.push(this.start());
    const next = this.waiting.shift() as Waiting;
    this.waiting.push(this.start());
    return next;
  }

  /** @returns whether the process was killed. */
  async obey(orders: Orders): Promise<boolean> {
    const victim = this.take();
    const { child } = victim;
    const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    await Promise.race([victim.ready, ended]);
    if (child.connected) child.send(orders);
    const [code, signal] = await ended;
    if (code !== 0 && signal === null) throw new Error(`the run ended with ${code}: ${victim.noise}`);
    return signal === "SIGKILL";
  }

  async close(): Promise<void> {
    const alive = this.waiting.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const { child } of alive) child.kill("SIGKILL");
    await Promise.all(alive.map(({ child }) => once(child, "close")));
  }
}
