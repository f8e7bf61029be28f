/** What an update takes from what it is given, by its mask: https://google.aip.dev/134#field-masks */
import type { ServiceMessage, Template } from "./wire";

const PART = "template.";

/** @param paths none: everything is replaced. */
export function takes(paths: readonly string[], path: string): boolean {
  return paths.length === 0 || paths.includes(path);
}

/** The template as it will be. */
export function templateAfter(before: Template, given: ServiceMessage, paths: readonly string[]): Template {
  if (takes(paths, "template")) return given.template ?? {};
  const parts = paths.filter((path) => path.startsWith(PART)).map((path) => path.slice(PART.length) as keyof Template);
  return { ...before, ...Object.fromEntries(parts.map((part) => [part, given.template?.[part]])) };
}

/** Templates with the same content make no new revision. */
export function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value)
    .filter(([, inner]) => !isEmpty(inner))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, inner]) => `${key}:${canonical(inner)}`);
  return `{${parts.join(",")}}`;
}

/** What proto3 does not tell from absent. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "string" && value.endsWith("_UNSPECIFIED");
}
