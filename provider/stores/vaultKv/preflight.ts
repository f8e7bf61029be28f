/** What is looked at before the first write, so that a rotation does not begin that cannot end well. */
import type { VersionRef } from "../../contracts/store";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import type { Companion } from "./companion";
import type { EntryMetadata, Kv } from "./kv";
import type { NativeEntry } from "./native";

/** What Vault keeps where neither entry nor mount says: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 */
const DEFAULT_MAX_VERSIONS = 10;
/** The one that is superseded, the one that is active, and one that a return to the first makes. */
const LEAST_VERSIONS = 3;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

type Retention = Pick<EntryMetadata, "maxVersions" | "deleteVersionAfter">;

export class Preflight {
  private mountChecked: Promise<void> | undefined;
  private placeChecked: Promise<void> | undefined;

  constructor(
    private readonly client: Client,
    private readonly kv: Kv,
    private readonly native: NativeEntry,
    private readonly companion: Companion,
    private readonly facts: { readonly address: string; readonly mount: string; readonly location: string },
    private readonly context: AdapterContext,
  ) {}

  /** Before any write: a KV engine of version 1 would take what is meant for version 2, and store something else. */
  checkMount(): Promise<void> {
    this.mountChecked ??= this.mount().catch((error: unknown) => {
      this.mountChecked = undefined;
      throw error;
    });
    return this.mountChecked;
  }

  /** Before a version is stored: whether all that a rotation will need is allowed, and versions stay. */
  checkPlace(ref: VersionRef): Promise<void> {
    this.placeChecked ??= this.place(ref).catch((error: unknown) => {
      this.placeChecked = undefined;
      throw error;
    });
    return this.placeChecked;
  }

  private async mount(): Promise<void> {
    const { address, mount, location } = this.facts;
    const { protocol, hostname } = new URL(address);
    if (protocol === "http:" && !LOOPBACK.has(hostname)) {
      this.context.log.warn(
        `The store ${location}: its address has no TLS, so token and values can be read on the way. Use https://.`,
      );
    }
    // What the vault command asks too. Any token may ask it that may do something there; else the writes will tell.
    const path = `sys/internal/ui/mounts/${this.kv.at("data", this.native.path)}`;
    const { status, document } = await this.client.ask(
      { method: "GET", path, capability: '"read"', writes: false },
      400,
      403,
      404,
      405,
    );
    const data = document["data"] as Readonly<Record<string, unknown>> | undefined;
    if (status !== 200 || data === undefined) return;
    const found = typeof data["path"] === "string" ? data["path"].replace(/\/$/, "") : mount;
    if (found !== mount) {
      throw new ConfigurationError(
        `The store ${location}: there is no mount "${mount}", but one "${found}". Nothing was changed. Say mount: ` +
          `"${found}", and what follows it in path.`,
      );
    }
    const options = data["options"] as Readonly<Record<string, unknown>> | null | undefined;
    if (data["type"] !== "kv" || options?.["version"] !== "2") throw this.kv.notVersioned();
  }

  private async place(ref: VersionRef): Promise<void> {
    const [, config, entry] = await Promise.all([this.capabilities(ref), this.kv.config(), this.native.metadata()]);
    const trouble = retentionTrouble(config, entry);
    if (trouble === undefined) return;
    throw new ConfigurationError(
      `The store ${this.facts.location}: ${trouble} No version was stored, and nothing was issued. Change that and run again.`,
    );
  }

  private async capabilities(ref: VersionRef): Promise<void> {
    const needed = this.needed(ref);
    const paths = Object.keys(needed);
    const answer = await this.client.ask(
      { method: "POST", path: "sys/capabilities-self", body: { paths }, capability: '"update"', writes: false },
      403,
      404,
    );
    if (answer.status !== 200) return; // Not allowed to ask: the requests themselves will tell.
    const had = (answer.document["data"] ?? {}) as Readonly<Record<string, unknown>>;
    const missing = paths.flatMap((path) => {
      const lacks = lacking(needed[path] ?? [], had[path]);
      return lacks.length === 0 ? [] : [`path "${path}" lacks ${lacks.map((one) => `"${one}"`).join(", ")}`];
    });
    if (missing.length === 0) return;
    throw new ConfigurationError(
      `The store ${this.facts.location}: the token's policies do not allow what a rotation needs: ${missing.join("; ")}. ` +
        "No version was stored, and nothing was issued. The whole policy is in docs/stores/vault.md. Add it and run again.",
    );
  }

  private needed(ref: VersionRef): Readonly<Record<string, readonly string[]>> {
    const { path } = this.native;
    const { ledger, version, versions } = this.companion.paths(ref);
    const written = ["create", "read", "update"];
    return {
      [this.kv.at("data", path)]: written,
      [this.kv.at("metadata", path)]: ["read", "patch"],
      [this.kv.at("delete", path)]: ["update"],
      [this.kv.at("undelete", path)]: ["update"],
      [this.kv.at("destroy", path)]: ["update"],
      [this.kv.at("data", ledger)]: written,
      [this.kv.at("data", version)]: written,
      [this.kv.at("metadata", version)]: ["delete"],
      [`${this.kv.at("metadata", versions)}/`]: ["list"],
    };
  }
}

/** @returns what would lose versions, as a sentence. */
export function retentionTrouble(config: Retention | undefined, entry: Retention | undefined): string | undefined {
  const setByMount = config?.deleteVersionAfter ?? "0s";
  if (isTime(setByMount)) {
    return (
      `the mount deletes each version ${setByMount} after it was written (delete_version_after), also the ledger and the ` +
      "version in use."
    );
  }
  const setByEntry = entry?.deleteVersionAfter ?? "0s";
  // A negative one of the mount switches all others off.
  if (isTime(setByEntry) && !setByMount.startsWith("-")) {
    return `the entry deletes each version ${setByEntry} after it was written (delete_version_after), also the one in use.`;
  }
  // The larger one counts, whatever the documentation says of entries that overwrite.
  const kept = Math.max(config?.maxVersions ?? 0, entry?.maxVersions ?? 0) || DEFAULT_MAX_VERSIONS;
  if (kept >= LEAST_VERSIONS || config === undefined) return undefined;
  return (
    `it keeps ${kept} version${kept === 1 ? "" : "s"} of the entry (max_versions); a rotation and a return need ` +
    `${LEAST_VERSIONS}, or those who read a version by its number lose it.`
  );
}

function lacking(needed: readonly string[], had: unknown): readonly string[] {
  if (!Array.isArray(had)) return []; // An answer in another shape says nothing.
  return had.includes("root") ? [] : needed.filter((capability) => !had.includes(capability));
}

/** Go's durations: `0s`, `3h25m19s`, `-1s`. */
function isTime(duration: string): boolean {
  return !duration.startsWith("-") && /[1-9]/.test(duration);
}
