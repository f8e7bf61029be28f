/**
 * The composition root: what the provider text in the Pulumi state asks for.
 *
 * The sub-path of this module and the names that it exports are a contract for ever: a state written by any version of
 * the package names them.
 */
import { rolloutProvider } from "./engine/rollout";
import { secretVersionProvider } from "./engine/secretVersion";
import { Runtime } from "./runtime";

let config: { get(key: string): string | undefined } | undefined;

const runtime = new Runtime((key) => config?.get(key));
runtime.followEngine();

/** Synchronous on purpose: the engine's first calls do not wait for it. */
function configure(request: { config: typeof config }): void {
  config = request.config;
}

export const secretVersion = { configure, ...secretVersionProvider(runtime) };
export const rollout = { configure, ...rolloutProvider(runtime) };
