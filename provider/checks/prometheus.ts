/** Asks Prometheus a query, and compares what comes back with a threshold. */
import { z } from "zod";
import type { Health, HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import type { RollTarget } from "../contracts/consumer";
import { describeDuration } from "../lifecycle/duration";
import { caFile, httpHeaders, httpUrl, readAuthorities, resolveHeaders, usesTls } from "../net/httpOptions";
import { askHttp, describeQuestion } from "../net/httpProbe";
import { describeValue, duration, durationMs, strictOptions, text, wholeNumber } from "../net/options";
import { redactorFor } from "../net/redact";
import { readAnswer, type Answered, type Series } from "./prometheusAnswer";
import { judgeSeries, worstOf } from "./prometheusJudgement";
import { baselineIsAskedFor, canaryOption, commonCheckOptions, toleranceOption, toSchedule } from "./schedule";

const number = (what: string) =>
  z.number({ error: (issue) => `${what} must be a number; it is ${describeValue(issue.input)}` });
const count = (what: string) => wholeNumber(what, 0, 10_000);

/** One selector, whose samples have times of their own; what is computed has the time of the query. */
const SELECTOR = /^\s*(?:[a-zA-Z_:][\w:]*\s*(?:\{[^{}]*\})?|\{[^{}]+\})\s*$/;
const selector = (what: string) =>
  text(what, 2000).refine((value) => SELECTOR.test(value), {
    error: `${what} must be a single selector, such as up{job="orders"}`,
  });

export const prometheusCheckOptions = strictOptions("a prometheus check", {
  type: z.literal("prometheus", { error: 'the type of a prometheus check must be "prometheus"' }),
  ...commonCheckOptions,
  ...canaryOption,
  /** Of the value. Needs one of `below` and `above`, which says what is worse. */
  ...toleranceOption,
  /** The address of Prometheus, before `/api/v1/query`. */
  url: httpUrl("url").refine((value) => !/[?#]/.test(value), {
    error: "url must be the address of Prometheus alone, without ? and #; the query is the option query",
  }),
  /** PromQL that gives an instant vector or a number. Kept in the state. */
  query: text("query", 4000),
  /** Healthy is a value below it. */
  below: number("below").optional(),
  /** Healthy is a value above it. */
  above: number("above").optional(),
  equals: number("equals").optional(),
  /** How many series there have to be: exactly, or from and to. */
  expectSeries: z
    .union(
      [
        count("expectSeries"),
        strictOptions("expectSeries", { min: count("min").optional(), max: count("max").optional() }).refine(
          ({ min, max }) => min !== undefined || max !== undefined,
          { error: "expectSeries must have min, max or both" },
        ),
      ],
      {
        error: (issue) =>
          `expectSeries must be a number of series or { "min", "max" }; it is ${describeValue(issue.input)}`,
      },
    )
    .optional(),
  /** What a query without any series means, where `expectSeries` does not say it. Default: "unhealthy". */
  missing: z
    .enum(["unhealthy", "healthy"], {
      error: (issue) => `missing must be "unhealthy" or "healthy"; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** How old the latest samples may be. Default: as old as Prometheus looks back, by default 5 minutes. */
  maxAge: duration("maxAge", 1000, 24 * 3_600_000).optional(),
  /** The selector whose samples must not be older. Default: the query, where that is one. */
  ageOf: selector("ageOf").optional(),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
})
  .refine(
    ({ below, above, equals, expectSeries }) =>
      [below, above, equals, expectSeries].some((wanted) => wanted !== undefined),
    { path: ["below"], error: "a prometheus check needs below, above, equals or expectSeries: what is healthy" },
  )
  .refine(({ below, above, equals }) => equals === undefined || (below === undefined && above === undefined), {
    path: ["equals"],
    error: "equals excludes below and above",
  })
  .refine(({ below, above }) => below === undefined || above === undefined || above < below, {
    path: ["above"],
    error: "above must be less than below: healthy is what lies between them",
  })
  .refine(({ below, above, tolerance }) => !tolerance || (below === undefined) !== (above === undefined), {
    path: ["tolerance"],
    error: "tolerance needs either below or above, which says in which direction a value gets worse",
  })
  .refine(({ query, maxAge, ageOf }) => maxAge === undefined || ageOf !== undefined || SELECTOR.test(query), {
    path: ["ageOf"],
    error:
      "maxAge needs ageOf, the selector whose samples must be young: what is computed, as by this query, has no age",
  })
  .refine(({ maxAge, ageOf }) => ageOf === undefined || maxAge !== undefined, {
    path: ["ageOf"],
    error: "ageOf has no effect without maxAge",
  })
  .refine(({ url, caFile: file }) => file === undefined || usesTls(url), {
    path: ["caFile"],
    error: "caFile has no effect on an http:// address; use https:// or leave it out",
  })
  .refine(({ url, headers }) => usesTls(url) || isLoopback(url) || !Object.values(headers ?? {}).some(isSource), {
    path: ["headers"],
    error: "headers with a secret are sent by https:// only, or to this machine: anybody in between could read them",
  })
  .refine(...baselineIsAskedFor);

export type PrometheusCheckOptions = z.infer<typeof prometheusCheckOptions>;

function isSource(header: unknown): boolean {
  return typeof header === "object";
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

export function createPrometheusCheck(options: PrometheusCheckOptions, context: AdapterContext): HealthCheck {
  const schedule = toSchedule(options, "0s", options.above === undefined ? "higher" : "lower");
  const shortQuery = options.query.length > 80 ? `${options.query.slice(0, 77)}...` : options.query;
  return {
    name: options.name ?? `prometheus ${shortQuery.replace(/\s+/g, " ")}`,
    schedule,
    canary: options.canary ?? false,
    isEvidence: false,
    async probe(target, signal) {
      const deadline = context.clock.now() + schedule.timeoutMs;
      const ask = async (query: string): Promise<Answered & { readonly shown: string }> => {
        const left = Math.max(1, deadline - context.clock.now());
        const question = {
          url: queryUrl(options.url, query, left),
          headers: await resolveHeaders(options.headers, context),
          authorities: options.caFile === undefined ? undefined : await readAuthorities(options.caFile),
        };
        const outcome = await askHttp(question, left, signal);
        const shown = describeQuestion(question);
        if (outcome.answered) return { shown, ...readAnswer(shown, outcome.answer) };
        return { shown, complaint: outcome.detail.slice(shown.length + 2) };
      };
      return probe(options, ask, target);
    },
    close: () => Promise.resolve(),
  };
}

function queryUrl(base: string, query: string, timeoutMs: number): string {
  const url = new URL(`${base.replace(/\/+$/, "")}/api/v1/query`);
  url.searchParams.set("query", query);
  // So that Prometheus gives up when nobody waits any more.
  url.searchParams.set("timeout", `${Math.ceil(timeoutMs)}ms`);
  return url.href;
}

type Ask = (query: string) => Promise<Answered & { readonly shown: string }>;

async function probe(options: PrometheusCheckOptions, ask: Ask, target: RollTarget): Promise<Health> {
  const redact = redactorFor(target);
  const blind = (shown: string, why: string): Health => ({
    healthy: false,
    detail: redact(`${shown}: ${why}`),
    blind: true,
  });
  const answer = await ask(options.query);
  const { shown } = answer;
  if ("complaint" in answer) return blind(shown, answer.complaint);
  const { healthy, detail, value, isMissing } = judgeSeries(answer.series, options);
  const warned = answer.warnings === 0 ? "" : ` (with ${answer.warnings} warnings)`;
  const said = redact(`${shown}: ${detail}${warned}`);
  if (isMissing && !healthy) return blind(shown, `${detail}${warned}`);
  // Where nothing is to be seen, and that is well, there is no age either, unless it is another selector's.
  const isAged = options.maxAge !== undefined && (options.ageOf !== undefined || answer.series.length > 0);
  const tooOld = isAged ? await ageComplaint(options, ask) : undefined;
  if (tooOld !== undefined) return blind(shown, tooOld);
  return { healthy, detail: said, ...(value === undefined ? {} : { value }) };
}

/** The times of samples: an answer by itself has the time of the query only. */
async function ageComplaint(
  { query, ageOf = query, maxAge }: PrometheusCheckOptions,
  ask: Ask,
): Promise<string | undefined> {
  const answer = await ask(`time() - timestamp(${ageOf})`);
  if ("complaint" in answer) return `the age of its samples is not known: ${answer.complaint}`;
  const oldest = worstOf(answer.series, (age) => (Number.isFinite(age) ? age : Infinity));
  if (!oldest) return `there is no sample of ${ageOf}`;
  const maxMs = durationMs(maxAge, "5m");
  if (oldest.value * 1000 <= maxMs) return undefined;
  return `${nameAge(oldest)}, older than ${describeDuration(maxMs)}`;
}

function nameAge({ name, value }: Series): string {
  return `the latest sample of ${name === "" ? "the query" : name} is ${Math.round(value)} seconds old`;
}
