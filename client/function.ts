/** Whatever the application itself can read, such as AWS Secrets Manager by its SDK. */
import type { SecretSource, VersionFacts } from "./source";

/** A read costs a call, and often money. */
const MAX_AGE_MS = 300_000;

export interface FunctionOptions<Value> {
  /** Which version a value is, where it tells. The fingerprint is reported as it is given here. */
  readonly versionOf?: (value: Value) => VersionFacts;
}

/**
 * @param read gives the whole value, an object or a text, at one moment. It should end when the signal is aborted. Of
 *   its errors only name and code are shown, because messages of SDKs may quote what was answered.
 */
export function fromFunction<Value>(
  read: (signal: AbortSignal) => Promise<Value>,
  { versionOf }: FunctionOptions<Value> = {},
): SecretSource<Value> {
  return {
    description: "the application's function",
    maxAge: MAX_AGE_MS,
    async read({ name, signal }) {
      const value = await read(signal);
      return { ...(name === undefined ? {} : { name }), ...versionOf?.(value), value };
    },
  };
}
