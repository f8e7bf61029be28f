/** Asks a URL and compares status and body with what is expected. */
import { z } from "zod";
import type { HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import { judgeAnswer } from "../net/httpExpectation";
import {
  caFile,
  expectStatus,
  httpHeaders,
  httpUrl,
  readAuthorities,
  resolveHeaders,
  usesTls,
} from "../net/httpOptions";
import { askHttp, describeQuestion } from "../net/httpProbe";
import { describeValue, strictOptions, text } from "../net/options";
import { redactorFor } from "../net/redact";
import { baselineIsAskedFor, canaryOption, commonCheckOptions, toleranceOption, toSchedule } from "./schedule";

export const httpCheckOptions = strictOptions("an http check", {
  type: z.literal("http", { error: 'the type of an http check must be "http"' }),
  ...commonCheckOptions,
  ...canaryOption,
  /** Of the time that a whole answer takes, in ms. */
  ...toleranceOption,
  url: httpUrl("url"),
  /** Default: "GET". */
  method: z
    .enum(["GET", "HEAD", "POST", "OPTIONS"], {
      error: (issue) => `method must be GET, HEAD, POST or OPTIONS; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  /** Default: 200 to 299. A redirect is an answer like any other and is not followed. */
  expectStatus: expectStatus.optional(),
  /** A part of the body, of which the first 64 KB are read. */
  expectBody: text("expectBody").optional(),
  /** A value in a JSON body. Keys and list positions of `path` have dots between: `checks.0.status`. */
  expectJson: strictOptions("expectJson", {
    path: text("path"),
    equals: z.json({ error: "equals must be a JSON value" }),
  }).optional(),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
})
  .refine((options) => options.method !== "HEAD" || (!options.expectBody && !options.expectJson), {
    path: ["method"],
    error: "method HEAD has no body in its answer; leave out expectBody and expectJson, or use GET",
  })
  .refine((options) => options.caFile === undefined || usesTls(options.url), {
    path: ["caFile"],
    error: "caFile has no effect on an http:// address; use https:// or leave it out",
  })
  .refine(...baselineIsAskedFor);

export type HttpCheckOptions = z.infer<typeof httpCheckOptions>;

export function createHttpCheck(options: HttpCheckOptions, context: AdapterContext): HealthCheck {
  const schedule = toSchedule(options);
  return {
    name: options.name ?? `http ${describeQuestion(options)}`,
    schedule,
    canary: options.canary ?? false,
    isEvidence: false,
    async probe(target, signal) {
      const question = {
        url: options.url,
        method: options.method,
        headers: await resolveHeaders(options.headers, context),
        authorities: options.caFile === undefined ? undefined : await readAuthorities(options.caFile),
      };
      const asked = context.clock.now();
      const outcome = await askHttp(question, schedule.timeoutMs, signal);
      if (!outcome.answered) return { healthy: false, detail: outcome.detail };
      const value = context.clock.now() - asked;
      return { ...judgeAnswer(question, outcome.answer, options, redactorFor(target)), value };
    },
    close: () => Promise.resolve(),
  };
}
