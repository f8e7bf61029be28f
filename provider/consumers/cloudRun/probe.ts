/** Asks the new revision by its own address, before it gets requests and while it gets some. */
import type { AdapterContext } from "../../contracts/context";
import { describeDuration } from "../../lifecycle/duration";
import { judgeAnswer } from "../../net/httpExpectation";
import { readAuthorities, resolveHeaders } from "../../net/httpOptions";
import { askHttp } from "../../net/httpProbe";
import { durationMs } from "../../net/options";
import { waitUntil } from "../../net/waitUntil";
import type { Service } from "./messages";
import type { CloudRunConsumerOptions } from "./options";
import { probeUri } from "./traffic";

interface Answer {
  readonly healthy: boolean;
  readonly detail: string;
}

/** @returns what was wrong with the last answer, when no good one came in time. */
export async function askProbe(
  uri: string,
  options: CloudRunConsumerOptions,
  context: AdapterContext,
): Promise<string | undefined> {
  const withinMs = durationMs(options.probe?.within, "60s");
  const answer = await waitUntil<Answer>(
    {
      what: `the new revision of consumer "${options.name}" to answer its probe`,
      intervalMs: durationMs(options.interval, "2s"),
      timeoutMs: withinMs,
      ask: (leftMs) => askOnce(uri, leftMs, options, context),
      good: ({ healthy }) => healthy,
      describe: ({ detail }) => detail,
    },
    context,
  );
  return answer.healthy ? undefined : `${answer.detail}; no good answer within ${describeDuration(withinMs)}`;
}

/** Once; nothing where there is no probe. */
export async function keepAsking(
  service: Service,
  revision: string,
  options: CloudRunConsumerOptions,
  context: AdapterContext,
): Promise<string | undefined> {
  const uri = options.probe === undefined ? undefined : probeUri(service, revision);
  if (uri === undefined) return undefined;
  const { healthy, detail } = await askOnce(uri, Number.POSITIVE_INFINITY, options, context);
  return healthy ? undefined : detail;
}

async function askOnce(
  uri: string,
  leftMs: number,
  { probe }: CloudRunConsumerOptions,
  context: AdapterContext,
): Promise<Answer> {
  const headers = await resolveHeaders(probe?.headers, context);
  const authorities = probe?.caFile === undefined ? undefined : await readAuthorities(probe.caFile);
  const question = { url: new URL(probe?.path ?? "/", uri).href, headers, authorities };
  const outcome = await askHttp(question, Math.min(leftMs, durationMs(probe?.timeout, "10s")), context.signal);
  context.signal.throwIfAborted();
  if (!outcome.answered) return { healthy: false, detail: outcome.detail };
  return judgeAnswer(question, outcome.answer, { expectStatus: probe?.expectStatus }, (text) => text);
}
