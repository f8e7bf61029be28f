/** The companion secret, `<name>-rotation`: its metadata by compare-and-swap, and the documents in its versions. */
import { randomUUID } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import { ConflictError, StateError } from "../../lifecycle/errors";
import type { SecretsClient } from "./client";
import { decodeDocument } from "./documents";
import { CallFailure, hasStatus } from "./failures";
import type { SecretInfo } from "./messages";
import { decodeRotation, encodeRotation, NOTHING_YET, type Rotation } from "./record";

/** How often a change is tried over others' changes, and a reading whose version has vanished meanwhile. */
const ATTEMPTS = 8;
/** The longest first wait between them, in ms; it doubles. */
const FIRST_WAIT_MS = 50;
/** How often a change is tried again whose answer got lost. Each may have taken the whole time limit of a call. */
const LOST_ANSWERS = 2;

interface Seen {
  readonly info: SecretInfo;
  readonly rotation: Rotation;
}

export class Companion {
  /**
   * The newest state that this adapter has seen. Secret Manager promises only that others see a change soon
   * (https://cloud.google.com/secret-manager/docs/reference/consistency), so an answer may be older than the last one;
   * the number of changes tells.
   */
  private seen: Seen | undefined;

  constructor(
    readonly id: string,
    private readonly location: string,
    private readonly client: SecretsClient,
    private readonly context: AdapterContext,
  ) {}

  /** @returns what there is, also where the secret was not made yet. */
  async read(): Promise<Rotation> {
    return (await this.look())?.rotation ?? NOTHING_YET;
  }

  /**
   * What there is for certain: an unchanged writing of it only succeeds when nothing newer is there. For who would do
   * nothing, or give up, since something is not there.
   */
  async confirmed(): Promise<Rotation> {
    return (await this.look()) === undefined ? NOTHING_YET : this.change((rotation) => ({ ...rotation }));
  }

  /** What somebody else was shown of it. */
  remember(info: SecretInfo): void {
    this.newer(info);
  }

  /**
   * Changes the metadata in one compare-and-swap of the etag.
   * @param decide called again with what there is then, whenever somebody else was faster. `undefined`: no change.
   * @throws what `decide` throws.
   */
  async change(decide: (rotation: Rotation) => Rotation | undefined): Promise<Rotation> {
    let lost = 0;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const before = await this.look();
      if (before === undefined) throw this.gone();
      const next = decide(before.rotation);
      if (next === undefined) return before.rotation;
      const mark = randomUUID();
      try {
        return await this.swap(before, { ...next, changes: before.rotation.changes + 1, mark });
      } catch (error) {
        if (!(error instanceof CallFailure) || this.context.signal.aborted) throw error;
        if (error.isUncertain) {
          // It may have been carried out; if not yet, it will not be any more once the etag is another one.
          const now = await this.look();
          if (now?.rotation.mark === mark) return now.rotation;
          if (++lost > LOST_ANSWERS) throw error;
        } else if (!hasStatus(error, "FAILED_PRECONDITION", "ABORTED")) throw error;
      }
      await this.pause(attempt);
    }
    throw new ConflictError(
      `The secret ${this.id} was changed by others ${ATTEMPTS} times in a row while the store ${this.location} was to ` +
        "be changed, or Secret Manager still shows an earlier state of it. Nothing was changed by this run. Load the " +
        "ledger again and decide anew.",
    );
  }

  /**
   * Reads what `pick` says, anew when it is gone by then. A version that is no longer needed is destroyed at once, so
   * that who was shown an earlier state notices.
   * @param pick the numbers of the parts; `undefined` when there is nothing to read.
   * @returns the document and the metadata that it was found by.
   */
  async readDocument(
    what: string,
    pick: (rotation: Rotation) => readonly number[] | undefined,
  ): Promise<{ readonly rotation: Rotation; readonly document: unknown }> {
    for (let attempt = 1; ; attempt++) {
      const rotation = await this.read();
      const numbers = pick(rotation);
      if (numbers === undefined) return { rotation, document: undefined };
      const parts = await Promise.all(numbers.map((number) => this.client.access(this.id, number)));
      const found = parts.flatMap((part) => (typeof part === "object" ? [part.data] : []));
      if (found.length === parts.length)
        return { rotation, document: await decodeDocument(found, what, this.location) };
      if (attempt >= ATTEMPTS) throw this.closed(what, numbers);
      await this.pause(attempt);
    }
  }

  /** @returns the numbers of the versions made. One that is made twice, since an answer got lost, is swept later. */
  async add(parts: readonly Uint8Array[]): Promise<readonly number[]> {
    const numbers: number[] = [];
    for (const part of parts) numbers.push((await this.client.addVersion(this.id, part, "repeat")).number);
    return numbers;
  }

  async destroy(numbers: readonly number[]): Promise<void> {
    await Promise.all(numbers.map((number) => this.client.destroy(this.id, number)));
  }

  /** Whether one of them cannot be had back, or will be destroyed. */
  async hasDestroyed(numbers: readonly number[]): Promise<boolean> {
    const found = await Promise.all(numbers.map((number) => this.client.getVersion(this.id, number)));
    return found.some((version) => version === undefined || version.isGone);
  }

  pause(attempt: number): Promise<void> {
    const most = FIRST_WAIT_MS * 2 ** (attempt - 1);
    return this.context.clock.sleep(most * Math.random(), this.context.signal);
  }

  private async look(): Promise<Seen | undefined> {
    const info = await this.client.getSecret(this.id);
    if (info === undefined) return (this.seen = undefined);
    return this.newer(info);
  }

  private newer(info: SecretInfo): Seen {
    const rotation = decodeRotation(info, this.location);
    const { seen } = this;
    const isNewer = seen?.info.createdAt !== info.createdAt || seen.rotation.changes <= rotation.changes;
    return isNewer ? (this.seen = { info, rotation }) : seen;
  }

  private async swap(before: Seen, next: Rotation): Promise<Rotation> {
    const { annotations, aliases } = encodeRotation(next, before.info, this.location);
    const change = { etag: before.info.etag, annotations, aliases };
    const info = await this.client.updateSecret(this.id, change);
    this.seen = { info, rotation: next };
    return next;
  }

  private gone(): StateError {
    return new StateError(
      `The secret ${this.id}, which holds the ledger of ${this.location}, was deleted while it was in use. Nothing was ` +
        "changed by this run. Find out who deleted it, then run again.",
    );
  }

  private closed(what: string, numbers: readonly number[]): StateError {
    return new StateError(
      `In ${this.location} ${what} cannot be read: version ${numbers.join(", ")} of the secret ${this.id} was disabled ` +
        "or destroyed by somebody else, or Secret Manager still shows an earlier state. Nothing was changed. Run again " +
        "in some minutes; if it fails again, enable the version.",
    );
  }
}
