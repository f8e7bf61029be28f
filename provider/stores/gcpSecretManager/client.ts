/**
 * The calls of the API that the store makes: each with a time limit, cancelled with the run, repeated where it is safe,
 * with payloads checked by their checksum, and answered in plain values.
 */
import type { AdapterContext } from "../../contracts/context";
import { UnreachableError } from "../../lifecycle/errors";
import { GcpCalls } from "../../net/gcp/client";
import { durationMs } from "../../net/options";
import { crc32c } from "./crc32c";
import { hasStatus, type Method } from "./failures";
import {
  accessedFrom,
  secretFrom,
  versionFrom,
  type AccessedMessage,
  type Payload,
  type SecretInfo,
  type SecretMessage,
  type VersionInfo,
  type VersionMessage,
} from "./messages";
import type { GcpSecretManagerOptions } from "./options";
import { makeClient, type SdkClient } from "./sdk";

export interface SecretChange {
  readonly etag: string;
  readonly aliases?: Readonly<Record<string, number>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export class SecretsClient {
  private readonly parent: string;
  private readonly calls: GcpCalls<SdkClient>;

  constructor(
    private readonly options: GcpSecretManagerOptions,
    context: AdapterContext,
  ) {
    const { project, location } = options;
    this.parent = `projects/${project}${location === undefined ? "" : `/locations/${location}`}`;
    this.calls = new GcpCalls(() => makeClient(options), durationMs(options.timeout, "10s"), context);
  }

  /** @returns `undefined` when there is none. */
  async getSecret(id: string): Promise<SecretInfo | undefined> {
    const found = await unlessAbsent(this.call<SecretMessage>("getSecret", id, { name: this.secret(id) }));
    return found && secretFrom(found);
  }

  /** @returns `undefined` when there is one already. */
  async createSecret(id: string, labels: Readonly<Record<string, string>>): Promise<SecretInfo | undefined> {
    const secret = { labels, ...(this.options.location === undefined ? { replication: this.replication } : {}) };
    const request = { parent: this.parent, secretId: id, secret };
    try {
      return secretFrom(await this.call<SecretMessage>("createSecret", id, request));
    } catch (error) {
      if (hasStatus(error, "ALREADY_EXISTS")) return undefined;
      throw error;
    }
  }

  /** Changes what is given, and nothing else. Not repeated: whether it was carried out is for the caller to find out. */
  async updateSecret(id: string, { etag, aliases, annotations }: SecretChange): Promise<SecretInfo> {
    const secret = { name: this.secret(id), etag, annotations, versionAliases: aliases };
    const paths = [...(aliases ? ["version_aliases"] : []), ...(annotations ? ["annotations"] : [])];
    return secretFrom(await this.call<SecretMessage>("updateSecret", id, { secret, updateMask: { paths } }, "once"));
  }

  /** @param again `once`: not repeated, since each time that it is carried out makes a version. */
  async addVersion(id: string, data: Uint8Array, again: "repeat" | "once"): Promise<VersionInfo> {
    const request = { parent: this.secret(id), payload: { data, dataCrc32c: crc32c(data) } };
    return versionFrom(await this.call<VersionMessage>("addSecretVersion", id, request, again));
  }

  /** @returns `undefined` when there is none. @param version a number or `latest`. */
  async getVersion(id: string, version: number | "latest"): Promise<VersionInfo | undefined> {
    const request = { name: this.version(id, version) };
    const found = await unlessAbsent(this.call<VersionMessage>("getSecretVersion", id, request));
    return found && versionFrom(found);
  }

  /** Newest first. */
  async listEnabled(id: string): Promise<readonly VersionInfo[]> {
    const request = { parent: this.secret(id), filter: "state:ENABLED" };
    return (await this.call<readonly VersionMessage[]>("listSecretVersions", id, request)).map(versionFrom);
  }

  /**
   * @returns `absent` when there is no such version or secret, `closed` when it is disabled or destroyed.
   * @param version a number or `latest`.
   */
  async access(id: string, version: number | "latest"): Promise<Payload | "absent" | "closed"> {
    try {
      const request = { name: this.version(id, version) };
      const answer = accessedFrom(await this.call<AccessedMessage>("accessSecretVersion", id, request));
      if (answer.checksum === undefined || answer.checksum === crc32c(answer.data)) return answer;
      throw new UnreachableError(
        `Version ${answer.number} of the secret ${id} was damaged on its way: its checksum (CRC32C) is wrong. Nothing ` +
          "was changed. Run again.",
      );
    } catch (error) {
      if (hasStatus(error, "NOT_FOUND")) return "absent";
      if (hasStatus(error, "FAILED_PRECONDITION")) return "closed";
      throw error;
    }
  }

  disable = (id: string, version: number) => this.changeVersion("disableSecretVersion", id, version);
  enable = (id: string, version: number) => this.changeVersion("enableSecretVersion", id, version);
  destroy = (id: string, version: number) => this.changeVersion("destroySecretVersion", id, version);

  close(): Promise<void> {
    return this.calls.close();
  }

  /** @returns `undefined` when it is absent, or destroyed for good. */
  private async changeVersion(method: Method, id: string, version: number): Promise<VersionInfo | undefined> {
    try {
      return versionFrom(await this.call<VersionMessage>(method, id, { name: this.version(id, version) }));
    } catch (error) {
      if (hasStatus(error, "NOT_FOUND", "FAILED_PRECONDITION")) return undefined;
      throw error;
    }
  }

  private call<T>(method: Method, id: string, request: object, again: "repeat" | "once" = "repeat"): Promise<T> {
    return this.calls.call<T>({ method, subject: id, request, routing: routing(request), again });
  }

  private get replication(): object {
    const where = this.options.replication ?? "automatic";
    if (where === "automatic") return { automatic: {} };
    return { userManaged: { replicas: where.map((location) => ({ location })) } };
  }

  private secret(id: string): string {
    return `${this.parent}/secrets/${id}`;
  }

  private version(id: string, version: number | "latest"): string {
    return `${this.secret(id)}/versions/${version}`;
  }
}

async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (hasStatus(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** As the client's own methods do it. */
function routing(request: { readonly name?: string; readonly parent?: string; readonly secret?: { name?: string } }) {
  if (request.parent !== undefined) return { parent: request.parent };
  return request.name === undefined ? { "secret.name": request.secret?.name ?? "" } : { name: request.name };
}
