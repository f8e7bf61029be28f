/**
 * Asks the consumer itself by which version it is connected: evidence of use.
 *
 * Behind a load balancer one answer speaks for one replica only: give such a check a `bake` time, or an address that
 * answers for all of them.
 */
import { z } from "zod";
import type { HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import { askAdoption } from "../net/adoption";
import { caFile, httpHeaders, httpUrl, readAuthorities, resolveHeaders, usesTls } from "../net/httpOptions";
import { describeQuestion } from "../net/httpProbe";
import { strictOptions } from "../net/options";
import { commonCheckOptions, refuseBaseline, toSchedule } from "./schedule";

/** Consumers are still moving when the watch starts. */
const WITHIN_BY_DEFAULT = "60s";

export const adoptionCheckOptions = strictOptions("an adoption check", {
  type: z.literal("adoption", { error: 'the type of an adoption check must be "adoption"' }),
  ...commonCheckOptions,
  ...refuseBaseline("no consumer has adopted a version before it is rolled"),
  /** Before a consumer is touched none of them can use the new version, so there is nothing to ask. */
  canary: z
    .literal(false, { error: "canary must be left out: no consumer has adopted a version before it is rolled" })
    .optional(),
  /** GET answers `{ "fingerprint": "..." }`, `{ "fingerprints": ["..."] }` or `{ "fingerprints": { "<secret>": ["..."] } }`. */
  url: httpUrl("url"),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
}).refine((options) => options.caFile === undefined || usesTls(options.url), {
  path: ["caFile"],
  error: "caFile has no effect on an http:// address; use https:// or leave it out",
});

export type AdoptionCheckOptions = z.infer<typeof adoptionCheckOptions>;

export function createAdoptionCheck(options: AdoptionCheckOptions, context: AdapterContext): HealthCheck {
  const schedule = toSchedule(options, WITHIN_BY_DEFAULT);
  return {
    name: options.name ?? `adoption ${describeQuestion({ url: options.url })}`,
    schedule,
    canary: false,
    isEvidence: true,
    async probe(target, signal) {
      const question = {
        url: options.url,
        headers: await resolveHeaders(options.headers, context),
        authorities: options.caFile === undefined ? undefined : await readAuthorities(options.caFile),
      };
      const { adopted, detail, contradicts } = await askAdoption(question, target, schedule.timeoutMs, signal);
      return { healthy: adopted, detail, ...(contradicts ? { contradicts } : {}) };
    },
    close: () => Promise.resolve(),
  };
}
