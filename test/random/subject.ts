/** One secret of the world: where it lives, what was ever stored of it, and what the program says of it. */
import type { StoredVersion, VersionRef } from "../../provider/contracts/store";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import { memoryStoreContents } from "../../provider/stores/memory";
import { memoryIssuer } from "../../testing/memoryKind";

/** What a store holds now. */
export interface Held {
  readonly body: LedgerState | null;
  readonly current: VersionRef | null;
  readonly versions: ReadonlyMap<string, StoredVersion>;
}

export function held(store: string): Held {
  const { body, current, versions } = memoryStoreContents(store);
  return { body: (body ?? null) as LedgerState | null, current, versions };
}

export class Subject {
  /** Everything ever stored, by version number: numbers never start again. */
  readonly stored = new Map<number, StoredVersion>();
  /** In which store the numbers were first used; a store that is new to the secret counts from 1. */
  readonly madeIn = new Map<number, string>();
  /** Credentials issued up to then are compromised. */
  compromisedBefore = -Infinity;
  migrateFrom: string | null = null;
  /** How many versions were live at the issuer when that was looked at last. */
  live = 0;
  /** How many versions were stored, by store. */
  readonly kept = new Map<string, number>();
  /** Versions whose value a restore of the store took away. */
  readonly lost = new Set<number>();
  /** Up to which version the trail need not tell everything, because the ledger had forgotten some of it. */
  untoldUpTo = 0;

  constructor(
    readonly name: string,
    readonly issuerName: string,
    /** Where it lives, as the program says. */
    public home: string,
    /** Every store that it may ever be in, replicas included. */
    readonly stores: readonly string[],
    /** Those with a ledger, and so with a trail of their own. */
    readonly ledgers: readonly string[],
  ) {}

  get ledger(): LedgerState | null {
    return held(this.home).body;
  }

  get issuer() {
    return memoryIssuer(this.issuerName);
  }

  /** Whether an adapter of that name is one of this secret's. */
  has(adapter: string): boolean {
    return adapter === this.issuerName || this.stores.includes(adapter);
  }
}
