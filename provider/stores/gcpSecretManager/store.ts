/**
 * A store in Google Cloud Secret Manager, with two secrets:
 *
 * ```
 * <name>            what applications read: rendered payloads only. "current" is its newest version, since that is what
 *                   readers of `latest` get whatever we do; the alias `current` says the same
 * <name>-rotation   the ledger and the stored versions, each a version of this secret, found by its metadata (record.ts)
 * ```
 *
 * Whatever changes the companion's metadata is one compare-and-swap of its etag. `latest` is the newest version, so a
 * pending one must not be in the native secret: it comes there when it is promoted, and once more at each return.
 */
import type { AdapterContext } from "../../contracts/context";
import { notStored } from "../../contracts/refusals";
import type { LedgerSnapshot, Payload, Revision, SecretStore, StoredVersion, VersionRef } from "../../contracts/store";
import { ConfigurationError, ConflictError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { parsePayload } from "../../lifecycle/payload";
import { companionOf } from "../../net/gcp/versionRecord";
import { SecretsClient } from "./client";
import { Companion } from "./companion";
import { encodeDocument, MAX_PAYLOAD_BYTES } from "./documents";
import { translatingFailures } from "./failures";
import { currentOf, Holders, renderedBytes } from "./holders";
import { checkRevision, clearCurrent, promote, readWith, type Parts } from "./labels";
import { Native } from "./native";
import { addressOf, type GcpSecretManagerOptions } from "./options";
import { prepare } from "./prepare";
import { find, type Kept } from "./record";
import { retire } from "./retire";
import { tidy } from "./tidy";

export function createGcpSecretManagerStore(options: GcpSecretManagerOptions, context: AdapterContext): SecretStore {
  return new GcpSecretManagerStore(options, context);
}

class GcpSecretManagerStore implements SecretStore {
  readonly type = "gcpSecretManager";
  readonly location: string;
  private readonly client: SecretsClient;
  private readonly parts: Parts;
  private ready: Promise<void> | undefined;
  private isTidied = false;

  constructor(
    private readonly options: GcpSecretManagerOptions,
    private readonly context: AdapterContext,
  ) {
    const { project, name, location: region, format } = options;
    this.location = `gcp:${project}${region === undefined ? "" : `/${region}`}/${name}`;
    this.client = new SecretsClient(options, context);
    const companion = new Companion(companionOf(name), this.location, this.client, context);
    const native = new Native(name, this.client, context);
    const holders = new Holders(companion, native, format);
    this.parts = { location: this.location, format, companion, native, holders, context };
  }

  load(): Promise<LedgerSnapshot> {
    return this.attempt("load the ledger", async () => {
      const { companion, native } = this.parts;
      const [{ rotation, document }, latest] = await Promise.all([
        companion.readDocument("the ledger", ({ ledger }) => (ledger === 0 ? undefined : [ledger])),
        native.latest(),
      ]);
      const newest = await native.newest(rotation.accountedFor ?? 0, latest);
      return { revision: String(rotation.ledger), body: document, current: currentOf(rotation, newest) };
    });
  }

  commit(body: unknown, expected: Revision): Promise<Revision> {
    return this.attempt("commit the ledger", async () => {
      const { companion } = this.parts;
      const parts = await encodeDocument(body);
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      if (parts.length > 1) throw this.tooLarge(size);
      await this.prepared();
      checkRevision(await companion.read(), expected, this.location);
      const [number = 0] = await companion.add(parts);
      try {
        await companion.change((now) => {
          if (now.ledger === number) return undefined;
          checkRevision(now, expected, this.location);
          return { ...now, ledger: number };
        });
      } catch (error) {
        // Only where it is certain that it is not the ledger. Otherwise it is swept by a later run.
        if (error instanceof ConflictError) await companion.destroy([number]).catch(() => undefined);
        throw error;
      }
      await tidy(this.client, this.parts, number, Number(expected), !this.isTidied);
      this.isTidied = true;
      return String(number);
    });
  }

  putVersion(version: StoredVersion): Promise<VersionRef> {
    const { ref } = version;
    return this.attempt(`store version ${ref.version}`, async () => {
      this.checkPayload(version);
      await this.prepared();
      const { companion } = this.parts;
      const holds = (kept: Kept) => kept.ref.token === ref.token;
      const stored = (await companion.read()).versions.find(holds);
      if (stored !== undefined) return stored.ref;
      const document = await companion.add(await encodeDocument(version));
      const rotation = await companion.change((now) => {
        if (now.versions.some(holds)) return undefined;
        const kept = { ref: { version: ref.version, token: ref.token }, document, native: [] };
        return { ...now, versions: [...now.versions, kept] };
      });
      const kept = rotation.versions.find(holds);
      // Somebody else was faster.
      if (kept?.document[0] !== document[0]) await companion.destroy(document);
      return kept?.ref ?? ref;
    });
  }

  promote(ref: VersionRef, expected: VersionRef | null, fence: Revision): Promise<Revision> {
    return this.attempt(`make version ${ref.version} current`, async () => {
      await promote(this.parts, ref, expected, fence);
      return fence;
    });
  }

  clearCurrent(fence: Revision): Promise<Revision> {
    return this.attempt('take the label of "current" away', async () => {
      await clearCurrent(this.parts, fence);
      return fence;
    });
  }

  read(selector: VersionRef | "current"): Promise<StoredVersion> {
    return this.attempt(
      selector === "current" ? "read the current version" : `read version ${selector.version}`,
      async () => {
        const ref = selector === "current" ? await this.current() : selector;
        if (ref === null) throw notStored(this.location, "current");
        const stored = await this.parts.holders.read(ref);
        if (stored === undefined) throw notStored(this.location, ref);
        return stored;
      },
    );
  }

  readPayload(): Promise<Payload> {
    return this.attempt("read what readers get", async () => {
      const { companion, native } = this.parts;
      const [rotation, latest] = await Promise.all([companion.read(), native.latest()]);
      const { data } = await native.newest(rotation.accountedFor ?? 0, latest);
      if (data === undefined) throw notStored(this.location, "current");
      return parsePayload(data.toString("utf8"));
    });
  }

  list(): Promise<readonly VersionRef[]> {
    return this.attempt("list the versions", async () =>
      (await this.parts.companion.read()).versions.map(({ ref }) => ref),
    );
  }

  disable(ref: VersionRef): Promise<void> {
    return this.attempt(`disable version ${ref.version}`, async () => {
      const kept = find(await readWith(this.parts.companion, ref), ref);
      if (kept === undefined) return;
      if (isSameRef(await this.current(), ref)) throw this.isCurrent(ref, "disabled");
      await this.parts.native.disable(kept.native);
    });
  }

  enable(ref: VersionRef): Promise<void> {
    return this.attempt(`enable version ${ref.version}`, async () => {
      const kept = find(await readWith(this.parts.companion, ref), ref);
      if (kept === undefined) throw notStored(this.location, ref);
      const enabled = await this.parts.native.enable(kept.native);
      if (kept.native.length > 0 && enabled === 0) throw notStored(this.location, ref);
    });
  }

  retire(ref: VersionRef): Promise<void> {
    return this.attempt(`delete version ${ref.version}`, async () => {
      const done = await retire(this.parts, ref);
      if (done === "current") throw this.isCurrent(ref, "deleted");
    });
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async current(): Promise<VersionRef | null> {
    const { companion, native } = this.parts;
    const [rotation, latest] = await Promise.all([companion.read(), native.latest()]);
    return currentOf(rotation, await native.newest(rotation.accountedFor ?? 0, latest));
  }

  /** Once for each adapter. */
  private async prepared(): Promise<void> {
    const { companion, native } = this.parts;
    const secret = (id: string) => prepare(this.client, this.context, id, this.location);
    this.ready ??= secret(native.id).then(async () => companion.remember(await secret(companion.id)));
    try {
      await this.ready;
    } catch (error) {
      this.ready = undefined;
      throw error;
    }
  }

  /** Before anything is issued: what cannot be promoted must not be stored. */
  private checkPayload(version: StoredVersion): void {
    const bytes = renderedBytes(version, this.options.format).length;
    if (bytes > 0 && bytes <= MAX_PAYLOAD_BYTES) return;
    throw new ConfigurationError(
      `What readers of ${this.location} would get as version ${version.ref.version} has ${bytes} bytes; Secret Manager ` +
        `keeps 1 to ${MAX_PAYLOAD_BYTES}. Nothing was stored. Change the format of the store, or shorten the value.`,
    );
  }

  private tooLarge(bytes: number): StateError {
    return new StateError(
      `The ledger of ${this.location} has ${bytes} bytes, compressed; Secret Manager keeps at most ${MAX_PAYLOAD_BYTES} in ` +
        "one version. The ledger was not changed. Take out rollouts that are no longer used, or move the secret to another store.",
    );
  }

  private attempt<T>(doing: string, action: () => Promise<T>): Promise<T> {
    const address = addressOf(this.options);
    const service = address === undefined ? "secretmanager.googleapis.com" : `${address.host}:${address.port}`;
    return translatingFailures({ location: this.location, project: this.options.project, service }, doing, action);
  }

  private isCurrent(ref: VersionRef, done: string): StateError {
    return new StateError(
      `Version ${ref.version} (${ref.token}) is what readers of ${this.location} get: it cannot be ${done}. Nothing was ` +
        "changed. Promote another version first.",
    );
  }
}
