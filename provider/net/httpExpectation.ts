/** Compares an HTTP answer with what was expected of it. */
import { isDeepStrictEqual } from "node:util";
import type { Health } from "../contracts/check";
import { describeQuestion, MAX_BODY } from "./httpProbe";
import type { HttpAnswer, HttpQuestion } from "./httpProbe";

export interface HttpExpectation {
  /** One status or several; default 200 to 299. */
  readonly expectStatus?: number | readonly number[] | undefined;
  /** A part of the body. */
  readonly expectBody?: string | undefined;
  /** A value in a JSON body; `path` has keys and list positions with dots between, such as `checks.0.status`. */
  readonly expectJson?: { readonly path: string; readonly equals: unknown } | undefined;
}

/** @param redact is applied to whatever comes from the answer. */
export function judgeAnswer(
  question: Pick<HttpQuestion, "url" | "method">,
  answer: HttpAnswer,
  expectation: HttpExpectation,
  redact: (text: string) => string,
): Health {
  const shown = describeQuestion(question);
  const complaint =
    statusComplaint(answer, expectation.expectStatus) ??
    bodyComplaint(answer, expectation.expectBody) ??
    jsonComplaint(answer, expectation.expectJson, redact);
  if (complaint !== undefined) return { healthy: false, detail: `${shown}: ${complaint}` };
  return { healthy: true, detail: `${shown}: answered ${answer.status} as expected` };
}

function statusComplaint(answer: HttpAnswer, expected: HttpExpectation["expectStatus"]): string | undefined {
  const allowed = expected === undefined ? undefined : [expected].flat();
  const fits = allowed ? allowed.includes(answer.status) : answer.status >= 200 && answer.status <= 299;
  if (fits) return undefined;
  const redirect = answer.location === undefined ? "" : ", a redirect, which is not followed";
  return `answered ${answer.status}${redirect}; expected ${allowed ? allowed.join(" or ") : "200 to 299"}`;
}

function bodyComplaint(answer: HttpAnswer, expected: string | undefined): string | undefined {
  if (expected === undefined || answer.body.includes(expected)) return undefined;
  // The body itself is not shown: error pages print connection strings.
  const length = answer.cut ? `of its first ${MAX_BODY / 1024} KB` : `of ${Buffer.byteLength(answer.body)} bytes`;
  return `answered ${answer.status}, but its body ${length} does not contain ${JSON.stringify(expected)}`;
}

function jsonComplaint(
  answer: HttpAnswer,
  expected: HttpExpectation["expectJson"],
  redact: (text: string) => string,
): string | undefined {
  if (expected === undefined) return undefined;
  const parsed = parseJson(answer);
  if ("complaint" in parsed) return parsed.complaint;
  const found = valueAt(parsed.json, expected.path);
  if (isDeepStrictEqual(found, expected.equals)) return undefined;
  const seen = found === undefined ? "is absent" : `is ${shorten(redact(JSON.stringify(found)))}`;
  return `answered ${answer.status}, but "${expected.path}" ${seen}; expected ${shorten(JSON.stringify(expected.equals))}`;
}

export function parseJson(answer: HttpAnswer): { readonly json: unknown } | { readonly complaint: string } {
  if (answer.cut) return { complaint: `answered ${answer.status}, but its body is longer than ${MAX_BODY / 1024} KB` };
  try {
    return { json: JSON.parse(answer.body) as unknown };
  } catch {
    return { complaint: `answered ${answer.status}, but its body is not JSON` };
  }
}

function valueAt(json: unknown, path: string): unknown {
  let value = json;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
