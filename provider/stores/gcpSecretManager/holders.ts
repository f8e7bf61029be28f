/**
 * Which stored version a version of the native secret holds. A run that was stopped between adding one and recording it
 * leaves one that says nothing of itself: then the payloads are compared.
 */
import type { StoredVersion, VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { payloadText, renderPayload, type PayloadFormat } from "../../lifecycle/payload";
import type { Companion } from "./companion";
import type { Native, Newest } from "./native";
import { find, holderOf, type Rotation } from "./record";

/** What is in the native secret for a stored version. */
export function renderedBytes(stored: StoredVersion, format: PayloadFormat | undefined): Buffer {
  return Buffer.from(payloadText(renderPayload(stored.value, format)), "utf8");
}

/** The version that readers of `latest` get; `null` where it is not one that was recorded, or they get nothing. */
export function currentOf(rotation: Rotation, newest: Newest): VersionRef | null {
  if (newest.data === undefined) return null;
  return holderOf(rotation, newest.number)?.ref ?? null;
}

export class Holders {
  constructor(
    private readonly companion: Companion,
    private readonly native: Native,
    private readonly format: PayloadFormat | undefined,
  ) {}

  /** @returns `undefined` when it is not stored, or its retirement was begun. */
  async read(ref: VersionRef): Promise<StoredVersion | undefined> {
    try {
      const found = await this.companion.readDocument(`version ${ref.version}`, (now) => find(now, ref)?.document);
      return found.document as StoredVersion | undefined;
    } catch (error) {
      // Still in the metadata, but its document destroyed: a retirement that was stopped before its end.
      if (error instanceof StateError && (await this.isDestroyed(ref))) return undefined;
      throw error;
    }
  }

  /**
   * Adds to the metadata what the native versions hold that are not accounted for.
   * @param until the newest number of the native secret.
   */
  async account(rotation: Rotation, until: number): Promise<Rotation> {
    const payloads = new Map<VersionRef, Buffer>();
    let known = rotation;
    for (let number = (rotation.accountedFor ?? until) + 1; number <= until; number++) {
      if (holderOf(known, number) !== undefined) continue;
      const data = await this.native.data(number);
      if (data === undefined) continue;
      if (payloads.size === 0) for (const { ref } of rotation.versions) await this.render(ref, payloads);
      const holder = [...payloads].find(([, payload]) => payload.equals(data))?.[0];
      if (holder !== undefined) known = withNative(known, holder, number);
    }
    return known;
  }

  private async render(ref: VersionRef, payloads: Map<VersionRef, Buffer>): Promise<void> {
    const stored = await this.read(ref);
    if (stored !== undefined) payloads.set(ref, renderedBytes(stored, this.format));
  }

  private async isDestroyed(ref: VersionRef): Promise<boolean> {
    const kept = find(await this.companion.read(), ref);
    return kept === undefined || (await this.companion.hasDestroyed(kept.document));
  }
}

/** Nothing where it is recorded already. */
export function withNative(rotation: Rotation, ref: VersionRef, number: number): Rotation {
  const versions = rotation.versions.map((kept) =>
    isSameRef(kept.ref, ref) && !kept.native.includes(number) ? { ...kept, native: [...kept.native, number] } : kept,
  );
  return { ...rotation, versions };
}
