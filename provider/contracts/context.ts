/** What every adapter and every step of a rotation is given by the handler: time, cancellation and a log. */
import type { SecretSource } from "./secretSource";

export type { SecretSource } from "./secretSource";

/** The only source of time. Tests inject their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Lines for the person who reads the run. Never a secret value. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

export interface AdapterContext {
  readonly clock: Clock;
  /** Aborted when the run is cancelled. Adapters pass it on to whatever they wait for. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Resolves a reference to a secret that lives outside the state, such as an admin credential. */
  resolveSecret(source: SecretSource): Promise<string>;
}

export type { IssuedRef, SecretValue } from "../lifecycle/values";
