/**
 * The calls of the API that the store makes: each with a time limit, cancelled with the run, repeated where it is safe,
 * with payloads checked by their checksum, and answered in plain values.
 *
 * They go to the client's `innerApiCalls`, not to its methods: those write whole requests, payloads included, to the log
 * when GOOGLE_SDK_NODE_LOGGING is set, and cannot be cancelled.
 */
import type { AdapterContext } from "../../contracts/context";
import { UnreachableError } from "../../lifecycle/errors";
import { withDeadline } from "../../net/deadline";
import { durationMs } from "../../net/options";
import { retrying } from "../../net/retry";
import { crc32c } from "./crc32c";
import { CallFailure, failureFrom, hasStatus, type Method, type Status } from "./failures";
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

/** How often a call is made that finds nobody, and one that is turned away for a quota, which is counted by the minute. */
const TRIES: Readonly<Partial<Record<Status, number>>> = { UNAVAILABLE: 4, RESOURCE_EXHAUSTED: 9 };
/** The longest first wait and the longest of all, in ms: about 30 s in all where a quota is used up. */
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 15_000;

/** What `innerApiCalls` are: the answer comes first in a list. */
type InnerCall = (request: object, options: object) => Promise<readonly unknown[]> & { cancel(): void };

export interface SecretChange {
  readonly etag: string;
  readonly aliases?: Readonly<Record<string, number>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export class SecretsClient {
  private readonly parent: string;
  private readonly timeoutMs: number;
  private client: Promise<SdkClient> | undefined;

  constructor(
    private readonly options: GcpSecretManagerOptions,
    private readonly context: AdapterContext,
  ) {
    const { project, location } = options;
    this.parent = `projects/${project}${location === undefined ? "" : `/locations/${location}`}`;
    this.timeoutMs = durationMs(options.timeout, "10s");
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

  async close(): Promise<void> {
    const open = this.client;
    this.client = undefined;
    await (await open?.catch(() => undefined))?.close();
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

  private async call<T>(method: Method, id: string, request: object, again: "repeat" | "once" = "repeat"): Promise<T> {
    let tries = 0;
    const isTransient = (error: unknown) => {
      tries += 1;
      if (!(error instanceof CallFailure) || (again === "once" && error.isUncertain)) return false;
      return tries < (TRIES[error.status] ?? 0);
    };
    const policy = { attempts: 100, firstWaitMs: FIRST_WAIT_MS, longestWaitMs: LONGEST_WAIT_MS, isTransient };
    return retrying(this.context, policy, () => this.callOnce<T>(method, id, request));
  }

  private async callOnce<T>(method: Method, id: string, request: object): Promise<T> {
    const bounded = await withDeadline(this.timeoutMs, this.context.signal, async (signal) => {
      try {
        const client = await this.open();
        const call = client.innerApiCalls[method] as InnerCall;
        // Google's load balancers need to see in a header what the call is about.
        const headers = { "x-goog-request-params": routing(request) };
        const answer = call(request, { timeout: this.timeoutMs, retry: null, otherArgs: { headers } });
        signal.addEventListener("abort", () => answer.cancel(), { once: true });
        return (await answer)[0] as T;
      } catch (error) {
        throw error instanceof Error && error.name === "ConfigurationError" ? error : failureFrom(method, id, error);
      }
    });
    if (bounded.ended === "done") return bounded.value;
    this.context.signal.throwIfAborted();
    throw new CallFailure(method, id, "DEADLINE_EXCEEDED");
  }

  private open(): Promise<SdkClient> {
    this.client ??= makeClient(this.options).then(async (client) => {
      await client.initialize();
      return client;
    });
    // A client that found no credentials stays without them: the next call makes another one.
    this.client.catch(() => (this.client = undefined));
    return this.client;
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

/** As the client's own methods do it: https://google.aip.dev/client-libraries/4222 */
function routing(request: { readonly name?: string; readonly parent?: string; readonly secret?: { name?: string } }) {
  const [key, value] =
    request.parent !== undefined
      ? ["parent", request.parent]
      : request.name !== undefined
        ? ["name", request.name]
        : ["secret.name", request.secret?.name ?? ""];
  return `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
}
