/** The stored versions: one immutable Secret each, with all that is known of it. */
import type { StoredVersion, VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { annotationsOf, refIn } from "../../net/kubernetes/marks";
import { assertFits, decode, encode } from "./content";
import type { Names } from "./names";
import type { FoundSecret } from "./objects";
import type { Secrets } from "./secrets";

const KEY = "version.json";

export class VersionSecrets {
  constructor(
    private readonly secrets: Secrets,
    private readonly names: Names,
    private readonly labels: Readonly<Record<string, string>>,
    private readonly location: string,
  ) {}

  /** @returns the reference under which this token is stored, now or before. */
  async put(version: StoredVersion): Promise<VersionRef> {
    const { ref } = version;
    const text = JSON.stringify(version);
    assertFits(Buffer.byteLength(text), `version ${ref.version}`);
    const created = await this.secrets.create({
      metadata: {
        name: this.names.version(ref),
        labels: { ...this.labels, ...this.names.labels("version", ref.version) },
        annotations: annotationsOf(version),
      },
      type: "Opaque",
      immutable: true,
      data: { [KEY]: encode(text) },
    });
    if (created !== "exists") return { version: ref.version, token: ref.token };
    const stored = await this.find(ref.token);
    // Retired between the two calls: as if it had been so a moment later.
    return stored?.ref ?? { version: ref.version, token: ref.token };
  }

  /** @returns `undefined` when it is not stored. */
  async read(ref: VersionRef): Promise<StoredVersion | undefined> {
    const stored = await this.find(ref.token);
    return stored !== undefined && isSameRef(stored.ref, ref) ? stored : undefined;
  }

  /** Ordered by version. */
  async list(): Promise<readonly VersionRef[]> {
    const all = await this.secrets.list(this.names.selector("version"));
    return all
      .flatMap(({ metadata }) => refIn(metadata) ?? [])
      .sort((a, b) => a.version - b.version || (a.token < b.token ? -1 : 1));
  }

  async remove(ref: VersionRef): Promise<void> {
    for (;;) {
      const secret = await this.secrets.get(this.names.version(ref));
      if (secret === undefined || !isSameRef(refIn(this.assertOurs(secret).metadata) ?? null, ref)) return;
      if ((await this.secrets.delete(secret)) === "deleted") return;
    }
  }

  private async find(token: string): Promise<StoredVersion | undefined> {
    const secret = await this.secrets.get(this.names.version({ token }));
    if (secret === undefined) return undefined;
    const text = this.assertOurs(secret).data?.[KEY];
    try {
      const stored = JSON.parse(decode(text ?? "")) as StoredVersion;
      if (stored.ref.token === token) return stored;
    } catch {
      // Said below; what the parser says may quote the value.
    }
    throw new StateError(
      `The Secret "${secret.metadata.name}" of ${this.location} does not hold the version that it is named after: it was ` +
        "made by hand. Nothing was changed. Restore it from a backup.",
    );
  }

  private assertOurs(secret: FoundSecret): FoundSecret {
    if (this.names.isOurs(secret.metadata, "version")) return secret;
    throw new StateError(
      `The Secret "${secret.metadata.name}" of ${this.location} is not one of this package: it has not its labels. Nothing was changed. Give the secret another \`name\`, or delete that Secret if nobody needs it.`,
    );
  }
}
