/** What is noted in an annotation of the service, so that a run that was stopped is gone on with. Pure. */
import { z } from "zod";
import type { Service } from "./messages";

/** Of the service, not of its template: it makes no revision. */
export const RECORD_KEY = "pulumi-rotating-secrets/roll";

const record = z.object({
  /** `rolling`: the traffic is as we told it for the time being. */
  phase: z.enum(["rolling", "done"]),
  /** Whether the traffic went to the latest revision, whichever that was, before we named one. */
  latest: z.boolean(),
  /** What served before: where the traffic goes back to. */
  former: z.string(),
  /** The template but for the versions of the secrets; another one was deployed by somebody else. */
  content: z.string(),
});

export type RollRecord = z.infer<typeof record>;

/** @returns `undefined` where there is none, or none of ours. */
export function recordOf(service: Service): RollRecord | undefined {
  const text = service.annotations?.[RECORD_KEY];
  if (text === undefined) return undefined;
  try {
    const parsed = record.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function withRecord(service: Service, next: RollRecord): Readonly<Record<string, string>> {
  return { ...service.annotations, [RECORD_KEY]: JSON.stringify(next) };
}
