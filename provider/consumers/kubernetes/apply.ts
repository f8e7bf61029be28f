/**
 * What is sent to server-side apply: only the fields that this package owns. A field that was applied before and is left
 * out is taken away by the server, so everything that is owned already goes along as it is.
 */
import type { Step } from "./references";
import type { Fields, Workload } from "./workload";

/** https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers */
export const FIELD_MANAGER = "pulumi-rotating-secrets";

/** @returns an empty tree where nothing was applied yet. */
export function ownedFields({ metadata: { managedFields = [] } }: Workload): Fields {
  const own = managedFields.find(
    ({ manager, operation, subresource }) => manager === FIELD_MANAGER && operation === "Apply" && !subresource,
  );
  return own?.fieldsV1 ?? {};
}

export function fieldAt(path: readonly Step[]): Fields {
  return path.reduceRight<Fields>((inner, step) => {
    if (typeof step === "string") return { [`f:${step}`]: inner };
    // The key of the element is a field of it too.
    return { [`k:${JSON.stringify(step)}`]: { "f:name": {}, ...inner } };
  }, {});
}

export function union(a: Fields, b: Fields): Fields {
  const all: Record<string, Fields> = { ...a };
  for (const [step, inner] of Object.entries(b))
    all[step] = Object.hasOwn(a, step) ? union(a[step] ?? {}, inner) : inner;
  return all;
}

/** The part of an object that these fields make out; `undefined` where it has none of them. */
export function extract(value: unknown, fields: Fields): unknown {
  const steps = Object.entries(fields);
  if (steps.length === 0 || value === undefined || value === null) return structuredClone(value);
  if (Array.isArray(value)) return elements(value, steps);
  if (typeof value !== "object") return value;
  const whole = value as Record<string, unknown>;
  const part: Record<string, unknown> = {};
  for (const [step, inner] of steps) {
    if (!step.startsWith("f:")) continue;
    const field = step.slice(2);
    const found = Object.hasOwn(whole, field) ? extract(whole[field], inner) : undefined;
    if (found !== undefined) part[field] = found;
  }
  return part;
}

function elements(list: readonly unknown[], steps: readonly [string, Fields][]): unknown[] {
  return list.flatMap((element): unknown[] => {
    for (const [step, inner] of steps) {
      if (step.startsWith("v:") && JSON.stringify(element) === step.slice(2)) return [element];
      if (!step.startsWith("k:")) continue;
      const keys = JSON.parse(step.slice(2)) as Record<string, unknown>;
      const item = element as Record<string, unknown>;
      if (!Object.entries(keys).every(([key, wanted]) => item[key] === wanted)) continue;
      return [{ ...keys, ...(extract(element, { ...inner, ".": {} }) as object) }];
    }
    return [];
  });
}

/**
 * @param desired the workload as it is to be.
 * @param changed what of it is taken over beside what is owned already.
 * @returns the body of the apply. It fails where the workload is not the one, or not as it was, when `desired` was made.
 */
export function applyBody(desired: Workload, changed: Fields): object {
  const { kind, metadata } = desired;
  const part = extract(desired, union(ownedFields(desired), changed)) as { metadata?: object; spec?: object };
  const { name, uid, resourceVersion } = metadata;
  return { ...part, apiVersion: "apps/v1", kind, metadata: { ...part.metadata, name, uid, resourceVersion } };
}
