/** The inputs of a `SecretVersion`, as they reach `check()`. */
import { z } from "zod";
import { EVENT_REASONS } from "../triggers/due";
import { adapterOptions, durationMs, durationText, secretName, secretSource } from "./common";
import { scheduleInput, tooShort } from "./schedule";

const retirement = z.strictObject({
  grace: durationText.default("1h"),
  soak: durationText.default("1h"),
  requireUnused: z.boolean().default(true),
  terminateSessions: z.boolean().default(false),
  alarmAfter: durationText.optional(),
});

const unconfirmed = z.strictObject({
  attempts: z.int().min(1).default(3),
  within: durationText.default("24h"),
  retryAfter: durationText.default("15m"),
});

const event = z
  .strictObject({
    id: z.string().min(1),
    reason: z.enum(EVENT_REASONS),
    time: z.iso.datetime({ offset: true, error: "has to be RFC 3339, such as 2026-11-01T02:00:00Z" }),
    requestedBy: z.string().optional(),
    revokeFirst: z.boolean().default(false),
  })
  .refine(({ reason, revokeFirst }) => !revokeFirst || reason === "suspected-compromise", {
    path: ["revokeFirst"],
    error:
      'is only for events of reason "suspected-compromise": it ends credentials that are in use. Leave it out, or give ' +
      "the event that reason",
  });

export const secretVersionInputs = z
  .strictObject({
    name: secretName,
    stack: z.string().min(1),
    kind: adapterOptions,
    store: adapterOptions,
    replicas: z.array(adapterOptions).default([]),
    audit: adapterOptions.optional(),
    auditOutage: z.enum(["stop", "buffer"]).default("stop"),
    schedule: scheduleInput.optional(),
    retirement: retirement.prefault({}),
    readersCache: durationText.default("0s"),
    unconfirmed: unconfirmed.prefault({}),
    confirmation: z.enum(["required", "elsewhere", "none"]).default("required"),
    events: z.array(event).default([]),
    adopt: z.strictObject({ username: z.string().min(1), password: secretSource }).optional(),
    migrateFrom: adapterOptions.optional(),
    protect: z.boolean().default(false),
    rotation: z.string().optional(),
    identity: z.string().optional(),
    owner: z.string().optional(),
  })
  .superRefine((inputs, context) => {
    const { grace, soak, alarmAfter } = inputs.retirement;
    if (alarmAfter !== undefined && durationMs(alarmAfter) <= durationMs(grace) + durationMs(soak))
      context.addIssue({
        code: "custom",
        path: ["retirement", "alarmAfter"],
        message:
          `${alarmAfter} is not longer than retirement.grace (${grace}) and retirement.soak (${soak}) together, so every ` +
          `rotation would raise the alarm. Make it longer`,
      });
    // Rule 10: who still reads the value from a cache needs it to work.
    if (durationMs(grace) < durationMs(inputs.readersCache))
      context.addIssue({
        code: "custom",
        path: ["retirement", "grace"],
        message:
          `${grace} is shorter than readers of "current" keep the value they have read (readersCache, ` +
          `${inputs.readersCache}), so they could go on with a version that is gone. Make the grace at least as long`,
      });
    if (!inputs.schedule || context.issues.some(({ path }) => path?.[0] === "schedule")) return;
    const problem = tooShort(inputs.schedule, {
      ms: durationMs(grace) + durationMs(soak),
      text: `retirement.grace (${grace}) and retirement.soak (${soak})`,
    });
    if (problem) context.addIssue({ code: "custom", path: ["schedule", problem.path], message: problem.message });
  });

export type SecretVersionInputs = z.infer<typeof secretVersionInputs>;

/** What stays in the Pulumi state of a version, beside its inputs. */
export const secretVersionEntry = z.looseObject({
  name: z.string(),
  stack: z.string(),
  store: adapterOptions,
  identity: z.string(),
  owner: z.string(),
  version: z.number(),
  incarnation: z.number(),
  epoch: z.number(),
});

export type SecretVersionEntry = z.infer<typeof secretVersionEntry>;

/**
 * Reads the outputs of any package version that ever wrote a state.
 * - 0, before the first release: version and incarnation were one text, `v7#3`, and there was no epoch.
 * - 1: as {@link secretVersionEntry}.
 */
export function decodeState(outputs: Record<string, unknown>): Record<string, unknown> {
  const { versionId, ...rest } = outputs;
  if (typeof versionId !== "string") return outputs;
  const [, version, incarnation] = /^v(\d+)#(\d+)$/.exec(versionId) ?? [];
  return { ...rest, version: Number(version), incarnation: Number(incarnation), epoch: 0 };
}
