/**
 * How this process learns that its run is to end.
 *
 * The engine starts each provider in a process group of its own, so that Ctrl-C in a terminal does not reach it. At the
 * first Ctrl-C, or SIGTERM to the CLI, the engine calls the provider's `Cancel` and waits for the steps under way. The
 * SDK's dynamic provider answers that call and does nothing more, so the call is watched here as it comes in. At the
 * second one the CLI kills its providers.
 */
import type { EventEmitter } from "node:events";
import { createServer } from "node:http2";

const CANCEL = "/pulumirpc.ResourceProvider/Cancel";

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
/** How long a process that was told to end may take to finish its step and give its leases back. */
const LEAVE_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

/**
 * @param cancel told why; may be called more than once.
 * @param isIdle whether nothing is under way any more.
 */
export function watchForCancellation(cancel: (why: string) => void, isIdle: () => boolean): void {
  onEngineCall(CANCEL, () => cancel("Ctrl-C, or SIGTERM to pulumi"));
  for (const [signal, code] of Object.entries(SIGNALS))
    process.on(signal, () => {
      cancel(signal);
      leaveWhenIdle(isIdle, () => process.exit(code));
    });
}

/** A process that gets a signal ends as it would have without us, only not in the middle of a step. */
function leaveWhenIdle(isIdle: () => boolean, leave: () => void): void {
  const until = Date.now() + LEAVE_WITHIN_MS;
  const look = () => {
    if (isIdle() || Date.now() > until) leave();
    else setTimeout(look, LOOK_EVERY_MS);
  };
  look();
}

/**
 * Looks on at the requests that arrive at HTTP/2 servers of this process, of which the SDK's is the only one. Nothing is
 * taken from it: its own listeners are called as before.
 */
function onEngineCall(path: string, listener: () => void): void {
  const servers = Object.getPrototypeOf(createServer()) as EventEmitter;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with `this` below
  const { emit } = servers;
  servers.emit = function (this: EventEmitter, event: string | symbol, ...args: unknown[]): boolean {
    const headers = event === "stream" ? (args[1] as Record<string, unknown> | undefined) : undefined;
    if (headers?.[":path"] === path) listener();
    return emit.call(this, event, ...args);
  };
}
