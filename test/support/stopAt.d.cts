export interface Effect {
  /** One call in the code, and who asked for it. */
  readonly call: string;
  /** How often this process has come to it. */
  readonly nth: number;
  /** The function in which it was asked for. */
  readonly fn: string;
  readonly point: string;
}
export function watchSeam(watcher: {
  before(effect: Effect): void | Promise<void>;
  after(effect: Effect): void | Promise<void>;
}): void;
export function isAt(
  effect: Effect,
  stop: { readonly call?: string; readonly nth?: number; readonly point?: string; readonly fn?: string },
): boolean;
