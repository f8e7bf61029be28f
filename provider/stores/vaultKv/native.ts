/** The entry that readers read: it only ever holds what they get, and its newest version is what is current. */
import { isDeepStrictEqual } from "node:util";
import { otherCurrent } from "../../contracts/refusals";
import type { Payload, StoredVersion, VersionRef } from "../../contracts/store";
import { ConfigurationError, ConflictError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { renderFields, type FieldsFormat } from "../../lifecycle/payload";
import type { EntryMetadata, Kv } from "./kv";
import * as labels from "./labels";

export class NativeEntry {
  constructor(
    private readonly kv: Kv,
    readonly path: string,
    private readonly format: FieldsFormat,
    private readonly location: string,
  ) {}

  metadata(): Promise<EntryMetadata | undefined> {
    return this.kv.metadata(this.path);
  }

  async current(): Promise<VersionRef | null> {
    return labels.currentOf(await this.metadata());
  }

  /** @returns `undefined` where a reader gets nothing. */
  async payload(): Promise<Payload | undefined> {
    const entry = await this.kv.read(this.path);
    if (entry.state !== "there") return undefined;
    // Others may have written more than texts there.
    return Object.fromEntries(
      Object.entries(entry.data).map(([name, field]) => [
        name,
        typeof field === "string" ? field : JSON.stringify(field),
      ]),
    );
  }

  /** @throws ConfigurationError when the format does not fit the value. */
  checkFormat(stored: StoredVersion): void {
    renderFields(stored.value, this.format);
  }

  /**
   * Makes a version the newest one.
   * @param before what the entry was *before* the ledger was compared with the fence: whoever promotes after that moment
   * makes a native version, and then ours is refused.
   */
  async promote(before: EntryMetadata | undefined, stored: StoredVersion, expected: VersionRef | null): Promise<void> {
    const { ref } = stored;
    const current = labels.currentOf(before);
    if (await this.holdsAlready(before, stored, current)) return;
    if (!isSameRef(current, ref) && !isSameRef(current, expected)) throw otherCurrent(this.location, current, expected);
    await this.makeRoom(before);
    const newest = before?.currentVersion ?? 0;
    const written = await this.kv.write(this.path, renderFields(stored.value, this.format), newest);
    if (written !== undefined) return this.label(before, written.version, ref);
    // Another writer was faster. Or it was us, and the answer got lost before this was sent again.
    const now = await this.metadata();
    const lost = now?.currentVersion === newest + 1 && (await this.holdsAlready(now, stored, labels.currentOf(now)));
    if (!lost) throw this.overtaken(newest, now?.currentVersion ?? 0);
  }

  /** Takes away what readers get: ours for good, what others wrote so that it can be undeleted. */
  async clear(entry: EntryMetadata, stored: () => Promise<readonly StoredVersion[]>): Promise<void> {
    const known = await this.recognise(entry, stored);
    const ours = labels.ourVersions(entry, known);
    const newest = entry.currentVersion;
    if (labels.isLive(entry, newest) && !ours.includes(newest)) await this.kv.change("delete", this.path, [newest]);
    await this.destroy(entry, ours);
  }

  /** @throws StateError when it is current. */
  async disable(ref: VersionRef, stored: StoredVersion | undefined): Promise<void> {
    const entry = await this.metadata();
    if (entry === undefined) return;
    const known = await this.recognise(entry, () => maybe(stored));
    this.refuseCurrent(entry, known, ref, "disabled");
    const holders = labels.holdersOf(entry, known, ref);
    const live = holders.filter((number) => labels.isLive(entry, number));
    await this.kv.change("delete", this.path, live);
  }

  async enable(ref: VersionRef): Promise<void> {
    const entry = await this.metadata();
    if (entry === undefined) return;
    const holders = labels.holdersOf(entry, labels.labelsOf(entry), ref);
    const deleted = holders.filter((number) => !labels.isLive(entry, number));
    await this.kv.change("undelete", this.path, deleted);
  }

  /** Destroys each native version that holds it. @throws StateError when it is current. */
  async retire(ref: VersionRef, stored: StoredVersion | undefined): Promise<void> {
    const entry = await this.metadata();
    if (entry === undefined) return;
    const known = await this.recognise(entry, () => maybe(stored));
    this.refuseCurrent(entry, known, ref, "deleted");
    await this.destroy(entry, labels.holdersOf(entry, known, ref));
  }

  /** Whether readers get exactly this already. Says so in the labels where a run that ended before could not. */
  private async holdsAlready(
    entry: EntryMetadata | undefined,
    stored: StoredVersion,
    current: VersionRef | null,
  ): Promise<boolean> {
    if (entry === undefined || !labels.isLive(entry, entry.currentVersion)) return false;
    if (current !== null && !isSameRef(current, stored.ref)) return false;
    if (!(await this.holds(entry.currentVersion, stored))) return false;
    if (current === null) await this.label(entry, entry.currentVersion, stored.ref);
    return true;
  }

  private async holds(number: number, stored: StoredVersion): Promise<boolean> {
    const native = await this.kv.read(this.path, number);
    return native.state === "there" && isDeepStrictEqual(native.data, { ...renderFields(stored.value, this.format) });
  }

  /**
   * The labels, with those added that a run which ended between writing and labelling left out: what is found in the
   * native version shows whose it is.
   */
  private async recognise(
    entry: EntryMetadata,
    candidates: () => Promise<readonly StoredVersion[]>,
  ): Promise<labels.Labels> {
    const known = labels.labelsOf(entry);
    const open = labels.unlabelled(entry, known);
    if (open.length === 0) return known;
    const stored = (await candidates()).filter((one) => this.fits(one));
    const found = new Map<number, VersionRef>();
    for (const number of open) {
      for (const one of stored) if (await this.holds(number, one)) found.set(number, one.ref);
    }
    if (found.size > 0) await this.kv.patchCustom(this.path, labels.labelChange(entry, found));
    return new Map([...known, ...found]);
  }

  private fits(stored: StoredVersion): boolean {
    try {
      renderFields(stored.value, this.format);
      return true;
    } catch (error) {
      if (error instanceof ConfigurationError) return false;
      throw error;
    }
  }

  private async destroy(entry: EntryMetadata, numbers: readonly number[]): Promise<void> {
    await this.kv.change("destroy", this.path, numbers);
    const change = labels.labelChange(entry, new Map(), numbers);
    if (Object.keys(change).length > 0) await this.kv.patchCustom(this.path, change);
  }

  private label(before: EntryMetadata | undefined, number: number, ref: VersionRef): Promise<void> {
    return this.kv.patchCustom(this.path, labels.labelChange(before, new Map([[number, ref]])));
  }

  /** Before anything is written: a version that could not be labelled would not be known as current. */
  private async makeRoom(entry: EntryMetadata | undefined): Promise<void> {
    if (entry === undefined) return;
    const room = labels.roomIn(entry);
    if (room < labels.MIN_LABELS) {
      throw new ConfigurationError(
        `The store ${this.location}: the custom metadata of "${this.path}" has ${labels.MAX_KEYS - room} keys of others. ` +
          `Vault allows ${labels.MAX_KEYS}, and the rotation needs at least ${labels.MIN_LABELS} of them. Nothing was ` +
          "changed. Remove some and run again.",
      );
    }
    const ours = labels.ourVersions(entry, labels.labelsOf(entry));
    const excess = ours.slice(0, Math.max(0, ours.length - (room - 1)));
    if (excess.length > 0) await this.destroy(entry, excess);
  }

  private refuseCurrent(entry: EntryMetadata, known: labels.Labels, ref: VersionRef, done: string): void {
    if (!isSameRef(labels.currentOf(entry, known), ref)) return;
    throw new StateError(
      `Version ${ref.version} (${ref.token}) is the current one in ${this.location}: it cannot be ${done}. Nothing was ` +
        "changed. Promote another version first.",
    );
  }

  private overtaken(before: number, now: number): ConflictError {
    return new ConflictError(
      `In ${this.location} somebody else wrote version ${now} of the entry after version ${before} was read. Nothing was ` +
        "changed by this run. Load the ledger again and decide anew.",
    );
  }
}

async function maybe(stored: StoredVersion | undefined): Promise<readonly StoredVersion[]> {
  return stored === undefined ? [] : [stored];
}
