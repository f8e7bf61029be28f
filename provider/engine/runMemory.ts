/**
 * What this process has seen of each secret. A provider process lives for one run, and which calls it saw is the only
 * way to tell a replacement from a removal (protocol, "What a provider call can know").
 */
import type { Entry } from "../lifecycle/decide";

export interface Seen {
  /** Name under which the program declares it; two names for one store are an error. */
  declaredAs: string | undefined;
  /** Rule 19: whether the program still declares the secret. */
  checked: boolean;
  created: boolean;
  /** Whether an entry of it was deleted. */
  removed: boolean;
  /** The entry that a `diff()` was given; rule 13 asks whether there was one. */
  entry: Entry | null;
  /** What `check()` decided to show, so that its second call in a replacement says the same. */
  rotation: string | undefined;
  /** Random ids of a first creation. */
  identity: string | undefined;
  owner: string | undefined;
}

export class RunMemory {
  private readonly secrets = new Map<string, Seen>();

  of(location: string): Seen {
    let seen = this.secrets.get(location);
    if (!seen) {
      seen = {
        declaredAs: undefined,
        checked: false,
        created: false,
        removed: false,
        entry: null,
        rotation: undefined,
        identity: undefined,
        owner: undefined,
      };
      this.secrets.set(location, seen);
    }
    return seen;
  }

  /** Whether this run came across a secret in a store other than that one, by whatever name machines have for it. */
  hasElsewhere(identity: string, location: string): boolean {
    return [...this.secrets].some(
      ([other, { identity: seen, checked, created, removed }]) =>
        other !== location && seen === identity && (checked || created || removed),
    );
  }
}
