/** The inputs of a `Rollout`, as they reach `check()`. */
import { z } from "zod";
import { adapterOptions, durationText, secretName } from "./common";

/** What a rollout needs to reach a secret; the output `link` of a `SecretVersion`. */
export const secretLink = z.strictObject({
  name: secretName,
  store: adapterOptions,
  replicas: z.array(adapterOptions).default([]),
  kind: adapterOptions,
  audit: adapterOptions.optional(),
  identity: z.string().optional(),
  /** Changes with every promotion, so that the engine comes by. */
  ref: z.string(),
  /** The secret's interval, and its grace and soak; for rule 10. */
  every: durationText.optional(),
  grace: durationText.optional(),
  soak: durationText.optional(),
});

export const rolloutInputs = z.strictObject({
  name: secretName,
  stack: z.string().min(1),
  secrets: z.array(secretLink).min(1, { error: "names no secret; a rollout confirms at least one" }),
  consumers: z.array(adapterOptions).default([]),
  checks: z.array(adapterOptions).default([]),
  /** How many resources of the program follow the secrets. */
  dependents: z.int().min(0).default(0),
  evidence: z.enum(["adoption", "issuer", "engine"]).default("adoption"),
});

export type SecretLink = z.infer<typeof secretLink>;
export type RolloutInputs = z.infer<typeof rolloutInputs>;
