/**
 * The provider text that is kept in the Pulumi state of every resource. It is a contract for ever: `delete()` on any
 * state ever written runs it, and finds the code that is installed then.
 */
export type ProviderName = "secretVersion" | "rollout";

/** The engine's name for providers whose code is kept with the resource. */
export const DYNAMIC_MODULE = "pulumi-nodejs:dynamic/rotation";

export function providerText(name: ProviderName): string {
  return `exports.handler=()=>require("pulumi-rotating-secrets/internal/handler").${name}`;
}
