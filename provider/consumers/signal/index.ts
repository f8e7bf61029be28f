/** A process on this machine that reads its credential again when it gets a signal. */
import type { Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { findProcess, isRunning, sendSignal } from "../../net/pidFile";
import { describeTarget } from "../../net/target";
import { confirmTold, describeConsumer } from "../../net/toldConsumer";
import { identify, whyAnother, writtenAt, type Identity } from "./identity";
import type { SignalConsumerOptions } from "./options";

export { signalConsumerOptions, type SignalConsumerOptions } from "./options";

/** How {@link identify} finds a process; tests give what another platform would say. */
export type Identify = typeof identify;

export function createSignalConsumer(
  options: SignalConsumerOptions,
  context: AdapterContext,
  find: Identify = identify,
): Consumer {
  return {
    ...describeConsumer(options),
    roll: (target) => roll(options, target, context, find),
    confirm: (target) => confirmTold(options, "it was only signalled", target, context),
  };
}

async function roll(
  options: SignalConsumerOptions,
  target: RollTarget,
  context: AdapterContext,
  find: Identify,
): Promise<void> {
  context.signal.throwIfAborted();
  const name = options.signal ?? "SIGHUP";
  const found = await meant(options, find);
  if (!("pid" in found)) throw notSignalled(options, target, found.why);
  const result = sendSignal(found.pid, name);
  if (result === "absent") throw notSignalled(options, target, `process ${found.pid} ended before it got the signal`);
  if (result === "not-permitted") throw notSignalled(options, target, `this user may not signal process ${found.pid}`);
  // The default action of most signals is to end the process.
  await context.clock.sleep(durationMs(options.interval, "500ms"), context.signal);
  if (await stillRuns(found, find)) return;
  // One that answers a signal by starting itself anew has written its id anew.
  const next = await meant(options, find);
  if ("pid" in next) return;
  throw new ConsumerError(
    `Consumer "${options.name}": process ${found.pid} ended after it got ${name}. It was to use ` +
      `${describeTarget(target)}. Start it again, and send a signal by which it reads its credential again.`,
  );
}

type Meant = { readonly pid: number; readonly identity: Identity | undefined } | { readonly why: string };

/** The process that the pid file names, unless it is another one by now. */
async function meant({ pidFile, program }: SignalConsumerOptions, find: Identify): Promise<Meant> {
  const found = await findProcess(pidFile);
  if (found.state !== "running") return found;
  const { pid } = found;
  const [identity, written] = await Promise.all([find(pid), writtenAt(pidFile)]);
  if (identity === undefined) return { why: `process ${pid} ended while it was looked at` };
  if (identity === "unknown") {
    if (program === undefined) return { pid, identity: undefined };
    return { why: `this platform does not tell what process ${pid} runs, so "program" cannot be compared` };
  }
  const why = written === undefined ? "the pid file is gone" : whyAnother(identity, written, program);
  return why === undefined ? { pid, identity } : { why };
}

async function stillRuns({ pid, identity }: Extract<Meant, { pid: number }>, find: Identify): Promise<boolean> {
  if (!isRunning(pid)) return false;
  if (!identity) return true;
  const now = await find(pid);
  return typeof now === "object" && now.startedAt === identity.startedAt;
}

function notSignalled(options: SignalConsumerOptions, target: RollTarget, why: string): ConsumerError {
  return new ConsumerError(
    `Consumer "${options.name}" could not be signalled: ${why}. It was to use ${describeTarget(target)}, and nothing ` +
      `was sent. Start the process, or correct "pidFile"${options.program === undefined ? "" : ` or "program"`}.`,
  );
}
