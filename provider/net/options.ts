/** Small zod pieces for the plain-JSON options of checks and consumers, with messages for people. */
import { z } from "zod";
import { describeDuration, parseDuration } from "../lifecycle/duration";

/** The bad value as people wrote it, cut to one readable line. Not for options that may hold a secret. */
export function describeValue(input: unknown): string {
  if (input === undefined) return "missing";
  const text = (JSON.stringify(input) as string | undefined) ?? typeof input;
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** An object that refuses unknown keys and names the allowed ones. */
export function strictOptions<Shape extends z.ZodRawShape>(what: string, shape: Shape) {
  const allowed = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys") {
        const keys = issue.keys.map((key) => `"${key}"`).join(", ");
        return `${what} has no option ${keys}; allowed are: ${allowed}`;
      }
      return `${what} must be an object with the options ${allowed}`;
    },
  });
}

/** A text that is not empty. */
export function text(what: string, maxLength = 4096) {
  const wanted = `${what} must be a text of 1 to ${maxLength} characters`;
  return z
    .string({ error: (issue) => `${wanted}; it is ${describeValue(issue.input)}` })
    .min(1, { error: `${wanted}; it is empty` })
    .max(maxLength, { error: `${wanted}; it is longer` });
}

export function wholeNumber(what: string, min: number, max: number) {
  const error = (issue: { input?: unknown }) =>
    `${what} must be a whole number from ${min} to ${max}; it is ${describeValue(issue.input)}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export function flag(what: string) {
  return z.boolean({ error: (issue) => `${what} must be true or false; it is ${describeValue(issue.input)}` });
}

/** A duration within limits, given in milliseconds. It stays the text that people wrote. */
export function duration(what: string, minMs: number, maxMs: number) {
  const error = (issue: { input?: unknown }) =>
    `${what} must be a duration such as "500ms", "30s", "5m" or "PT1H", from ${describeDuration(minMs)} to ` +
    `${describeDuration(maxMs)}; it is ${describeValue(issue.input)}`;
  return z.string({ error }).refine(
    (value) => {
      const ms = parseDuration(value);
      return ms !== undefined && ms >= minMs && ms <= maxMs;
    },
    { error },
  );
}

/** The milliseconds of an option that a schema has let through, or of its default. */
export function durationMs(value: string | undefined, byDefault: string): number {
  const ms = parseDuration(value ?? byDefault);
  if (ms === undefined) throw new RangeError(`"${value ?? byDefault}" is not a duration: validate options first`);
  return ms;
}

export const port = (what: string) => wholeNumber(what, 1, 65_535);
