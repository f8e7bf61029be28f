/**
 * A store in HashiCorp Vault's KV secrets engine, version 2:
 *
 * ```
 * <mount>/data/<path>                                       what readers get; the newest version is "current"
 * <mount>/data/<path>-rotation/ledger                       the ledger; its revision is the number of its newest version
 * <mount>/data/<path>-rotation/versions/<version>-<token>   each version as a whole
 * ```
 *
 * Each write is a check-and-set of Vault's. Which version of the entry holds which of ours is in its custom metadata.
 */
import type { AdapterContext } from "../../contracts/context";
import { notStored } from "../../contracts/refusals";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { Client } from "../../net/vault/client";
import { Companion } from "./companion";
import { Kv } from "./kv";
import { currentOf } from "./labels";
import { NativeEntry } from "./native";
import { addressOf, type VaultKvStoreOptions } from "./options";
import { Preflight } from "./preflight";
import { useOf } from "./use";

/** How often a reader of "current" that lost a race with a retirement looks again. */
const READ_ATTEMPTS = 20;

export function createVaultKvStore(options: VaultKvStoreOptions, context: AdapterContext): SecretStore {
  return new VaultKvStore(options, context);
}

class VaultKvStore implements SecretStore {
  readonly type = "vaultKv";
  readonly location: string;
  private readonly client: Client;
  private readonly native: NativeEntry;
  private readonly companion: Companion;
  private readonly preflight: Preflight;

  constructor(options: VaultKvStoreOptions, context: AdapterContext) {
    const { mount, path, namespace, format } = options;
    const address = addressOf(options);
    this.location = `vault:${address}/${mount}/${path}${namespace === undefined ? "" : `?namespace=${namespace}`}`;
    this.client = new Client(options, address, useOf(this.location), context);
    const kv = new Kv(this.client, mount, this.location);
    this.native = new NativeEntry(kv, path, format, this.location);
    this.companion = new Companion(kv, path, this.location);
    const facts = { address, mount, location: this.location };
    this.preflight = new Preflight(this.client, kv, this.native, this.companion, facts, context);
  }

  async load(): Promise<LedgerSnapshot> {
    const [{ revision, body }, current] = await Promise.all([this.companion.loadLedger(), this.native.current()]);
    return { revision, body, current };
  }

  async commit(body: unknown, expected: Revision): Promise<Revision> {
    await this.preflight.checkMount();
    return this.companion.commit(body, expected);
  }

  async putVersion(version: StoredVersion): Promise<VersionRef> {
    this.native.checkFormat(version);
    await this.preflight.checkMount();
    await this.preflight.checkPlace(version.ref);
    return this.companion.create(version);
  }

  async promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision> {
    await this.preflight.checkMount();
    // In this order: see NativeEntry.promote.
    const before = await this.native.metadata();
    const [stored] = await Promise.all([this.companion.read(ref), this.companion.checkFence(fence)]);
    if (stored === undefined) throw notStored(this.location, ref);
    await this.native.promote(before, stored, expected);
    return fence;
  }

  async clearCurrent(fence: Revision): Promise<Revision> {
    await this.preflight.checkMount();
    // In this order: what is promoted after that moment is not touched.
    const before = await this.native.metadata();
    await this.companion.checkFence(fence);
    if (before !== undefined) await this.native.clear(before, () => this.readAll());
    return fence;
  }

  async read(selector: VersionRef | "current"): Promise<StoredVersion> {
    const stored = selector === "current" ? await this.readCurrent() : await this.companion.read(selector);
    if (stored === undefined) throw notStored(this.location, selector);
    return stored;
  }

  async readPayload(): Promise<Payload> {
    const payload = await this.native.payload();
    if (payload === undefined) throw notStored(this.location, "current");
    return payload;
  }

  list(): Promise<readonly VersionRef[]> {
    return this.companion.list();
  }

  async disable(ref: VersionRef): Promise<void> {
    await this.preflight.checkMount();
    await this.native.disable(ref, await this.companion.readIfWhole(ref));
  }

  async enable(ref: VersionRef): Promise<void> {
    await this.preflight.checkMount();
    if ((await this.companion.read(ref)) === undefined) throw notStored(this.location, ref);
    await this.native.enable(ref);
  }

  /**
   * Needs no compare-and-swap of its own: a retirement is committed to the ledger before it begins, so whoever wants
   * to promote this version at the same moment holds a fence that is no longer true.
   */
  async retire(ref: VersionRef): Promise<void> {
    await this.preflight.checkMount();
    await this.native.retire(ref, await this.companion.readIfWhole(ref));
    // Last: as long as it is there, what is left of the version in the entry can be recognised.
    await this.companion.remove(ref);
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async readCurrent(): Promise<StoredVersion | undefined> {
    let missed: VersionRef | null = null;
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      const current = currentOf(await this.native.metadata());
      if (current === null) return undefined;
      const stored = await this.companion.read(current);
      if (stored !== undefined) return stored;
      if (isSameRef(missed, current)) break;
      // Promoted away and deleted since the entry was read: look again.
      missed = current;
    }
    throw new StateError(
      `Version ${missed?.version} is the current one in ${this.location}, but what this library keeps of it is gone: it ` +
        "was not this library that removed it. Nothing was changed. Restore it from a backup of Vault.",
    );
  }

  private async readAll(): Promise<readonly StoredVersion[]> {
    const found = await Promise.all((await this.companion.list()).map((ref) => this.companion.readIfWhole(ref)));
    return found.filter((stored) => stored !== undefined);
  }
}
