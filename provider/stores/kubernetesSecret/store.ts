/**
 * A store in the Secrets of one namespace; names.ts says which there are.
 *
 * The ledger and the label of "current" are one Secret, so that a promotion is one compare-and-swap. The immutable
 * Secret that the label names is made before; the one with the stable name follows after, since only who has moved the
 * label may write it. Where a run is killed in between, "current" is unknown until a promotion completes it.
 */
import type { AdapterContext } from "../../contracts/context";
import type { UsageReport } from "../../contracts/kind";
import { notStored, otherCurrent } from "../../contracts/refusals";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { Calls } from "../../net/kubernetes/calls";
import { connect, type Surroundings } from "../../net/kubernetes/client";
import { holds, payloadOf, render } from "./content";
import { LedgerSecret, type Label } from "./ledger";
import { Mounts } from "./mounts";
import { assertNameable, Names } from "./names";
import type { FoundSecret } from "./objects";
import { clusterName, type KubernetesSecretStoreOptions } from "./options";
import { ReaderSecrets } from "./readers";
import { ADVICE, Secrets } from "./secrets";
import { VersionSecrets } from "./versions";

/** How often a reader of "current" that lost a race with a retirement looks again. */
const READ_ATTEMPTS = 5;

/** @param surroundings given by tests. */
export function createKubernetesSecretStore(
  options: KubernetesSecretStoreOptions,
  context: AdapterContext,
  surroundings?: Surroundings,
): SecretStore {
  return new KubernetesSecretStore(options, context, surroundings);
}

class KubernetesSecretStore implements SecretStore {
  readonly type = "kubernetesSecret";
  readonly namesEpochs = true;
  readonly location: string;
  private readonly ledger: LedgerSecret;
  private readonly versions: VersionSecrets;
  private readonly readers: ReaderSecrets;
  private readonly mounts: Mounts;

  constructor(
    private readonly options: KubernetesSecretStoreOptions,
    context: AdapterContext,
    surroundings?: Surroundings,
  ) {
    const { namespace, name, timeout, kubeconfig, labels = {} } = options;
    this.location = `kubernetes:${clusterName(options)}/${namespace}/${name}`;
    const names = new Names(name);
    const calls = new Calls({ location: this.location, namespace, timeout, advice: ADVICE }, context, () =>
      connect({ who: "The kubernetesSecret store", kubeconfig }, context, surroundings),
    );
    const secrets = new Secrets(namespace, calls);
    this.ledger = new LedgerSecret(secrets, names, labels, this.location);
    this.versions = new VersionSecrets(secrets, names, labels, this.location);
    this.readers = new ReaderSecrets(secrets, names, labels, this.location);
    this.mounts = new Mounts(namespace, calls, names);
  }

  async load(): Promise<LedgerSnapshot> {
    const [{ document }, stable] = await Promise.all([this.ledger.head(), this.stableIfAsked()]);
    const { revision, body, current } = document;
    const served = current !== null && (await this.isServed(current, stable));
    return { revision, body, current: served ? current.ref : null };
  }

  async commit(body: unknown, expected: Revision): Promise<Revision> {
    const head = await this.ledger.headAt(expected);
    return this.ledger.write(head, { body, current: head.document.current });
  }

  async putVersion(version: StoredVersion): Promise<VersionRef> {
    assertNameable(version.ref);
    // What cannot be handed out later is refused before it is issued.
    render(version.value, this.options);
    if (this.options.stableName)
      this.readers.assertStableIsFree(await this.readers.stable(), (await this.ledger.head()).document.current);
    return this.versions.put(version);
  }

  async promote(ref: VersionRef, expected: VersionRef | null, fence: Revision, epoch: number): Promise<Revision> {
    // Before the ledger: whoever writes it for a later version changes it after that.
    const stable = await this.readers.stable();
    const head = await this.ledger.head();
    const { revision, body, current, promotedFrom } = head.document;
    const again = current !== null && isSameRef(current.ref, ref) && current.epoch === epoch;
    if (!(again && promotedFrom === fence)) this.ledger.assertAt(head, fence);
    const stored = await this.versions.read(ref);
    if (stored === undefined) throw notStored(this.location, ref);
    const served = current !== null && (await this.isServed(current, stable));
    if (again && served) return revision;
    if (!mayPromote(current, served, ref, expected)) throw otherCurrent(this.location, current?.ref ?? null, expected);
    const follows = this.options.stableName ?? false;
    if (follows) this.readers.assertStableIsFree(stable, current);

    const content = render(stored.value, this.options);
    const reader = await this.readers.ensure(stored, epoch, content, again ? current : undefined);
    const label: Label = { ref: stored.ref, epoch, uid: reader.metadata.uid, stable: follows };
    const moved = !again || current.uid !== label.uid || current.stable !== label.stable;
    const promoted = moved ? await this.ledger.write(head, { body, current: label, promotedFrom: fence }) : revision;
    if (follows)
      await this.readers.follow(reader, stable, async () => (await this.ledger.head()).document.revision === promoted);
    else if (current?.stable) await this.readers.removeStable(stable, false);
    return promoted;
  }

  async clearCurrent(fence: Revision): Promise<Revision> {
    const stable = await this.readers.stable();
    const head = await this.ledger.headAt(fence);
    const { body, current, revision } = head.document;
    const cleared = current === null ? revision : await this.ledger.write(head, { body, current: null });
    // Also where there was no label: a run may have been killed before this.
    await this.readers.removeStable(stable, current?.stable ?? false);
    return cleared;
  }

  async read(selector: VersionRef | "current"): Promise<StoredVersion> {
    const stored = selector === "current" ? await this.readCurrent() : await this.versions.read(selector);
    if (stored === undefined) throw notStored(this.location, selector);
    return stored;
  }

  async readPayload(): Promise<Payload> {
    const secret = this.options.stableName ? await this.readers.stable() : await this.namedByLabel();
    if (secret === undefined) throw notStored(this.location, "current");
    return payloadOf(secret);
  }

  list(): Promise<readonly VersionRef[]> {
    return this.versions.list();
  }

  usage(ref: VersionRef): Promise<UsageReport> {
    return this.mounts.of(ref.version);
  }

  /**
   * Needs no compare-and-swap of its own: a retirement is committed to the ledger before it begins, so whoever wants
   * to promote this version at the same moment holds a fence that is no longer true.
   */
  async retire(ref: VersionRef): Promise<void> {
    const { current, revision } = (await this.ledger.head()).document;
    if (isSameRef(current?.ref ?? null, ref))
      throw new StateError(
        `Version ${ref.version} in ${this.location} is the current one (ledger revision ${revision}): it cannot be ` +
          "deleted. Nothing was changed. Promote another version first.",
      );
    // What it is listed by goes last, so that a retirement that was cut short is seen.
    await this.readers.remove(ref);
    await this.versions.remove(ref);
  }

  async close(): Promise<void> {
    // Nothing is kept open.
  }

  private async readCurrent(): Promise<StoredVersion | undefined> {
    let current: Label | null = null;
    for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
      current = (await this.ledger.head()).document.current;
      if (current === null) return undefined;
      const stored = await this.versions.read(current.ref);
      if (stored !== undefined) return stored;
      // Promoted away and deleted since the ledger was read: look again.
    }
    throw new StateError(
      `Version ${current?.ref.version} is the current one in ${this.location}, but its Secret is gone: it was not this ` +
        "package that removed it. Nothing was changed. Restore it from a backup.",
    );
  }

  private async namedByLabel(): Promise<FoundSecret | undefined> {
    const { current } = (await this.ledger.head()).document;
    return current === null ? undefined : this.readers.named(current);
  }

  private async stableIfAsked(): Promise<FoundSecret | undefined> {
    return this.options.stableName ? this.readers.stable() : undefined;
  }

  /** Whether readers get what the label says: what it names is there as it was made, and what follows it follows. */
  private async isServed(label: Label, stable: FoundSecret | undefined): Promise<boolean> {
    const named = await this.readers.named(label);
    if (named?.metadata.uid !== label.uid) return false;
    if (!this.options.stableName) return !label.stable;
    return label.stable && stable !== undefined && holds(stable, named);
  }
}

/** A label whose readers do not get what it says counts as none, and as what it says. */
function mayPromote(label: Label | null, served: boolean, ref: VersionRef, expected: VersionRef | null): boolean {
  const current = label?.ref ?? null;
  return isSameRef(current, ref) || isSameRef(current, expected) || (!served && expected === null);
}
