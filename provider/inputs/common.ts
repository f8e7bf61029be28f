/** What the inputs of both resources share. Messages are written for the person who reads `pulumi up`. */
import { z } from "zod";
import { secretSourceSchema } from "../contracts/secretSource";
import { parseDuration } from "../lifecycle/duration";

/** The marker that stands for a value that is not known yet, in a preview. The Pulumi SDK's `rpc.unknownValue`. */
export const UNKNOWN_VALUE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function containsUnknown(value: unknown): boolean {
  if (value === UNKNOWN_VALUE) return true;
  if (value === null || typeof value !== "object") return false;
  return Object.values(value).some(containsUnknown);
}

/** A duration as text, checked, kept as text. */
export const durationText = z.string().refine((text) => parseDuration(text) !== undefined, {
  error: (issue) =>
    `${JSON.stringify(issue.input)} is not a duration; write 90s, 15m, 36h, 90d, 2w, or ISO 8601 such as P90D (no months or years)`,
});

export function durationMs(text: string): number {
  return parseDuration(text) ?? 0;
}

/** An adapter's options: its type is checked against the registry, the rest by the adapter itself. */
export const adapterOptions = z.looseObject({ type: z.string() });
export type AdapterOptions = z.infer<typeof adapterOptions>;

export const secretSource = secretSourceSchema("the credential");

export const secretName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
  error: (issue) =>
    `${JSON.stringify(issue.input)} is not a name; 1 to 63 letters, digits, ".", "_" or "-", beginning with a letter or digit`,
});

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

/** Each issue under the name of the input it is about. */
export function failuresOf(error: z.ZodError, prefix: readonly PropertyKey[] = []): CheckFailure[] {
  return error.issues.map((issue) => {
    const path = [...prefix, ...issue.path].map(String);
    return { property: path[0] ?? "", reason: `${path.join(".") || "the inputs"}: ${issue.message}` };
  });
}
