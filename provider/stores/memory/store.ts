/** A store in the memory of this process: for tests, and as the shortest complete reading of the contract. */
import { z } from "zod";
import type { AdapterContext } from "../../contracts/context";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { ConflictError, NotFoundError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";

export const memoryStoreOptions = z.strictObject({
  type: z.literal("memory"),
  /** Adapters with the same name are the same store. */
  name: z.string("name must be a text").min(1, "name must not be empty"),
  /**
   * Whether the label of "current" is in one compare-and-swap with the ledger, so that `promote` makes a new
   * revision. `false` behaves like the stores that keep labels of their own. Default: true.
   */
  fenced: z.boolean("fenced must be true or false").optional(),
});

export type MemoryStoreOptions = z.infer<typeof memoryStoreOptions>;

/** What such a store holds, for tests to look at and to put back from a backup. What is in it is never changed, only replaced. */
export interface MemoryStoreContents {
  commits: number;
  body: unknown;
  current: VersionRef | null;
  /** By token. */
  versions: Map<string, StoredVersion>;
}

const stores = new Map<string, MemoryStoreContents>();

export function memoryStoreContents(name: string): MemoryStoreContents {
  let contents = stores.get(name);
  if (contents === undefined) {
    contents = { commits: 0, body: undefined, current: null, versions: new Map() };
    stores.set(name, contents);
  }
  return contents;
}

/** Empties all of them. Adapters that are open see empty stores. */
export function resetMemoryStores(): void {
  stores.clear();
}

export function createMemoryStore(options: MemoryStoreOptions, _context: AdapterContext): SecretStore {
  return new MemoryStore(options.name, options.fenced ?? true);
}

class MemoryStore implements SecretStore {
  readonly type = "memory";
  readonly location: string;

  constructor(
    private readonly name: string,
    private readonly fenced: boolean,
  ) {
    this.location = `memory:${name}`;
  }

  async load(): Promise<LedgerSnapshot> {
    const { body, current } = this.contents;
    return structuredClone({ revision: this.revision, body, current });
  }

  async commit(body: unknown, expected: Revision): Promise<Revision> {
    this.checkFence(expected);
    const copy: unknown = structuredClone(body);
    this.contents.body = copy;
    return this.nextRevision();
  }

  async putVersion(version: StoredVersion): Promise<VersionRef> {
    const { versions } = this.contents;
    const stored = versions.get(version.ref.token);
    if (stored !== undefined) return structuredClone(stored.ref);
    versions.set(version.ref.token, structuredClone(version));
    return structuredClone(version.ref);
  }

  async promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision> {
    this.checkFence(fence);
    const stored = this.find(ref);
    const { current } = this.contents;
    if (isSameRef(current, ref)) return fence;
    if (!isSameRef(current, expected)) {
      throw new ConflictError(
        `In ${this.location} ${name(current)} is current, not ${name(expected)}: somebody else changed it. ` +
          "Nothing was changed. Load the ledger again and decide anew.",
      );
    }
    this.contents.current = structuredClone(stored.ref);
    return this.fenced ? this.nextRevision() : fence;
  }

  async clearCurrent(fence: Revision): Promise<Revision> {
    this.checkFence(fence);
    if (this.contents.current === null) return fence;
    this.contents.current = null;
    return this.fenced ? this.nextRevision() : fence;
  }

  async read(selector: VersionRef | "current"): Promise<StoredVersion> {
    const ref = selector === "current" ? this.contents.current : selector;
    if (ref === null) throw new NotFoundError(`No version is current in ${this.location}. Promote one first.`);
    return structuredClone(this.find(ref));
  }

  async readPayload(): Promise<Payload> {
    return (await this.read("current")).value;
  }

  async list(): Promise<readonly VersionRef[]> {
    return [...this.contents.versions.values()].map(({ ref }) => structuredClone(ref));
  }

  async retire(ref: VersionRef): Promise<void> {
    if (isSameRef(this.contents.current, ref)) {
      throw new StateError(
        `In ${this.location} ${name(ref)} is the current one: it cannot be deleted. Nothing was changed. ` +
          "Promote another version first.",
      );
    }
    const stored = this.contents.versions.get(ref.token);
    if (isSameRef(stored?.ref ?? null, ref)) this.contents.versions.delete(ref.token);
  }

  async close(): Promise<void> {
    // Nothing is kept open.
  }

  private get contents(): MemoryStoreContents {
    return memoryStoreContents(this.name);
  }

  private get revision(): Revision {
    return String(this.contents.commits);
  }

  private nextRevision(): Revision {
    this.contents.commits += 1;
    return this.revision;
  }

  private checkFence(expected: Revision): void {
    if (this.revision === expected) return;
    throw new ConflictError(
      `The ledger in ${this.location} is at revision ${this.revision}, not ${expected}: somebody else changed it ` +
        "meanwhile. Nothing was changed. Load the ledger again and decide anew.",
    );
  }

  private find(ref: VersionRef): StoredVersion {
    const stored = this.contents.versions.get(ref.token);
    if (stored !== undefined && isSameRef(stored.ref, ref)) return stored;
    throw new NotFoundError(`In ${this.location} ${name(ref)} is not stored. Nothing was changed.`);
  }
}

function name(ref: VersionRef | null): string {
  return ref === null ? "no version" : `version ${ref.version} (${ref.token})`;
}
