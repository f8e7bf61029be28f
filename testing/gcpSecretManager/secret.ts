/** One secret: its metadata, its versions and their states. Knows nothing of names, permissions and calls. */
import { checkAliases, checkAnnotations, checkLabels, checkPayload, crc32c } from "./rules";
import { StatusError } from "./status";
import { toMs, toSeconds, type PayloadMessage, type SecretMessage, type VersionState } from "./wire";

export interface Version {
  readonly number: number;
  readonly createdAt: number;
  state: VersionState;
  data: Uint8Array | undefined;
  readonly checksum: number;
  readonly clientChecksum: boolean;
  destroyedAt?: number;
  scheduledAt?: number;
  etag: string;
}

/** What `update_mask` may name, and how each is taken from the request. The replication is immutable. */
const UPDATABLE = {
  labels: (secret: Secret, given: SecretMessage) => {
    checkLabels(given.labels ?? {});
    secret.labels = { ...given.labels };
  },
  annotations: (secret: Secret, given: SecretMessage) => {
    checkAnnotations(given.annotations ?? {});
    secret.annotations = { ...given.annotations };
  },
  version_aliases: (secret: Secret, given: SecretMessage) => {
    const aliases = Object.fromEntries(
      Object.entries(given.versionAliases ?? {}).map(([name, version]) => [name, Number(version)]),
    );
    checkAliases(aliases, (number) => secret.versions.some((version) => version.number === number));
    secret.aliases = aliases;
  },
  topics: (secret: Secret, given: SecretMessage) => (secret.topics = [...(given.topics ?? [])]),
  rotation: (secret: Secret, given: SecretMessage) => (secret.rotation = given.rotation ?? null),
  expire_time: (secret: Secret, given: SecretMessage) =>
    (secret.expiresAt = given.expireTime ? toMs(given.expireTime) : undefined),
  ttl: (secret: Secret, given: SecretMessage, now: number) =>
    (secret.expiresAt = given.ttl ? now + toMs(given.ttl) : undefined),
  version_destroy_ttl: (secret: Secret, given: SecretMessage) =>
    (secret.destroyTtlMs = given.versionDestroyTtl ? toMs(given.versionDestroyTtl) : undefined),
} as const;

/**
 * Etags are texts with quotes in them (https://google.aip.dev/154), new at every change of what they belong to: the
 * secret has one, and each version its own (https://cloud.google.com/secret-manager/docs/etags).
 */
let changes = 0;
const newEtag = () => `"${(0x15_f000_0000_0000 + ++changes).toString(16)}"`;

export class Secret {
  labels: Record<string, string> = {};
  annotations: Record<string, string> = {};
  aliases: Record<string, number> = {};
  topics: readonly { readonly name: string }[] = [];
  rotation: object | null = null;
  expiresAt: number | undefined;
  destroyTtlMs: number | undefined;
  etag = newEtag();
  versions: Version[] = [];

  constructor(
    readonly replication: SecretMessage["replication"],
    readonly createdAt: number,
  ) {}

  static make(given: SecretMessage, now: number): Secret {
    const secret = new Secret(given.replication, now);
    UPDATABLE.labels(secret, given);
    UPDATABLE.annotations(secret, given);
    UPDATABLE.version_aliases(secret, given);
    UPDATABLE.topics(secret, given);
    UPDATABLE.rotation(secret, given);
    UPDATABLE.expire_time(secret, given);
    if (given.ttl) UPDATABLE.ttl(secret, given, now);
    UPDATABLE.version_destroy_ttl(secret, given);
    return secret;
  }

  /** What a reader got before the last change. */
  copy(): Secret {
    const copy = Object.assign(new Secret(this.replication, this.createdAt), this);
    copy.versions = this.versions.map((version) => ({ ...version }));
    return copy;
  }

  /** https://cloud.google.com/secret-manager/docs/etags: another etag than the stored one is FAILED_PRECONDITION. */
  update(given: SecretMessage, paths: readonly string[], now: number): void {
    checkEtag(given.etag, this.etag);
    const changed = this.copy();
    for (const path of paths) {
      if (!Object.hasOwn(UPDATABLE, path))
        throw new StatusError("INVALID_ARGUMENT", `The update mask names "${path}", which cannot be updated.`);
      UPDATABLE[path as keyof typeof UPDATABLE](changed, given, now);
    }
    Object.assign(this, changed, { etag: newEtag() });
  }

  /** Numbers start at 1 and are never used again. Adding leaves the etag of the secret as it is (same page). */
  add(payload: PayloadMessage | null | undefined, now: number): Version {
    const data = Uint8Array.from(payload?.data ?? []);
    const given = payload?._dataCrc32c === undefined ? undefined : Number(payload.dataCrc32c);
    checkPayload(data, given);
    const version: Version = {
      number: this.versions.length + 1,
      createdAt: now,
      state: "ENABLED",
      data,
      checksum: crc32c(data),
      clientChecksum: given !== undefined,
      etag: newEtag(),
    };
    this.versions.push(version);
    return version;
  }

  /** @param id a number, an alias, or `latest`: the most recently created version, whatever state it is in. */
  find(id: string): Version {
    const number = id === "latest" ? this.versions.length : /^\d+$/.test(id) ? Number(id) : this.aliases[id];
    const version = number === undefined ? undefined : this.versions[number - 1];
    if (version === undefined) throw new StatusError("NOT_FOUND", `Secret Version [${id}] not found.`);
    return version;
  }

  /**
   * Only an enabled version can be accessed: https://cloud.google.com/secret-manager/docs/add-secret-version#states.
   * The code and the text are those that users report of `latest`, too:
   * https://github.com/external-secrets/external-secrets/issues/4042
   */
  access(id: string): Version & { readonly data: Uint8Array } {
    const version = this.find(id);
    const { data, state } = version;
    if (state !== "ENABLED" || data === undefined) throw inState(version);
    return { ...version, data };
  }

  /** No change of state is still a change of the etag: https://cloud.google.com/secret-manager/docs/etags */
  setState(id: string, state: "ENABLED" | "DISABLED", etag: string | undefined): Version {
    const version = this.numbered(id);
    checkEtag(etag, version.etag);
    if (version.state === "DESTROYED") throw inState(version);
    version.state = state;
    // Either takes the scheduled destruction back:
    // https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions
    delete version.scheduledAt;
    version.etag = newEtag();
    return version;
  }

  /**
   * Where the secret delays destruction, the version is disabled and its destruction scheduled:
   * https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions.
   * What a second request does is on no page: here it leaves a schedule as it is, and fails where all is destroyed.
   */
  destroy(id: string, etag: string | undefined, now: number): Version {
    const version = this.numbered(id);
    checkEtag(etag, version.etag);
    if (version.state === "DESTROYED") throw inState(version);
    if (this.destroyTtlMs === undefined) discard(version, now);
    else {
      version.state = "DISABLED";
      version.scheduledAt ??= now + this.destroyTtlMs;
    }
    version.etag = newEtag();
    return version;
  }

  /** What happens by itself as time passes. @returns whether the secret is still there. */
  pass(now: number): boolean {
    for (const version of this.versions)
      if (version.scheduledAt !== undefined && version.scheduledAt <= now) discard(version, version.scheduledAt);
    // https://cloud.google.com/secret-manager/docs/secret-expiration
    return this.expiresAt === undefined || this.expiresAt > now;
  }

  message(name: string): SecretMessage {
    return {
      name,
      replication: this.replication ?? null,
      createTime: toSeconds(this.createdAt),
      labels: this.labels,
      annotations: this.annotations,
      versionAliases: this.aliases,
      topics: this.topics,
      rotation: this.rotation,
      etag: this.etag,
      ...(this.expiresAt === undefined ? {} : { expireTime: toSeconds(this.expiresAt) }),
      ...(this.destroyTtlMs === undefined ? {} : { versionDestroyTtl: toSeconds(this.destroyTtlMs) }),
    };
  }

  /** Aliases are for GetSecretVersion and AccessSecretVersion only, says the API's own text on `version_aliases`. */
  private numbered(id: string): Version {
    if (!/^\d+$/.test(id))
      throw new StatusError("INVALID_ARGUMENT", "The version must be named by its number, not by an alias.");
    return this.find(id);
  }
}

/** An etag that was left out is no condition. */
export function checkEtag(given: string | undefined, stored: string): void {
  if (given === undefined || given === "" || given === stored) return;
  throw new StatusError("FAILED_PRECONDITION", "The etag provided in the request does not match the resource's etag.");
}

function discard(version: Version, at: number): void {
  version.state = "DESTROYED";
  version.data = undefined;
  version.destroyedAt = at;
  delete version.scheduledAt;
}

function inState(version: Version): StatusError {
  return new StatusError("FAILED_PRECONDITION", `Secret Version [${version.number}] is in ${version.state} state.`);
}
