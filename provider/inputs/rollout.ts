/** The inputs of a `Rollout`, as they reach `check()`. */
import { z } from "zod";
import { adapterOptions, secretName } from "./common";

/** What a rollout needs to find a secret's ledger, which tells the rest. */
export const secretLink = z.strictObject({
  name: secretName,
  store: adapterOptions,
  /** Changes with every promotion, so that the engine comes by. */
  ref: z.string(),
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

/** What stays in the Pulumi state of a rollout. */
export const rolloutEntry = z.looseObject({
  name: z.string(),
  stack: z.string(),
  secrets: z.array(secretLink),
});

export type SecretLink = z.infer<typeof secretLink>;
export type RolloutInputs = z.infer<typeof rolloutInputs>;
