/**
 * One run in a process of its own, stopped where the environment says: CRASH_AT=<number of the call>:<moment>.
 * `before` and `after` end the process by SIGKILL; `lost` makes the call's reply get lost, so that the run goes on with
 * an error. Prints the calls that it came to.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { UnreachableError } from "../../provider/lifecycle/errors";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { MiniStack } from "../support/miniEngine";
import { rolloutArgs, secretArgs, type SiteFacts } from "./arguments";
import { ShiftedClock } from "./clock";
import type { RunSpec } from "./scenarios";

const file = process.argv[2] as string;
const { site, run, ahead, state } = JSON.parse(readFileSync(file, "utf8")) as {
  site: SiteFacts;
  run: RunSpec;
  ahead: number;
  state: Partial<MiniStack>;
};
const [at, moment] = (process.env["CRASH_AT"] ?? "0:before").split(":");

const stack = Object.assign(new MiniStack(new ShiftedClock(ahead)), state);
const points: string[] = [];

/** What the engine has saved: a call's result only once the next step begins. */
function save(error?: string): void {
  const { secret, pending, rollout } = stack;
  writeFileSync(`${file}.after`, JSON.stringify({ state: { secret, pending, rollout }, points, error }));
}

Object.assign(globalThis, {
  [SEAM_HOOK]: (point: string, when: "before" | "after") => {
    if (when === "before") points.push(point);
    save();
    if (points.length !== Number(at)) return;
    if (when === moment) process.kill(process.pid, "SIGKILL");
    if (moment === "lost" && when === "after") throw new UnreachableError(`The reply to ${point} was lost.`);
  },
});

async function main(): Promise<void> {
  const result =
    run.do === "destroy" ? await stack.destroy() : await stack.up(secretArgs(site, run), rolloutArgs(site));
  save(result.error?.message);
}

void main().then(() => process.exit(0));
