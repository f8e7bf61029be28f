/** What the tests of the ecs consumer have in common. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, RollTarget } from "../../../provider/contracts/consumer";
import type { AdapterContext } from "../../../provider/contracts/context";
import { ConsumerError } from "../../../provider/lifecycle/errors";
import { runClock } from "../../../provider/clock";
import { EcsSite, type EcsSiteOptions } from "./site";

export interface World {
  readonly site: EcsSite;
  readonly lines: string[];
  /** Of the process that runs now. */
  readonly consumer: Consumer;
  /** A new process. */
  restart(more?: Record<string, unknown>): Promise<Consumer>;
  target(...versions: number[]): RollTarget;
  /** What was deployed by UpdateService. */
  deployments(): number;
  registered(): number;
}

/** Runs a test in a site of its own, and sees that nothing secret was shown and no request failed. */
export async function inSite(
  options: EcsSiteOptions & {
    readonly clock?: AdapterContext["clock"];
    /** The test itself takes tasks away, so that requests fail. */
    readonly loses?: boolean;
  },
  test: (world: World) => Promise<void>,
): Promise<void> {
  const site = await EcsSite.open(options);
  const lines: string[] = [];
  const note = (line: string) => void lines.push(line);
  const context: AdapterContext = {
    clock: options.clock ?? runClock(),
    signal: new AbortController().signal,
    log: { info: note, warn: note },
    resolveSecret: () => Promise.reject(new Error("there are none")),
  };
  const count = (operation: string) => site.ecs.calls.filter((call) => call.operation === operation).length;
  try {
    const world = {
      site,
      lines,
      consumer: await site.start(context),
      restart: async (more?: Record<string, unknown>) => (world.consumer = await site.start(context, more)),
      target: (...versions: number[]) => ({ secrets: versions.map((version) => site.version(version)) }),
      deployments: () => count("UpdateService"),
      registered: () => count("RegisterTaskDefinition"),
    };
    await test(world);
    if (!options.loses) assert.equal(site.failedRequests(), 0, "requests failed");
    for (const line of lines) assert.doesNotMatch(line, /s3cret/);
  } finally {
    await site.close();
  }
}

/** The message of the error, which has no secret in it. */
export async function failure(
  work: Promise<unknown>,
  type: new (message: string) => Error = ConsumerError,
): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof type, String(error));
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret/);
    return error.message;
  }
  return assert.fail("it was expected to fail");
}

/** Time passes with each wait, without anybody waiting for it. */
export function skippingClock(): AdapterContext["clock"] {
  let time = Date.UTC(2026, 0, 1);
  return {
    now: () => time,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      time += ms;
      await sleep(5);
    },
  };
}
