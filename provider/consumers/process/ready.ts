/** Waits until the process serves again. */
import type { Health } from "../../contracts/check";
import type { RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { durationMs } from "../../net/options";
import { judgeAnswer } from "../../net/httpExpectation";
import { readAuthorities } from "../../net/httpOptions";
import { askHttp } from "../../net/httpProbe";
import { redactorFor } from "../../net/redact";
import { askTcp } from "../../net/tcpProbe";
import { ONE_QUESTION_MS, waitUntil } from "../../net/waitUntil";
import type { ProcessConsumerOptions } from "./options";

/** @returns the last answer; it is not healthy when the time limit is over. */
export function waitUntilReady(
  options: ProcessConsumerOptions & { readonly ready: NonNullable<ProcessConsumerOptions["ready"]> },
  target: RollTarget,
  context: AdapterContext,
): Promise<Health> {
  const { name, ready } = options;
  return waitUntil<Health>(
    {
      what: `consumer "${name}" to serve again`,
      intervalMs: durationMs(options.interval, "500ms"),
      timeoutMs: durationMs(options.readyTimeout, "60s"),
      ask: (leftMs) => ask(ready, Math.min(leftMs, ONE_QUESTION_MS), target, context.signal),
      good: (health) => health.healthy,
      describe: (health) => health.detail,
    },
    context,
  );
}

async function ask(
  ready: NonNullable<ProcessConsumerOptions["ready"]>,
  timeoutMs: number,
  target: RollTarget,
  signal: AbortSignal,
): Promise<Health> {
  if ("tcp" in ready) return askTcp(ready.tcp, timeoutMs, signal);
  const authorities = ready.caFile === undefined ? undefined : await readAuthorities(ready.caFile);
  const outcome = await askHttp({ url: ready.url, authorities }, timeoutMs, signal);
  if (!outcome.answered) return { healthy: false, detail: outcome.detail };
  return judgeAnswer(ready, outcome.answer, ready, redactorFor(target));
}
