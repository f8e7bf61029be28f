/**
 * Node's `structuredClone` goes through a message port: half of the time of a sequence. Ledgers, events and stored
 * versions are plain data, which can be copied directly.
 */

/** @throws TypeError for anything but plain data. */
export function copyPlain<T>(value: T): T {
  if (value === null || typeof value !== "object") {
    if (typeof value === "function" || typeof value === "symbol") throw new TypeError("not plain data");
    return value;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => copyPlain(item)) as T;
  const kind: unknown = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) throw new TypeError("not plain data");
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) copy[name] = copyPlain((value as Record<string, unknown>)[name]);
  return copy as T;
}

/** @returns how to put Node's own back. */
export function installPlainCopy(): () => void {
  const original = globalThis.structuredClone;
  globalThis.structuredClone = copyPlain;
  return () => (globalThis.structuredClone = original);
}
