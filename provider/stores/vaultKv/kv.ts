/** The requests of a KV engine of version 2: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 */
import { ConfigurationError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import type { VaultAnswer } from "../../net/vault/transport";

type Json = Readonly<Record<string, unknown>>;

export type Entry =
  | { readonly state: "absent" }
  /** Soft-deleted or destroyed. */
  | { readonly state: "gone"; readonly version: number }
  | { readonly state: "there"; readonly version: number; readonly data: Json };

export interface EntryVersion {
  /** Not to be had by readers, but can be undeleted. */
  readonly deleted: boolean;
  /** Gone for good. */
  readonly destroyed: boolean;
}

export interface EntryMetadata {
  /** `0` where nothing was written yet. */
  readonly currentVersion: number;
  readonly versions: ReadonlyMap<number, EntryVersion>;
  readonly custom: Readonly<Record<string, string>>;
  readonly maxVersions: number;
  /** A Go duration: `0s`, `3h25m19s`. */
  readonly deleteVersionAfter: string;
}

const CAS_LOST = "check-and-set parameter did not match";
/**
 * How far the two clocks of one Vault answer may be apart: its Date header has whole seconds. In ms.
 */
const DATE_STEP = 1000;

export class Kv {
  constructor(
    private readonly client: Client,
    private readonly mount: string,
    private readonly location: string,
  ) {}

  /** @param version absent: the newest. */
  async read(path: string, version?: number): Promise<Entry> {
    const query = version === undefined ? {} : { version: String(version) };
    const request = { method: "GET", path: this.at("data", path), query, capability: '"read"', writes: false } as const;
    const answer = await this.client.ask(request, 404);
    if (answer.status === 404) {
      const number = versionOf(objectIn(dataOf(answer), "metadata"));
      if (number === undefined) this.checkRoute(answer, request.path);
      return number === undefined ? { state: "absent" } : { state: "gone", version: number };
    }
    const data = objectIn(dataOf(answer), "data");
    const number = versionOf(objectIn(dataOf(answer), "metadata"));
    if (number === undefined || data === undefined) throw this.notVersioned();
    return { state: "there", version: number, data };
  }

  async metadata(path: string): Promise<EntryMetadata | undefined> {
    const request = { method: "GET", path: this.at("metadata", path), capability: '"read"', writes: false } as const;
    const answer = await this.client.ask(request, 404);
    if (answer.status === 404) {
      this.checkRoute(answer, request.path);
      return undefined;
    }
    const data = dataOf(answer);
    const current = data?.["current_version"];
    const versions = objectIn(data, "versions");
    if (data === undefined || typeof current !== "number" || versions === undefined) throw this.notVersioned();
    return {
      currentVersion: current,
      versions: new Map(Object.entries(versions).map(([number, facts]) => [Number(number), stateOf(facts, answer.at)])),
      custom: (objectIn(data, "custom_metadata") ?? {}) as Readonly<Record<string, string>>,
      maxVersions: Number(data["max_versions"]) || 0,
      deleteVersionAfter: textIn(data, "delete_version_after"),
    };
  }

  /** The settings of the mount; `undefined` where the token may not read them. */
  async config(): Promise<Pick<EntryMetadata, "maxVersions" | "deleteVersionAfter"> | undefined> {
    const path = `${this.mount}/config`;
    const answer = await this.client.ask({ method: "GET", path, capability: '"read"', writes: false }, 403, 404);
    const data = dataOf(answer);
    if (answer.status !== 200 || data === undefined) return undefined;
    return {
      maxVersions: Number(data["max_versions"]) || 0,
      deleteVersionAfter: textIn(data, "delete_version_after"),
    };
  }

  /**
   * Writes a version if the newest one is `expected`, 0 for none.
   * @returns the new version's number and whether it will vanish by itself; `undefined` when the newest is another one.
   */
  async write(path: string, data: Json, expected: number): Promise<{ version: number; vanishes: boolean } | undefined> {
    const answer = await this.client.ask(
      {
        method: "POST",
        path: this.at("data", path),
        body: { options: { cas: expected }, data },
        capability: '"create" and "update"',
        secret: true,
        writes: true,
      },
      400,
    );
    if (answer.status === 400) {
      if (answer.errors.some((text) => text.includes(CAS_LOST))) return undefined;
      throw new ConfigurationError(
        `The store ${this.location}: Vault refused to write "${this.at("data", path)}" (HTTP 400). Nothing was changed. ` +
          "Vault's own log says why; correct it and run again.",
      );
    }
    const written = dataOf(answer);
    const version = versionOf(written);
    if (version === undefined) throw this.notVersioned();
    return { version, vanishes: textIn(written, "deletion_time") !== "" };
  }

  /** Changes only the keys that are named; `null` removes one. */
  async patchCustom(path: string, custom: Readonly<Record<string, string | null>>): Promise<void> {
    await this.client.ask({
      method: "PATCH",
      path: this.at("metadata", path),
      body: { custom_metadata: custom },
      capability: '"patch"',
      writes: true,
    });
  }

  /** `delete` takes versions away from readers, `undelete` gives them back, `destroy` is for good. */
  async change(action: "delete" | "undelete" | "destroy", path: string, versions: readonly number[]): Promise<void> {
    if (versions.length === 0) return;
    const body = { versions };
    await this.client.ask({ method: "POST", path: this.at(action, path), body, capability: '"update"', writes: true });
  }

  /** Removes an entry with all its versions. Absent is success. */
  async remove(path: string): Promise<void> {
    await this.client.ask(
      { method: "DELETE", path: this.at("metadata", path), capability: '"delete"', writes: true },
      404,
    );
  }

  /** The names directly below a path. */
  async list(path: string): Promise<readonly string[]> {
    const request = { method: "LIST", path: this.at("metadata", path), capability: '"list"', writes: false } as const;
    const answer = await this.client.ask(request, 404);
    if (answer.status === 404) this.checkRoute(answer, request.path);
    const keys = dataOf(answer)?.["keys"];
    return Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : [];
  }

  at(part: "data" | "metadata" | "delete" | "undelete" | "destroy", path: string): string {
    return `${this.mount}/${part}/${path}`;
  }

  /** @throws ConfigurationError when it is not an entry that is absent but the engine. */
  private checkRoute({ errors }: VaultAnswer, path: string): void {
    if (!errors.some((text) => text.includes("no handler for route"))) return;
    throw new ConfigurationError(
      `The store ${this.location}: nothing is mounted that serves "${path}". Nothing was changed. Check the options mount ` +
        "and namespace (vault secrets list shows the mounts), or enable the engine: vault secrets enable -path=" +
        `${this.mount} -version=2 kv`,
    );
  }

  notVersioned(): ConfigurationError {
    return new ConfigurationError(
      `The store ${this.location}: the mount "${this.mount}" is not a KV engine of version 2, which alone has versions ` +
        "and check-and-set. Name another mount, or upgrade this one (vault kv enable-versioning " +
        `${this.mount}), then run again.`,
    );
  }
}

function stateOf(facts: unknown, serverTime: number): EntryVersion {
  const deletion = textIn(facts as Json, "deletion_time");
  // A time in the future is that of a version which will vanish by itself. By the server's clock, which wrote both.
  const deleted = deletion !== "" && Date.parse(deletion) < serverTime + DATE_STEP;
  return { deleted, destroyed: (facts as Json)["destroyed"] === true };
}

function dataOf({ document }: VaultAnswer): Json | undefined {
  return objectIn(document, "data");
}

function objectIn(object: Json | undefined, key: string): Json | undefined {
  const value = object?.[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function textIn(object: Json | undefined, key: string): string {
  const value = object?.[key];
  return typeof value === "string" ? value : "";
}

function versionOf(metadata: Json | undefined): number | undefined {
  const version = metadata?.["version"];
  return typeof version === "number" ? version : undefined;
}
