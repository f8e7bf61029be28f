/** The load, as the demo sees it: a process of its own. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { start, type RunningApp } from "./processes";

/** What became of the queries, counted by the process that asked them. */
export interface LoadReport {
  readonly queries: number;
  readonly failed: number;
  /** The first of the failures: when, where and why. */
  readonly failures: readonly string[];
  /** The most connections that were open at the same time. */
  readonly connections: number;
  /** By application: one entry for each correct answer. */
  readonly answers: Readonly<Record<string, readonly LoadAnswer[]>>;
  /** The slowest answer in ms. */
  readonly slowest: number;
}

/** When it was asked, when it was answered, and by which version of the credential. */
export type LoadAnswer = readonly [askedAt: number, answeredAt: number, version: number];

export interface Target {
  readonly name: string;
  readonly url: string;
  /** How many ask at the same time, each how often in a second. */
  readonly workers: number;
  readonly rate: number;
  /** Whether a worker keeps its connection, or opens one for each query. */
  readonly keepAlive: boolean;
}

/** How many correct answers each application gave in a span of time, those on its edges left out. */
export function answersBetween({ answers }: LoadReport, from: number, to = Infinity): Record<string, number> {
  return Object.fromEntries(
    Object.entries(answers).map(([app, list]) => [
      app,
      list.filter(([askedAt, answeredAt]) => askedAt >= from && answeredAt <= to).length,
    ]),
  );
}

export class Load {
  private readonly ended: Promise<never>;

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, "exit").then(() => Promise.reject(new Error("The load generator has ended.")));
    // At the end it is stopped, and nobody asks any more.
    this.ended.catch(() => undefined);
  }

  static start(pool: RunningApp, perRequest: RunningApp, log: string): Load {
    const targets: Target[] = [
      { name: pool.name, url: pool.url, workers: 20, rate: 4.5, keepAlive: true },
      { name: perRequest.name, url: perRequest.url, workers: 8, rate: 13, keepAlive: false },
    ];
    return new Load(start("demo/loadGenerator.ts", [JSON.stringify(targets)], log));
  }

  /** So far. */
  report(): Promise<LoadReport> {
    return this.ask("report");
  }

  /** Stops asking, waits for what is under way, and reports. */
  stop(): Promise<LoadReport> {
    return this.ask("stop");
  }

  private async ask(what: "report" | "stop"): Promise<LoadReport> {
    const answered = once(this.child, "message") as Promise<[LoadReport]>;
    if (this.child.connected) this.child.send(what);
    const [report] = await Promise.race([answered, this.ended]);
    return report;
  }
}
