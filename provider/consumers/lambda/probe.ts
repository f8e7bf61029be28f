/** Invokes the function and judges what it answers. */
import type * as Sdk from "@aws-sdk/client-lambda";
import type { RollTarget } from "../../contracts/consumer";
import { compareAdoption, parseAdoptionReport } from "../../net/adoption";
import { durationMs } from "../../net/options";
import { Refused } from "./failures";
import { cut, type Work } from "./look";
import { DEFAULT_INTERVAL, DEFAULT_PROBE_TIMEOUT, type LambdaProbe } from "./options";

export interface Judged {
  readonly well: boolean;
  /** One sentence part, without a secret value. */
  readonly detail: string;
  /** Which version answered. */
  readonly executed: string | undefined;
  /** The version cannot be invoked just now; that says nothing of the credential. */
  readonly notYet?: true;
}

/** What an answer of Invoke says of the function. */
export interface Answer {
  readonly FunctionError?: string | undefined;
  readonly ExecutedVersion?: string | undefined;
  readonly Payload?: Uint8Array | undefined;
}

/** @param qualifier a version or an alias. */
export async function invoke(
  work: Work,
  probe: LambdaProbe,
  qualifier: string,
  redact: (text: string) => string,
): Promise<Judged> {
  const { api, target } = work;
  const timeoutMs = durationMs(probe.timeout, DEFAULT_PROBE_TIMEOUT);
  try {
    const input: Omit<Sdk.InvokeCommandInput, "FunctionName"> = {
      Qualifier: qualifier,
      InvocationType: "RequestResponse",
      Payload: Buffer.from(JSON.stringify(probe.payload)),
    };
    return judge(await api.call("invoke", input, timeoutMs), probe, target, redact);
  } catch (error) {
    // It is started again after it was idle for long: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    if (error instanceof Refused && error.why === "busy")
      return { well: false, detail: "it cannot be invoked yet", executed: undefined, notYet: true };
    throw error;
  }
}

/** Invokes as often as the probe says. */
export async function invokeUntilWell(
  work: Work,
  probe: LambdaProbe,
  qualifier: string,
  redact: (text: string) => string,
  attempts: number,
  readyMs: number,
): Promise<Judged> {
  const { context, options } = work;
  const until = context.clock.now() + readyMs;
  for (let failed = 0; ;) {
    context.signal.throwIfAborted();
    const judged = await invoke(work, probe, qualifier, redact);
    if (judged.notYet !== true) failed++;
    if (judged.well || failed >= attempts || context.clock.now() >= until) return judged;
    await context.clock.sleep(durationMs(options.interval, DEFAULT_INTERVAL), context.signal);
  }
}

/**
 * Not well is a FunctionError, and an answer for API Gateway with a status of 500 or more. Pure.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_ResponseSyntax
 */
export function judge(
  { FunctionError, ExecutedVersion, Payload }: Answer,
  { adoption }: Pick<LambdaProbe, "adoption">,
  target: RollTarget,
  redact: (text: string) => string,
): Judged {
  const executed = ExecutedVersion;
  const answer = parsed(Payload);
  if (FunctionError !== undefined && FunctionError !== "")
    return { well: false, detail: `it failed (${cut(FunctionError)}): ${wordsOf(answer, redact)}`, executed };
  const status = (answer as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === "number" && status >= 500)
    return { well: false, detail: `it answered with the status ${status}`, executed };
  if (adoption !== true) return { well: true, detail: "it answered", executed };
  const report = parseAdoptionReport((answer as { adoption?: unknown } | null)?.adoption ?? answer);
  if (report === undefined)
    return { well: false, detail: "its answer does not say which version it uses (`adoption` of the probe)", executed };
  const { adopted, detail } = compareAdoption(report, target, redact);
  return { well: adopted, detail: `it ${detail}`, executed };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html */
function wordsOf(answer: unknown, redact: (text: string) => string): string {
  const { errorType, errorMessage } = (answer ?? {}) as { errorType?: unknown; errorMessage?: unknown };
  const words = [errorType, errorMessage].filter((part): part is string => typeof part === "string" && part !== "");
  return words.length === 0 ? "it does not say why" : cut(redact(words.join(": ")));
}

function parsed(payload: Uint8Array | undefined): unknown {
  try {
    return payload === undefined ? undefined : (JSON.parse(Buffer.from(payload).toString()) as unknown);
  } catch {
    return undefined;
  }
}
