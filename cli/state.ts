/** Our entries in an exported Pulumi state. */
import { z } from "zod";
import { rolloutKey } from "../provider/lifecycle/confirmation";
import { rolloutEntry, type SecretLink } from "../provider/inputs/rollout";
import {
  decodeState,
  secretVersionEntry,
  secretVersionInputs,
  type SecretVersionEntry,
  type SecretVersionInputs,
} from "../provider/inputs/secretVersion";
import { PulumiError } from "./failures";

const TYPE = "pulumi-nodejs:dynamic/rotation";
/** By which the engine marks a value that it encrypts. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";

const resource = z.looseObject({
  urn: z.string(),
  type: z.string(),
  delete: z.boolean().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
});
type Resource = z.infer<typeof resource>;

const deployment = z.looseObject({
  deployment: z.looseObject({ resources: z.array(resource).nullish() }),
});

/** A secret that the stack has an entry of. */
export interface OwnedSecret {
  readonly urn: string;
  readonly entry: SecretVersionEntry;
  /** As the program declared it last; `null` where another version of the package wrote something else. */
  readonly inputs: SecretVersionInputs | null;
  readonly owner: { readonly id: string; readonly stack: string };
}

export interface StackState {
  readonly owned: readonly OwnedSecret[];
  /** Keys of the stack's rollouts in the ledgers. */
  readonly rollouts: ReadonlySet<string>;
  /** The secrets that its rollouts use, of whatever stack. */
  readonly used: readonly SecretLink[];
}

/** @param exportState gives the state, where necessary with what is encrypted in it. */
export function readState(exportState: (showSecrets: boolean) => unknown): StackState {
  const plain = ours(exportState(false));
  const resources = JSON.stringify(plain).includes(SECRET_MARK) ? ours(exportState(true)).map(unwrap) : plain;
  const rollouts = resources.filter(({ type }) => type === `${TYPE}:Rollout`).map((entry) => rolloutOf(entry));
  return {
    owned: resources.filter(({ type }) => type === `${TYPE}:SecretVersion`).map(ownedSecret),
    rollouts: new Set(rollouts.map(({ stack, name }) => rolloutKey(stack, name))),
    used: rollouts.flatMap(({ secrets }) => secrets),
  };
}

/** What is pending delete is what a replacement left; its successor stands for it. */
function ours(exported: unknown): Resource[] {
  const parsed = deployment.safeParse(exported);
  if (!parsed.success)
    throw new PulumiError(`pulumi stack export gave something that is not a state. Nothing was changed.`);
  return (parsed.data.deployment.resources ?? []).filter(
    ({ type, delete: pending }) => type.startsWith(`${TYPE}:`) && !pending,
  );
}

function rolloutOf(entry: Resource) {
  const parsed = rolloutEntry.safeParse(entry.outputs);
  if (!parsed.success) throw unreadable(entry, parsed.error);
  return parsed.data;
}

function ownedSecret(resource: Resource): OwnedSecret {
  const entry = secretVersionEntry.safeParse(decodeState(resource.outputs ?? {}));
  if (!entry.success) throw unreadable(resource, entry.error);
  const { __provider: _provider, ...declared } = resource.inputs ?? {};
  const inputs = secretVersionInputs.safeParse(declared);
  return {
    urn: resource.urn,
    entry: entry.data,
    inputs: inputs.success ? inputs.data : null,
    owner: { id: entry.data.owner, stack: stackOf(resource.urn, entry.data.stack) },
  };
}

/** The stack as it is called now: the URN follows a renamed stack at once, the entry with the next run only. */
function stackOf(urn: string, inEntry: string): string {
  const [, stack, project] = /^urn:pulumi:(.+?)::(.+?)::/.exec(urn) ?? [];
  const [organization] = inEntry.split("/");
  return stack && project && organization ? `${organization}/${project}/${stack}` : inEntry;
}

function unreadable(entry: Resource, error: z.ZodError): PulumiError {
  const issues = error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  return new PulumiError(
    `The entry ${entry.urn} in the Pulumi state cannot be read (${issues.join("; ")}). Nothing was changed. Use the ` +
      `version of the package that the program uses.`,
  );
}

function unwrap<T>(value: T): T {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item: unknown) => unwrap(item)) as T;
  const fields = value as Record<string, unknown>;
  if (SECRET_MARK in fields && typeof fields["plaintext"] === "string") return JSON.parse(fields["plaintext"]) as T;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, unwrap(field)])) as T;
}
