/** The properties of a resource, as the engine passes them. */
export type Properties = Record<string, unknown>;

/** Without the provider text, which the engine keeps among them. */
export function withoutProvider(properties: Properties): Properties {
  const { __provider: _provider, ...rest } = properties;
  return rest;
}
