/**
 * The one seam through which every side effect passes. It stops a run that has lost the right to act, and it is where
 * the tests stop the process: before a call, or after it.
 */

/** Called around each side effect by the tests; absent in production. */
export type SeamHook = (point: string, moment: "before" | "after") => void | Promise<void>;

/** Set on `globalThis` by a test's preload script. */
export const SEAM_HOOK = Symbol.for("pulumi-rotating-secrets.seam");

/** Throws when this run may cause no further side effect. */
export type Fence = () => Promise<void>;

export async function effect<T>(point: string, fence: Fence, call: () => Promise<T>): Promise<T> {
  const hook = (globalThis as Record<symbol, unknown>)[SEAM_HOOK] as SeamHook | undefined;
  await fence();
  if (!hook) return call();
  await hook(point, "before");
  const result = await call();
  await hook(point, "after");
  return result;
}

/** The same adapter, with the named methods passing the seam as `<prefix>.<method>`. */
export function throughSeam<T extends object>(
  adapter: T,
  prefix: string,
  methods: readonly (keyof T & string)[],
  fence: Fence,
): T {
  return new Proxy(adapter, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      const method = member as (...args: unknown[]) => Promise<unknown>;
      if (!methods.includes(property as keyof T & string)) return method.bind(target);
      return (...args: unknown[]) => effect(`${prefix}.${String(property)}`, fence, () => method.apply(target, args));
    },
  });
}
