import type { AdapterOptions } from "../inputs/common";
import { digestOf } from "../rotation/fingerprint";
import type { Runtime } from "../runtime";

/** The properties of a resource, as the engine passes them. */
export type Properties = Record<string, unknown>;

/**
 * Whether two descriptors lead to the same store, with other words: a path written otherwise, or another source of the
 * same key. Whether the key really opens it, opening it tells.
 */
export async function isSamePlace(runtime: Runtime, one: AdapterOptions, other: AdapterOptions): Promise<boolean> {
  if (digestOf(one) === digestOf(other)) return true;
  return one.type === other.type && (await runtime.store(one)).location === (await runtime.store(other)).location;
}

/** Without the provider text, which the engine keeps among them. */
export function withoutProvider(properties: Properties): Properties {
  const { __provider: _provider, ...rest } = properties;
  return rest;
}
