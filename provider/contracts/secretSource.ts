/** Where a credential that the rotation itself needs is found, instead of its value. */
import { z } from "zod";

/**
 * An admin's credential, an encryption key, a token. Resolved inside the provider process, so that its value is in no
 * input, state or trace.
 */
export type SecretSource =
  /** An environment variable of the process that runs `pulumi`. */
  | { readonly from: "env"; readonly name: string }
  /** A file; one trailing line break is dropped. */
  | { readonly from: "file"; readonly path: string }
  /** A key of the stack's configuration, normally set with `pulumi config set --secret`. */
  | { readonly from: "config"; readonly key: string }
  /**
   * What a reader of "current" gets from a store, whether this library wrote it or somebody else. `field`: which one,
   * where the store holds several.
   */
  | {
      readonly from: "store";
      readonly store: { readonly type: string; readonly [option: string]: unknown };
      readonly field?: string | undefined;
    };

/** @param what begins the message, such as `connection.admin must say where …`. Never shows what was given. */
export function secretSourceSchema(what: string): z.ZodType<SecretSource> {
  const sources = ["env", "file", "config", "store"] as const;
  const named = (name: string) => z.string(`${name} must be a text`).min(1, `${name} must not be empty`);
  return z.discriminatedUnion(
    "from",
    [
      z.strictObject({ from: z.literal(sources[0]), name: named("name, the environment variable,") }),
      z.strictObject({ from: z.literal(sources[1]), path: named("path, the file,") }),
      z.strictObject({ from: z.literal(sources[2]), key: named("key, the configuration key,") }),
      z.strictObject({
        from: z.literal(sources[3]),
        store: z.looseObject({ type: z.string("store must be a store's type and options") }),
        field: named("field, which one of the store's,").optional(),
      }),
    ],
    {
      error: () =>
        `${what} must say where it is found, never what it is: { from: "env", name }, { from: "file", path }, ` +
        `{ from: "config", key } or { from: "store", store, field }`,
    },
  );
}
