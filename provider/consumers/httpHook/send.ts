/** Sends one call, again where it may be repeated, and says what came of it. */
import type { AdapterContext } from "../../contracts/context";
import { judgeAnswer, type HttpExpectation } from "../../net/httpExpectation";
import { askHttp, type HttpAnswer, type HttpOutcome, type HttpQuestion } from "../../net/httpProbe";
import { retrying } from "../../net/retry";

/** The receiver is too busy, or what stands before it does not reach it. */
const BUSY = new Set([408, 425, 429, 502, 503, 504]);
/** Something is on its way up, or broke on the way. A wrong name or certificate does not get better. */
const COMES_BACK = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "TIMEOUT"],
]);
/** The longest that we wait because the receiver asks us to, in milliseconds. */
const LONGEST_ASKED_MS = 60_000;

export interface Call {
  /** Made anew for each attempt: its signature says when it was sent. */
  readonly question: () => HttpQuestion;
  readonly expectation: HttpExpectation;
  readonly timeoutMs: number;
  readonly attempts: number;
}

class NotTaken extends Error {
  constructor(
    readonly detail: string,
    readonly transient: boolean | number,
  ) {
    super("the call was not taken");
  }
}

/**
 * @returns what was seen, and whether it was what was expected. Never what the answer's body says.
 * @throws the signal's reason when the run is cancelled.
 */
export async function send(
  call: Call,
  context: AdapterContext,
): Promise<{ readonly taken: boolean; readonly detail: string; readonly attempts: number }> {
  let attempts = 0;
  try {
    const isTransient = (error: unknown) => error instanceof NotTaken && error.transient;
    const detail = await retrying(context, { attempts: call.attempts, isTransient }, async () => {
      attempts += 1;
      return sendOnce(call, context);
    });
    return { taken: true, detail, attempts };
  } catch (error) {
    if (error instanceof NotTaken) return { taken: false, detail: error.detail, attempts };
    throw error;
  }
}

async function sendOnce({ question, expectation, timeoutMs }: Call, context: AdapterContext): Promise<string> {
  const asked = question();
  const outcome = await askHttp(asked, timeoutMs, context.signal);
  context.signal.throwIfAborted();
  if (!outcome.answered) throw new NotTaken(outcome.detail, COMES_BACK.has(outcome.code));
  const { healthy, detail } = judgeAnswer(asked, outcome.answer, expectation, (text) => text);
  if (!healthy) throw new NotTaken(detail, transience(outcome, context));
  return detail;
}

function transience({ answer }: Extract<HttpOutcome, { answered: true }>, context: AdapterContext): boolean | number {
  if (!BUSY.has(answer.status)) return false;
  return askedWaitMs(answer, context.clock.now()) ?? true;
}

/** Seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function askedWaitMs({ retryAfter }: HttpAnswer, now: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_ASKED_MS) : undefined;
}
