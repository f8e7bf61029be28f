/** The methods of the service on secrets in memory. */
import { parseParent, parseSecret, parseVersion, projectNumber, secretName, type SecretName } from "./names";
import { checkSecretId } from "./rules";
import { checkEtag, Secret, type Version } from "./secret";
import { StatusError } from "./status";
import type { Method } from "./permissions";
import { toSeconds, type Request, type SecretMessage, type VersionMessage } from "./wire";

/** The most that a page holds where the caller does not say; the service decides, and may change it. */
const PAGE_SIZE = 100;
/** https://cloud.google.com/secret-manager/docs/filtering: of its language, what is needed here. */
const FILTERS: Readonly<Record<string, (version: Version) => boolean>> = {
  "": () => true,
  "state:ENABLED": ({ state }) => state === "ENABLED",
  "state:DISABLED": ({ state }) => state === "DISABLED",
  "state:DESTROYED": ({ state }) => state === "DESTROYED",
};

interface Kept {
  readonly name: SecretName;
  readonly secret: Secret;
  /** The secret before its last change. */
  before: Secret | undefined;
}

export class Service {
  private readonly kept = new Map<string, Kept>();
  private lagging = 0;

  constructor(private readonly now: () => number) {}

  /**
   * The next reads answer with what was there before the last change. Only a version that was added and is accessed by
   * its number is sure to be seen at once: https://cloud.google.com/secret-manager/docs/reference/consistency
   */
  lag(reads: number): void {
    this.lagging = reads;
  }

  /** By the id of a secret, of whatever project and location: what it is now. */
  find(id: string): Secret | undefined {
    for (const { name, secret } of this.kept.values()) if (name.secret === id) return secret;
    return undefined;
  }

  readonly methods: Readonly<Record<Method, (request: Request) => object>> = {
    ListSecrets: (request) => this.listSecrets(request),
    CreateSecret: (request) => this.createSecret(request),
    GetSecret: (request) => {
      const kept = this.get(parseSecret(request.name ?? ""));
      return this.seen(kept).message(secretName(kept.name));
    },
    UpdateSecret: (request) => this.updateSecret(request),
    DeleteSecret: (request) => {
      const { name, secret } = this.get(parseSecret(request.name ?? ""));
      checkEtag(request.etag, secret.etag);
      this.kept.delete(secretName(name));
      return {};
    },
    AddSecretVersion: (request) => {
      const kept = this.get(parseSecret(request.parent ?? ""));
      return versionMessage(
        kept.name,
        change(kept, (secret) => secret.add(request.payload, this.now())),
      );
    },
    ListSecretVersions: (request) => this.listVersions(request),
    GetSecretVersion: (request) => {
      const { version, ...name } = parseVersion(request.name ?? "");
      const kept = this.get(name);
      return versionMessage(kept.name, this.seen(kept).find(version));
    },
    AccessSecretVersion: (request) => {
      const { version, ...name } = parseVersion(request.name ?? "");
      const kept = this.get(name);
      const secret = /^\d+$/.test(version) ? kept.secret : this.seen(kept);
      const { number, data, checksum } = secret.access(version);
      const payload = { data, dataCrc32c: String(checksum) };
      return { name: versionMessage(kept.name, secret.find(String(number))).name, payload };
    },
    DisableSecretVersion: (request) =>
      this.changeVersion(request, (secret, id) => secret.setState(id, "DISABLED", request.etag)),
    EnableSecretVersion: (request) =>
      this.changeVersion(request, (secret, id) => secret.setState(id, "ENABLED", request.etag)),
    DestroySecretVersion: (request) =>
      this.changeVersion(request, (secret, id) => secret.destroy(id, request.etag, this.now())),
  };

  private createSecret(request: Request): SecretMessage {
    const parent = parseParent(request.parent ?? "");
    checkSecretId(request.secretId ?? "");
    const given = request.secret ?? {};
    const name = { ...parent, secret: request.secretId ?? "" };
    const key = secretName(name);
    // Global secrets say where they are replicated; regional ones stay where they are:
    // https://cloud.google.com/secret-manager/regional-secrets/create-regional-secret
    const { automatic, userManaged } = given.replication ?? {};
    const replicated = Boolean(automatic) || (userManaged?.replicas?.length ?? 0) > 0;
    if (parent.location === undefined && !replicated)
      throw new StatusError("INVALID_ARGUMENT", "The replication policy of the secret is required.");
    if (parent.location !== undefined && replicated)
      throw new StatusError("INVALID_ARGUMENT", "A regional secret has no replication policy.");
    if (this.present(key)) throw new StatusError("ALREADY_EXISTS", `Secret [${key}] already exists.`);
    const secret = Secret.make(given, this.now());
    this.kept.set(key, { name, secret, before: undefined });
    return secret.message(key);
  }

  private updateSecret(request: Request): SecretMessage {
    const given = request.secret ?? {};
    const kept = this.get(parseSecret(given.name ?? ""));
    const paths = request.updateMask?.paths ?? [];
    if (paths.length === 0) throw new StatusError("INVALID_ARGUMENT", "The update mask is required.");
    return change(kept, (secret) => {
      secret.update(given, paths, this.now());
      return secret.message(secretName(kept.name));
    });
  }

  /** Newest first, as the API's own text on both lists says. */
  private listSecrets(request: Request): object {
    const { project, location } = parseParent(request.parent ?? "");
    const inside = [...this.kept.keys()].filter((key) => this.present(key)).map((key) => this.kept.get(key) as Kept);
    const found = inside.filter(
      ({ name }) => name.location === location && projectNumber(name.project) === projectNumber(project),
    );
    const { page, nextPageToken } = paged(found.reverse(), request);
    const secrets = page.map(({ name, secret }) => secret.message(secretName(name)));
    return { secrets, nextPageToken, totalSize: found.length };
  }

  private listVersions(request: Request): object {
    const kept = this.get(parseSecret(request.parent ?? ""));
    const filter = FILTERS[request.filter ?? ""];
    if (filter === undefined)
      throw new StatusError("UNIMPLEMENTED", `This emulator has the filters ${Object.keys(FILTERS).join(" ")} only.`);
    const found = this.seen(kept).versions.filter(filter).reverse();
    const { page, nextPageToken } = paged(found, request);
    const versions = page.map((version) => versionMessage(kept.name, version));
    return { versions, nextPageToken, totalSize: request.filter ? 0 : found.length };
  }

  private changeVersion(request: Request, act: (secret: Secret, id: string) => Version): VersionMessage {
    const { version, ...name } = parseVersion(request.name ?? "");
    const kept = this.get(name);
    return versionMessage(
      kept.name,
      change(kept, (secret) => act(secret, version)),
    );
  }

  private get(name: SecretName): Kept {
    const key = secretName(name);
    const kept = this.present(key) ? this.kept.get(key) : undefined;
    if (kept === undefined) throw new StatusError("NOT_FOUND", `Secret [${key}] not found or has no versions.`);
    return kept;
  }

  private present(key: string): boolean {
    const kept = this.kept.get(key);
    if (kept === undefined) return false;
    const alive = kept.secret.pass(this.now());
    if (!alive) this.kept.delete(key);
    return alive;
  }

  private seen({ secret, before }: Kept): Secret {
    if (this.lagging === 0 || before === undefined) return secret;
    this.lagging -= 1;
    return before;
  }
}

/** A change that fails changes nothing, and is none for readers that lag behind. */
function change<T>(kept: Kept, act: (secret: Secret) => T): T {
  const before = kept.secret.copy();
  const result = act(kept.secret);
  kept.before = before;
  return result;
}

function paged<T>(
  all: readonly T[],
  request: Request,
): { readonly page: readonly T[]; readonly nextPageToken: string } {
  const start = Number(request.pageToken ?? "");
  const end = start + (request.pageSize || PAGE_SIZE);
  return { page: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}

function versionMessage(name: SecretName, version: Version): VersionMessage {
  return {
    name: `${secretName(name)}/versions/${version.number}`,
    createTime: toSeconds(version.createdAt),
    state: version.state,
    etag: version.etag,
    clientSpecifiedPayloadChecksum: version.clientChecksum,
    ...(version.destroyedAt === undefined ? {} : { destroyTime: toSeconds(version.destroyedAt) }),
    ...(version.scheduledAt === undefined ? {} : { scheduledDestroyTime: toSeconds(version.scheduledAt) }),
  };
}
