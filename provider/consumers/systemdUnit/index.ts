/** A unit of systemd on this machine, which is restarted or reloaded and then has to be active again. */
import type { Consumer, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { ConsumerError } from "../../lifecycle/errors";
import { durationMs } from "../../net/options";
import { redactorFor } from "../../net/redact";
import { describeEnd, lastLines } from "../../net/runCommand";
import { describeTarget } from "../../net/target";
import { confirmTold, describeConsumer } from "../../net/toldConsumer";
import { ONE_QUESTION_MS, waitUntil } from "../../net/waitUntil";
import type { SystemdUnitConsumerOptions } from "./options";
import { look, order, type UnitState } from "./systemctl";

export { systemdUnitConsumerOptions, type SystemdUnitConsumerOptions } from "./options";

export function createSystemdUnitConsumer(options: SystemdUnitConsumerOptions, context: AdapterContext): Consumer {
  return {
    ...describeConsumer(options),
    roll: (target) => roll(options, target, context),
    confirm: (target) => confirmTold(options, "systemd does not tell what a unit has read", target, context),
  };
}

const ACTION = "restart";
const TIMEOUT = "90s";

async function roll(options: SystemdUnitConsumerOptions, target: RollTarget, context: AdapterContext): Promise<void> {
  context.signal.throwIfAborted();
  const timeoutMs = durationMs(options.timeout, TIMEOUT);
  const { command, ended, output } = await order(options, options.action ?? ACTION, timeoutMs, context.signal);
  if (ended.how !== "exit" || ended.code !== 0) {
    const lines = lastLines(output, redactorFor(target));
    const wrote = lines.length > 0 ? `Its last lines:\n  ${lines.join("\n  ")}` : "It wrote nothing.";
    throw failure(options, target, `${describeEnd(command, ended, timeoutMs)}. ${wrote}`);
  }
  const seen = await untilActive(options, target, context);
  if (!seen.active) throw failure(options, target, `${seen.detail}.`);
}

interface Seen {
  readonly active: boolean;
  /** It does not get better by waiting. */
  readonly final: boolean;
  readonly detail: string;
}

/**
 * Active at two looks in a row, and by the same start: a unit of `Type=simple` counts as active from the moment its
 * process begins, also where that ends at once and is started again and again.
 */
async function untilActive(
  options: SystemdUnitConsumerOptions,
  target: RollTarget,
  context: AdapterContext,
): Promise<Seen> {
  const timeoutMs = durationMs(options.timeout, TIMEOUT);
  let before: string | undefined;
  const seen = await waitUntil<Seen>(
    {
      what: `consumer "${options.name}" to be active`,
      intervalMs: durationMs(options.interval, "500ms"),
      timeoutMs,
      ask: async (leftMs) => {
        const oneMs = Math.min(leftMs, ONE_QUESTION_MS);
        const state = await look(options, oneMs, context.signal);
        if ("ended" in state) {
          before = undefined;
          return { active: false, final: false, detail: describeEnd(state.command, state.ended, oneMs) };
        }
        const judged = judge(options, state);
        const again = before !== undefined && before === state.InvocationID;
        before = judged.active ? state.InvocationID : undefined;
        return judged.active && !again ? { ...judged, active: false, detail: `${judged.detail} only now` } : judged;
      },
      good: (one) => one.active || one.final,
      describe: (one) => one.detail,
    },
    context,
  );
  if (seen.active || seen.final) return seen;
  return { ...seen, detail: `not active within ${describeDuration(timeoutMs)}: ${redactorFor(target)(seen.detail)}` };
}

function judge(options: SystemdUnitConsumerOptions, state: UnitState): Seen {
  const { LoadState, ActiveState, SubState, Result } = state;
  if (LoadState === "not-found") return { active: false, final: true, detail: `there is no unit "${options.unit}"` };
  const detail = `"${options.unit}" is ${ActiveState || "in no known state"} (${SubState || "no known sub-state"})`;
  const active = ActiveState === "active" && (options.subStates ?? ["running"]).includes(SubState);
  if (active) return { active, final: false, detail };
  // One that systemd will start again is "activating".
  const final = ActiveState === "failed";
  return { active, final, detail: final && Result ? `${detail}, its result is ${Result}` : detail };
}

function failure(options: SystemdUnitConsumerOptions, target: RollTarget, why: string): ConsumerError {
  const who = options.manager === "user" ? "systemctl --user" : "systemctl";
  return new ConsumerError(
    `Consumer "${options.name}" was to use ${describeTarget(target)}, and its unit did not come up with it: ${why} ` +
      `Look at "${who} status ${options.unit}".`,
  );
}
