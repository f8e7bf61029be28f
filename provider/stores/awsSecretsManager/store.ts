/**
 * A store in AWS Secrets Manager, of two secrets:
 *
 * ```
 * <name>            what native readers get: a version for each stored one, AWSCURRENT on the promoted
 * <name>-rotation   the companion: the ledger, and all of each stored version, as versions with labels of their own
 * ```
 *
 * `labels.ts` says which labels there are. Where a label is decides everything, and moving one is a compare-and-swap:
 * AWS refuses it unless the version that has the label is named.
 */
import { randomUUID } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import { notStored, staleRevision } from "../../contracts/refusals";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { parsePayload } from "../../lifecycle/payload";
import { Api } from "./api";
import { assertCompanion, assertOurs, companionMaking, makeReady, nativeMaking } from "./containers";
import { nativeText, pack, TEXTS, unpack } from "./documents";
import { Refused } from "./failures";
import {
  CANDIDATE,
  CLEARED,
  CURRENT,
  currentRef,
  documentLabel,
  isPlaceholder,
  labelsOf,
  LEDGER,
  nativeLabel,
  PENDING,
  storedRefs,
} from "./labels";
import { versionIdOf } from "../../net/aws/versionId";
import { COMPANION_SUFFIX, locationOf, type AwsSecretsManagerOptions } from "./options";
import { damaged, isCurrent, nothingCurrent, otherCurrent } from "./refusals";
import { AwsSecret, type SecretState } from "./secret";
import { scheduleDeletion } from "./teardown";
import { isSameRef } from "../../lifecycle/values";

/** The revision of a store to which nothing was ever committed. */
const NOTHING: Revision = "0";
/** How often a reader of "current" that lost a race with a retirement looks again. */
const READ_ATTEMPTS = 20;

interface Seen {
  readonly native: SecretState | null;
  readonly companion: SecretState | null;
}

export function createAwsSecretsManagerStore(options: AwsSecretsManagerOptions, context: AdapterContext): SecretStore {
  return new AwsSecretsManagerStore(options, context);
}

class AwsSecretsManagerStore implements SecretStore {
  readonly type = "awsSecretsManager";
  readonly location: string;
  /** Each renewal is a version, and AWS counts those of a day: see docs/stores/aws.md, "Costs and quotas". */
  readonly leaseMs = 600_000;
  private readonly api: Api;
  private readonly native: AwsSecret;
  private readonly companion: AwsSecret;

  constructor(
    private readonly options: AwsSecretsManagerOptions,
    private readonly context: AdapterContext,
  ) {
    this.location = locationOf(options);
    this.api = new Api(options, context, this.location);
    this.native = new AwsSecret(options.name, this.api, context);
    this.companion = new AwsSecret(options.name + COMPANION_SUFFIX, this.api, context);
  }

  async load(): Promise<LedgerSnapshot> {
    // All at once: it runs on every preview.
    const [seen, found] = await Promise.all([this.look(), this.findLedger()]);
    const current = currentRef(seen.native, seen.companion);
    const revision = revisionOf(seen.companion);
    if (revision === NOTHING) return { revision, body: undefined, current };
    // One was committed in between, or one of the answers is too old: the labels decide.
    const value = found?.versionId === revision ? found : await this.companion.get({ versionId: revision });
    const document = value === null ? undefined : unpack(value.content);
    if (document === undefined || !("ledger" in document)) throw damaged("the ledger", this.location);
    return { revision, body: document.ledger, current };
  }

  async commit(body: unknown, expected: Revision): Promise<Revision> {
    const packed = pack("The ledger", { format: 1, ledger: body });
    const seen = await this.companion.describe();
    // Before anything is written: AWS keeps each version for a day, and has a quota of them.
    if (revisionOf(seen) !== expected) throw staleRevision(this.location, expected, revisionOf(seen));
    await this.readyCompanion(seen);
    const revision = randomUUID();
    await this.companion.put(revision, packed, CANDIDATE);
    const moved = await this.companion.moveLabel(LEDGER, expected === NOTHING ? undefined : expected, revision);
    if (!moved) throw staleRevision(this.location, expected, "another");
    return revision;
  }

  async putVersion(version: StoredVersion): Promise<VersionRef> {
    // Before anything is written: what readers cannot get must not be stored either.
    nativeText(version, this.options.format);
    const seen = await this.look();
    const stored = storedRefs(seen.companion).find(({ token }) => token === version.ref.token);
    const first = stored === undefined ? await this.storeDocument(version, seen.companion) : version;
    const ref = stored ?? first.ref;
    await this.storeNative(ref, seen.native, stored === undefined ? first : undefined, [PENDING]);
    return { version: ref.version, token: ref.token };
  }

  async promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision> {
    const { native, companion } = await this.lookAt(fence);
    if (!isStored(companion, ref)) throw notStored(this.location, ref);
    const current = currentRef(native, companion);
    if (!isSameRef(current, ref) && !isSameRef(current, expected)) throw otherCurrent(this.location, current, expected);
    // Its native version may be gone, or its label: by a crash before it was stored, or by somebody's hand.
    const state = await this.storeNative(ref, native, undefined, []);
    const id = versionIdOf(ref);
    // The holder that was decided upon, not one that took the label since.
    const holder = native?.labels.get(CURRENT) ?? state.labels.get(CURRENT);
    if (holder !== id && !(await this.native.moveLabel(CURRENT, holder, id))) {
      const now = await this.look();
      throw otherCurrent(this.location, currentRef(now.native, now.companion), expected);
    }
    // AWS's own rotation ends like this. AWSPREVIOUS followed by itself.
    if (state.labels.get(PENDING) === id) await this.native.moveLabel(PENDING, id, undefined);
    return fence;
  }

  async clearCurrent(fence: Revision): Promise<Revision> {
    const { native, companion } = await this.lookAt(fence);
    const current = currentRef(native, companion);
    if (current !== null) {
      await this.native.put(CLEARED.versionId, TEXTS.cleared, CLEARED.label);
      const moved = await this.native.moveLabel(CURRENT, versionIdOf(current), CLEARED.versionId);
      if (!moved) throw otherCurrent(this.location, null, current);
    }
    await this.endTeardown(native, storedRefs(companion).length);
    return fence;
  }

  async read(selector: VersionRef | "current"): Promise<StoredVersion> {
    if (selector !== "current") {
      const companion = await this.companion.describe();
      assertCompanion(this.companion.name, companion);
      const stored = isStored(companion, selector) ? await this.readDocument(selector) : null;
      if (stored === null) throw notStored(this.location, selector);
      return stored;
    }
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      const { native, companion } = await this.look();
      const current = currentRef(native, companion);
      if (current === null) throw nothingCurrent(this.location, native);
      const stored = await this.readDocument(current);
      if (stored !== null) return stored;
      // Promoted away and deleted since the labels were read: look again.
    }
    throw damaged("the current version", this.location);
  }

  async readPayload(): Promise<Payload> {
    const found = await this.native.get({ label: CURRENT }).catch((error: unknown) => {
      // It is scheduled for deletion: readers get an error.
      if (error instanceof Refused) return null;
      throw error;
    });
    if (found === null || isPlaceholder(found.versionId))
      throw nothingCurrent(this.location, await this.native.describe());
    return parsePayload(Buffer.from(found.content).toString());
  }

  async list(): Promise<readonly VersionRef[]> {
    const companion = await this.companion.describe();
    assertCompanion(this.companion.name, companion);
    return storedRefs(companion);
  }

  /**
   * Needs no compare-and-swap of its own: a retirement is committed to the ledger before it begins, so whoever wants
   * to promote this version at the same moment holds a fence that is no longer true.
   */
  async retire(ref: VersionRef): Promise<void> {
    const { native, companion } = await this.look();
    const id = versionIdOf(ref);
    if (isSameRef(currentRef(native, companion), ref)) throw isCurrent(this.location, ref);
    if (!isStored(companion, ref)) return;
    // AWS deletes no single version. One without a label counts as deleted: AWS collects it.
    if (native?.deletedOn === undefined)
      for (const label of labelsOf(native, id)) await this.native.moveLabel(label, id, undefined);
    // Last: as long as it is there the version is listed, and the next run finishes this.
    for (const label of labelsOf(companion, id)) await this.companion.moveLabel(label, id, undefined);
    await this.endTeardown(native, storedRefs(companion).length - 1);
  }

  close(): Promise<void> {
    return this.api.close();
  }

  private async look(): Promise<Seen> {
    const [native, companion] = await Promise.all([this.native.describe(), this.companion.describe()]);
    await assertOurs(this.native.name, native, () => this.api.region());
    assertCompanion(this.companion.name, companion);
    return { native, companion };
  }

  /** @throws ConflictError when the ledger is no longer at `fence`. */
  private async lookAt(fence: Revision): Promise<Seen> {
    const seen = await this.look();
    if (revisionOf(seen.companion) !== fence) throw staleRevision(this.location, fence, revisionOf(seen.companion));
    return seen;
  }

  /** The value that has the label of the ledger. What cannot be read is for `look` to explain. */
  private async findLedger() {
    return this.companion.get({ label: LEDGER }).catch((error: unknown) => {
      if (error instanceof Refused) return null;
      throw error;
    });
  }

  private async readyCompanion(seen: SecretState | null): Promise<void> {
    assertCompanion(this.companion.name, seen);
    const making = companionMaking(this.companion, this.native.name, this.options.kmsKeyId);
    await makeReady(making, seen, this.context);
  }

  /** @returns what was stored under the token first. */
  private async storeDocument(version: StoredVersion, seen: SecretState | null): Promise<StoredVersion> {
    const id = versionIdOf(version.ref);
    const label = documentLabel(version.ref);
    const packed = pack(`Version ${version.ref.version}`, { format: 1, version });
    await this.readyCompanion(seen);
    if ((await this.companion.put(id, packed, label)) === "stored") return version;
    const first = await this.readDocument(version.ref);
    if (first === null) throw damaged(`version ${version.ref.version}`, this.location);
    const itsLabel = documentLabel(first.ref);
    if ((await this.companion.describe())?.labels.get(itsLabel) !== id)
      await this.companion.moveLabel(itsLabel, undefined, id);
    return first;
  }

  /**
   * Stores what native readers get of a version, unless it is there.
   * @param document what the companion holds; absent: it is read where it is needed.
   */
  private async storeNative(
    ref: VersionRef,
    seen: SecretState | null,
    document: StoredVersion | undefined,
    taken: readonly string[],
  ): Promise<SecretState> {
    if (seen !== null && seen.deletedOn === undefined && nativeLabel(seen, ref).has) return seen;
    const state = await makeReady(nativeMaking(this.native, this.options.kmsKeyId), seen, this.context);
    const { label, has } = nativeLabel(state, ref);
    if (has) return state;
    const version = document ?? (await this.readDocument(ref));
    if (version === null) throw damaged(`version ${ref.version}`, this.location);
    const id = versionIdOf(ref);
    const outcome = await this.native.put(id, nativeText(version, this.options.format), label, taken);
    // It was stored in another format once, and cannot be changed.
    if (outcome === "kept") await this.native.moveLabel(label, undefined, id);
    return (await this.native.describe()) ?? state;
  }

  /** @returns `null` when it is gone. */
  private async readDocument(ref: VersionRef): Promise<StoredVersion | null> {
    const found = await this.companion.get({ versionId: versionIdOf(ref) });
    if (found === null) return null;
    const version = unpack(found.content)?.version;
    if (version === undefined) throw damaged(`version ${ref.version}`, this.location);
    return version;
  }

  private endTeardown(native: SecretState | null, storedVersions: number): Promise<void> {
    return scheduleDeletion(this.native, native, storedVersions, this.options, this.context);
  }
}

function revisionOf(companion: SecretState | null): Revision {
  return companion?.labels.get(LEDGER) ?? NOTHING;
}

function isStored(companion: SecretState | null, ref: VersionRef): boolean {
  return storedRefs(companion).some((stored) => isSameRef(stored, ref));
}
