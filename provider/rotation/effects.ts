/**
 * The one seam through which every side effect passes. It stops a run that has lost the right to act, and it is where
 * the tests stop the process: before a call, or after it.
 */

/**
 * The methods of each contract that cause side effects. The census of the crash tests holds every call of theirs
 * against this table: each has to pass the seam, and each has to be stopped by some test.
 */
export const SIDE_EFFECTS = {
  SecretStore: ["putVersion", "promote", "clearCurrent", "disable", "enable", "retire", "commit"],
  CredentialKind: ["issue", "disable", "enable", "revoke"],
  AuditSink: ["record"],
  Consumer: ["roll"],
} as const;

declare const SEAM: unique symbol;

/** An adapter whose side effects pass the seam. */
export type Seamed<T> = T & { readonly [SEAM]: true };

export interface SeamHook {
  /** Called around each side effect by the tests; absent in production. */
  (point: string, moment: "before" | "after"): void | Promise<void>;
  /** Called where a side effect is asked for, while the caller is still on the stack. */
  asked?<T>(work: () => T): T;
}

/** Set on `globalThis` by a test's preload script. */
export const SEAM_HOOK = Symbol.for("pulumi-rotating-secrets.seam");

function installedHook(): SeamHook | undefined {
  return (globalThis as Record<symbol, unknown>)[SEAM_HOOK] as SeamHook | undefined;
}

/** Throws when this run may cause no further side effect. */
export type Fence = () => Promise<void>;

export async function effect<T>(point: string, fence: Fence, call: () => Promise<T>): Promise<T> {
  const hook = installedHook();
  await fence();
  if (!hook) return call();
  await hook(point, "before");
  const result = await call();
  await hook(point, "after");
  return result;
}

/** Lets the tests see who asks for the side effects of `work`, also where they come later. */
export function asked<T>(work: () => T): T {
  const hook = installedHook();
  return hook?.asked ? hook.asked(work) : work();
}

/** The same adapter, with what causes side effects passing the seam as `<prefix>.<method>`. */
export function throughSeam<T extends object>(
  adapter: T,
  prefix: string,
  contract: keyof typeof SIDE_EFFECTS,
  fence: Fence,
  /** Other fences for single methods. */
  fences: Readonly<Record<string, Fence>> = {},
): Seamed<T> {
  const methods: readonly string[] = SIDE_EFFECTS[contract];
  return new Proxy(adapter, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      const method = member as (...args: unknown[]) => Promise<unknown>;
      if (!methods.includes(String(property))) return method.bind(target);
      const point = `${prefix}.${String(property)}`;
      return (...args: unknown[]) =>
        asked(() => effect(point, fences[String(property)] ?? fence, () => method.apply(target, args)));
    },
  }) as Seamed<T>;
}
