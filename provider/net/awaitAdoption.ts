/** Waits until a consumer says, at an address of its own, that it uses the target. */
import type { z } from "zod";
import type { RollTarget } from "../contracts/consumer";
import type { AdapterContext } from "../contracts/context";
import { describeDuration } from "../lifecycle/duration";
import { askAdoption, type AdoptionAnswer } from "./adoption";
import { caFile, httpHeaders, httpUrl, readAuthorities, resolveHeaders, usesTls } from "./httpOptions";
import { durationMs, strictOptions } from "./options";
import { describeTarget } from "./target";
import { ONE_QUESTION_MS, waitUntil } from "./waitUntil";

const BY_DEFAULT = "60s";

/** For options with an address and the authorities that it is verified with. */
export const fitsUrl = (options: { readonly url: string; readonly caFile?: string | undefined }) =>
  options.caFile === undefined || usesTls(options.url);

export const tlsFile = {
  path: ["caFile"],
  error: "caFile has no effect on an http:// address; use https:// or leave it out",
};

export const adoptionOptions = strictOptions("adoption", {
  /** GET answers `{ "fingerprint": "..." }`, `{ "fingerprints": ["..."] }` or `{ "fingerprints": { "<secret>": ["..."] } }`. */
  url: httpUrl("url"),
  headers: httpHeaders.optional(),
  caFile: caFile.optional(),
}).refine(fitsUrl, tlsFile);

export type AdoptionOptions = z.infer<typeof adoptionOptions>;

export interface AdoptionRequest {
  readonly consumer: string;
  readonly adoption: AdoptionOptions;
  /** Default: "60s". */
  readonly timeout?: string | undefined;
  /** Default: "500ms". */
  readonly interval?: string | undefined;
  /** The wait ends when nothing listens at the address. */
  readonly endsWhenRefused?: boolean;
}

/** @returns the last answer; it is not `adopted` when the time is over. */
export async function awaitAdoption(
  { consumer, adoption, timeout, interval, endsWhenRefused }: AdoptionRequest,
  target: RollTarget,
  context: AdapterContext,
): Promise<AdoptionAnswer> {
  const headers = await resolveHeaders(adoption.headers, context);
  const timeoutMs = durationMs(timeout, BY_DEFAULT);
  const answer = await waitUntil<AdoptionAnswer>(
    {
      what: `consumer "${consumer}" to use ${describeTarget(target)}`,
      intervalMs: durationMs(interval, "500ms"),
      timeoutMs,
      ask: async (leftMs) => {
        const authorities = adoption.caFile === undefined ? undefined : await readAuthorities(adoption.caFile);
        const question = { url: adoption.url, headers, authorities };
        return askAdoption(question, target, Math.min(leftMs, ONE_QUESTION_MS), context.signal);
      },
      good: (seen) => seen.adopted || (endsWhenRefused === true && seen.refused),
      describe: (seen) => seen.detail,
    },
    context,
  );
  if (answer.adopted) return answer;
  return { ...answer, detail: `not within ${describeDuration(timeoutMs)}: ${answer.detail}` };
}
