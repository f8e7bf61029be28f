/** The target of a roll as it may be shown and handed on: never with a value. */
import type { RollTarget } from "../contracts/consumer";

/** Equal for targets with the same versions. */
export function identifyTarget(target: RollTarget): string {
  return JSON.stringify(target.secrets.map(({ secret, ref, fingerprint }) => [secret, ref, fingerprint]));
}

/** `v7 of "orders-db", v3 of "orders-mail"` */
export function describeTarget(target: RollTarget): string {
  return target.secrets.map(({ secret, ref }) => `v${ref.version} of "${secret}"`).join(", ") || "no version";
}

/** What a workload is told of its target. It reads the value where it always does, in the store. */
export interface PublicTarget {
  readonly secrets: readonly { readonly name: string; readonly version: number; readonly fingerprint: string }[];
}

export function publicTarget(target: RollTarget): PublicTarget {
  return {
    secrets: target.secrets.map(({ secret, ref, fingerprint }) => ({
      name: secret,
      version: ref.version,
      fingerprint,
    })),
  };
}
