/**
 * The Secrets that pods mount: an immutable one for each version and epoch, and, where asked for, one with a stable name.
 */
import type { StoredVersion, VersionRef } from "../../contracts/store";
import { ConflictError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { annotationsOf, refIn } from "../../net/kubernetes/marks";
import { holds, type Content } from "./content";
import type { Label } from "./ledger";
import type { Names } from "./names";
import type { FoundSecret } from "./objects";
import type { Secrets } from "./secrets";

const ATTEMPTS = 5;

export class ReaderSecrets {
  constructor(
    private readonly secrets: Secrets,
    private readonly names: Names,
    private readonly labels: Readonly<Record<string, string>>,
    private readonly location: string,
  ) {}

  stable(): Promise<FoundSecret | undefined> {
    return this.secrets.get(this.names.stable);
  }

  named({ ref, epoch }: Pick<Label, "ref" | "epoch">): Promise<FoundSecret | undefined> {
    return this.secrets.get(this.names.reader(ref.version, epoch));
  }

  /**
   * The immutable Secret of a version under an epoch, made where it is missing. It is made before the label names it,
   * so one that has other content was handed out to nobody, or put there by hand, and is made anew.
   * @param label what handed it out before, if anything did.
   */
  async ensure(stored: StoredVersion, epoch: number, content: Content, label?: Label): Promise<FoundSecret> {
    const { ref } = stored;
    const name = this.names.reader(ref.version, epoch);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const created = await this.secrets.create({
        metadata: {
          name,
          labels: { ...this.labels, ...this.names.labels("reader", ref.version) },
          annotations: annotationsOf({ ...stored, epoch }),
        },
        immutable: true,
        ...content,
      });
      if (created !== "exists") return created;
      const secret = await this.secrets.get(name);
      if (secret === undefined) continue;
      this.assertMayReplace(secret, ref);
      if (secret.metadata.uid === label?.uid || (secret.immutable === true && holds(secret, content))) return secret;
      await this.secrets.delete(secret);
    }
    throw this.keepsChanging(name);
  }

  /**
   * Makes the stable Secret what `source` is.
   * @param seen the stable Secret as it was before it was certain that this version is current: whoever has written a
   * later version into it since has changed it.
   * @param isStillCurrent asked again after each lost race.
   */
  async follow(
    source: FoundSecret,
    seen: FoundSecret | undefined,
    isStillCurrent: () => Promise<boolean>,
  ): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (seen !== undefined && holds(seen, source)) return;
      if (await this.tryToFollow(source, seen)) return;
      seen = await this.stable();
      if (await isStillCurrent()) continue;
      throw new ConflictError(
        `In ${this.location} another version was made current while the Secret "${this.names.stable}" was written. It ` +
          "follows that one. Load the ledger again and decide anew.",
      );
    }
    throw this.keepsChanging(this.names.stable);
  }

  /** Takes the stable Secret away, if it is ours. */
  async removeStable(seen: FoundSecret | undefined, wasOurs: boolean): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (seen === undefined || !(wasOurs || this.isStable(seen))) return;
      if ((await this.secrets.delete(seen)) === "deleted") return;
      seen = await this.stable();
    }
    throw this.keepsChanging(this.names.stable);
  }

  /** Every Secret of a version, whatever its epoch. */
  async remove(ref: VersionRef): Promise<void> {
    for (const secret of await this.secrets.list(this.names.selector("reader", ref.version))) {
      if (!isSameRef(refIn(secret.metadata) ?? null, ref)) continue;
      for (let left: FoundSecret | undefined = secret; left !== undefined;)
        left = (await this.secrets.delete(left)) === "deleted" ? undefined : await this.secrets.get(left.metadata.name);
    }
  }

  /** Somebody's own Secret is not overwritten, only what this store wrote or was given by the labels. */
  assertStableIsFree(seen: FoundSecret | undefined, label: Label | null): void {
    if (seen === undefined || label?.stable === true || this.isStable(seen)) return;
    const labels = Object.entries(this.names.labels("stable")).map(([key, value]) => `${key}=${value}`);
    throw new StateError(
      `The Secret "${this.names.stable}" of ${this.location} exists and was not made by this package; with stableName it ` +
        `would be overwritten. Nothing was changed. Keep a copy and hand it over with: kubectl label secret ` +
        `${this.names.stable} --overwrite ${labels.join(" ")}; or give the secret another \`name\`.`,
    );
  }

  private async tryToFollow(source: FoundSecret, seen: FoundSecret | undefined): Promise<boolean> {
    const { type, data = {} } = source;
    const labels = { ...this.labels, ...this.names.labels("stable") };
    const annotations = source.metadata.annotations ?? {};
    // Neither the type nor an immutable Secret can be changed.
    if (seen !== undefined && (seen.type !== type || seen.immutable === true)) {
      if ((await this.secrets.delete(seen)) === "changed") return false;
      seen = undefined;
    }
    if (seen === undefined) {
      const metadata = { name: this.names.stable, labels, annotations };
      return (await this.secrets.create({ metadata, ...(type ? { type } : {}), data })) !== "exists";
    }
    // What others have written beside ours stays.
    const metadata = {
      ...seen.metadata,
      labels: { ...seen.metadata.labels, ...labels },
      annotations: { ...seen.metadata.annotations, ...annotations },
    };
    return (await this.secrets.replace({ ...seen, metadata, data })) !== "changed";
  }

  private isStable({ metadata }: FoundSecret): boolean {
    return this.names.isOurs(metadata, "stable");
  }

  private assertMayReplace({ metadata }: FoundSecret, ref: VersionRef): void {
    const is = refIn(metadata);
    if (metadata.deletionTimestamp !== undefined)
      throw new StateError(
        `The Secret "${metadata.name}" of ${this.location} is being deleted, and its finalizers hold it ` +
          `(${metadata.finalizers?.join(", ") ?? "none"}). Nothing was changed. See to them, then run again.`,
      );
    if (this.names.isOurs(metadata, "reader") && isSameRef(is ?? null, ref)) return;
    throw new StateError(
      `The Secret "${metadata.name}" of ${this.location} exists, but is not that of version ${ref.version} (${ref.token}): ` +
        `${is === undefined ? "it was not made by this package" : `it is that of ${is.token}, left by an earlier ledger`}. ` +
        "Nothing was changed. Delete it when no pod mounts it, then run again.",
    );
  }

  private keepsChanging(name: string): ConflictError {
    return new ConflictError(
      `The Secret "${name}" of ${this.location} was changed ${ATTEMPTS} times while it was written. Stop what keeps ` +
        "changing it, then run again: the run goes on from here.",
    );
  }
}
