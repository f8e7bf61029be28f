/** From an adapter's options, as they are in the inputs, to the adapter; and what is wrong with them. */
import { isDeepStrictEqual } from "node:util";
import type { AdapterContext } from "./contracts/context";
import { ConfigurationError } from "./lifecycle/errors";
import { failuresOf, type AdapterOptions, type CheckFailure } from "./inputs/common";
import type { Adapter } from "./registry";

type Family<A> = Readonly<Record<string, () => Promise<A>>>;

async function find<A>(family: Family<A>, type: string, what: string): Promise<A> {
  const load = Object.hasOwn(family, type) ? family[type] : undefined;
  if (!load)
    throw new ConfigurationError(
      `${JSON.stringify(type)} is no ${what} of this version of the package; there are: ${Object.keys(family).join(", ")}`,
    );
  return load();
}

/**
 * The options that say something: without them the adapter would do something else. So writing a default out, or a
 * default that a later version brings, is no change.
 */
export async function significantOptions<T>(
  family: Family<Adapter<T>>,
  options: AdapterOptions,
  what: string,
): Promise<Record<string, unknown>> {
  const { options: schema } = await find(family, options.type, what);
  const parsed = (given: unknown) => schema.safeParse(given).data as Record<string, unknown> | undefined;
  const whole = parsed(options);
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => {
      const { [name]: _option, ...rest } = options;
      return !isDeepStrictEqual(parsed(rest)?.[name], whole?.[name]);
    }),
  );
}

/** @returns what is wrong with the options, for `check()`. */
export async function checkAdapter<T>(
  family: Family<Adapter<T>>,
  options: AdapterOptions,
  what: string,
  path: readonly PropertyKey[],
): Promise<CheckFailure[]> {
  try {
    const adapter = await find(family, options.type, what);
    const parsed = adapter.options.safeParse(options);
    return parsed.success ? [] : failuresOf(parsed.error, path);
  } catch (error) {
    return [{ property: String(path[0]), reason: `${path.join(".")}: ${(error as Error).message}` }];
  }
}

/** @throws ConfigurationError when the options are not those of such an adapter. */
export async function createAdapter<T>(
  family: Family<Adapter<T>>,
  options: AdapterOptions,
  what: string,
  context: AdapterContext,
): Promise<T> {
  const adapter = await find(family, options.type, what);
  const parsed = adapter.options.safeParse(options);
  if (!parsed.success)
    throw new ConfigurationError(
      failuresOf(parsed.error, [what])
        .map((failure) => failure.reason)
        .join("; "),
    );
  return adapter.create(parsed.data as never, context);
}
