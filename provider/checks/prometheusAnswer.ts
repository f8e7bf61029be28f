/** What Prometheus answers to an instant query, and what that says. */
import { ConfigurationError } from "../lifecycle/errors";
import { parseJson } from "../net/httpExpectation";
import { MAX_BODY, type HttpAnswer } from "../net/httpProbe";

export interface Series {
  /** As people read it, `up{job="orders"}`; empty for a number without labels. */
  readonly name: string;
  /** May be NaN or infinite. */
  readonly value: number;
}

export type Answered =
  | { readonly series: readonly Series[]; readonly warnings: number }
  /** What kept it from answering, which says nothing about the query. */
  | { readonly complaint: string };

/**
 * The API: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
 *
 * @param shown the question as it may be shown
 * @throws ConfigurationError for what will not get better by itself. Never with the text of an error, which quotes the
 * query and labels.
 */
export function readAnswer(shown: string, answer: HttpAnswer): Answered {
  const { status } = answer;
  if (answer.cut)
    throw wrong(
      shown,
      `answers with more than ${MAX_BODY / 1024} KB`,
      "Let the query aggregate, such as by max() or sum()",
    );
  if (status === 401 || status === 403)
    throw wrong(shown, `refuses the check (${status})`, "Correct its option headers, or the token that they name");
  if (status === 404 || (status >= 300 && status < 400))
    throw wrong(shown, `has no query API there (${status})`, "Correct url: the address before /api/v1/query");
  const parsed = parseJson(answer);
  const body = "json" in parsed && isObject(parsed.json) ? parsed.json : undefined;
  if (body?.["status"] === "error") {
    const type = typeName(body["errorType"]);
    if (status === 400 || status === 422)
      throw wrong(
        shown,
        `cannot carry the query out (${status}, ${type})`,
        "Try the query in Prometheus, and correct it",
      );
    return { complaint: `answered ${status} (${type})` };
  }
  if (status !== 200 || body?.["status"] !== "success")
    return { complaint: `answered ${status}, not as Prometheus does` };
  const { data, warnings } = body;
  const { resultType, result } = isObject(data) ? data : {};
  const count = Array.isArray(warnings) ? warnings.length : 0;
  if (resultType === "scalar") return { series: [{ name: "", value: numberIn(result) }], warnings: count };
  if (resultType === "vector" && Array.isArray(result)) return { series: result.map(seriesIn), warnings: count };
  throw wrong(shown, `answers with a ${typeName(resultType)}`, "The query has to give an instant vector or a number");
}

function wrong(shown: string, what: string, remedy: string): ConfigurationError {
  return new ConfigurationError(
    `A prometheus check learned nothing: ${shown} ${what}. The check says nothing about health. ${remedy}.`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One of the API's own words, such as `bad_data`. */
function typeName(value: unknown): string {
  return typeof value === "string" && /^[a-z_]{1,40}$/.test(value) ? value : "unknown type";
}

function seriesIn(entry: unknown): Series {
  const { metric, value } = isObject(entry) ? entry : {};
  return { name: nameOf(isObject(metric) ? metric : {}), value: numberIn(value) };
}

/** `[time, "number"]`; the time is that of the query, not of the sample. */
function numberIn(value: unknown): number {
  const text: unknown = Array.isArray(value) ? value[1] : undefined;
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return typeof text === "string" && text.trim() !== "" ? Number(text) : NaN;
}

/** How many labels a name has, how long each value is, and how long it is altogether. */
const LABELS = 5;
const VALUE_LENGTH = 60;
const NAME_LENGTH = 240;

function nameOf({ __name__: metric, ...labels }: Record<string, unknown>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${clean(label)}="${clean(value)}"`);
  const more = pairs.length > LABELS ? [`and ${pairs.length - LABELS} more`] : [];
  const shown = [...pairs.slice(0, LABELS), ...more].join(",");
  const name = `${metric === undefined ? "" : clean(metric)}${shown === "" ? "" : `{${shown}}`}`;
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 3)}...` : name;
}

/** Labels come from what is scraped: without line breaks and what moves a cursor. */
function clean(value: unknown): string {
  const text = (typeof value === "string" ? value : "").replace(/[\p{C}\p{Z}"\\]+/gu, " ");
  return text.length > VALUE_LENGTH ? `${text.slice(0, VALUE_LENGTH - 3)}...` : text;
}
