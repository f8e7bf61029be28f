/**
 * A process that waits for its orders, does one run, and is stopped where they say: `before` and `after` end it by
 * SIGKILL; `lost` makes the call's reply get lost, so that the run goes on with an error.
 */
import { writeFileSync } from "node:fs";
import { UnreachableError } from "../../provider/lifecycle/errors";
import { isAt, watchSeam } from "../support/stopAt.cjs";
import { MiniStack } from "../support/miniEngine";
import { ShiftedClock } from "./clock";
import { registerMintedRole } from "./mintedRole";
import { registerNamedFile } from "./namedFile";
import { perform, type Run } from "./runs";
import type { SiteFacts } from "./program";

export type Moment = "before" | "after" | "lost";

/** Where to stop: at a counted call, or at the first one of a point, in a function. */
export type Stop = { readonly moment: Moment } & (
  { readonly call: string; readonly nth: number } | { readonly point: string; readonly fn?: string }
);

export interface Orders {
  readonly site: SiteFacts;
  readonly run: Run;
  readonly env: Record<string, string>;
  /** By how many ms the clock is ahead. */
  readonly ahead: number;
  readonly state: Partial<MiniStack>;
  readonly stop: Stop | null;
  /** How much faster than usual repeated work is repeated. */
  readonly hurry: number;
  /** Where the report goes. */
  readonly report: string;
}

/** A call that the run came to. */
export interface Call {
  readonly call: string;
  readonly nth: number;
}

export interface Report {
  /** What the engine has saved: a call's result only once the next step begins. */
  readonly state: Partial<MiniStack>;
  readonly calls: readonly Call[];
  /** Whether it was stopped. */
  readonly stopped: boolean;
  readonly error?: string;
}

registerMintedRole();
registerNamedFile();
process.once("message", (orders: Orders) => void obey(orders).then(() => process.exit(0)));
process.send?.("ready");

async function obey(orders: Orders): Promise<void> {
  const { site, run, stop } = orders;
  Object.assign(process.env, orders.env);
  if (orders.hurry > 1) hurry(orders.hurry);
  const stack = Object.assign(new MiniStack(new ShiftedClock(orders.ahead)), orders.state);
  const calls: Call[] = [];
  let stopped = false;
  const report = (error?: string) => {
    const { secret, pending, rollout } = stack;
    writeFileSync(orders.report, JSON.stringify({ state: { secret, pending, rollout }, calls, stopped, error }));
  };
  const die = () => {
    stopped = true;
    report();
    process.kill(process.pid, "SIGKILL");
  };
  let target: object | undefined;
  watchSeam({
    before(effect) {
      calls.push({ call: effect.call, nth: effect.nth });
      if (!stop || target || !isAt(effect, stop)) return;
      target = effect;
      if (stop.moment === "before") die();
    },
    after(effect) {
      if (effect !== target || stopped) return;
      if (stop?.moment === "after") die();
      stopped = true;
      throw new UnreachableError(`The reply to ${(effect as { point: string }).point} was lost.`);
    },
  });
  report((await perform(stack, site, run))?.message);
}

/** Lets what is repeated every so often be repeated more often. */
function hurry(times: number): void {
  const usual = setInterval;
  globalThis.setInterval = ((work: () => void, ms: number) => usual(work, ms / times)) as typeof setInterval;
}
