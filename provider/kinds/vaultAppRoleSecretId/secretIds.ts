/** The secret ids of a role, found by themselves, by their accessor, or by the rotation that issued them. */
import type { IssuedRef } from "../../contracts/context";
import { RotationError, StateError } from "../../lifecycle/errors";
import { inParallel } from "../../net/inParallel";
import type { Client } from "../../net/vault/client";
import type { VaultAnswer, VaultRequest } from "../../net/vault/transport";
import { decodeMark, encodeMark, type Mark, type RolePlace } from "./mark";
import { readRole, rolePath } from "./role";

const AT_A_TIME = 8;

export interface FoundSecretId {
  readonly accessor: string;
  /** `undefined` for one that is not ours. */
  readonly mark: Mark | undefined;
  /** When Vault itself ends it, in ms since the epoch; `undefined`: never. */
  readonly expiresAt: number | undefined;
  /** How often it may still be used; 0: without limit. */
  readonly numUses: number;
  /** Whether it has ended by Vault's clock. */
  readonly expired: boolean;
}

export class SecretIds {
  constructor(
    private readonly client: Client,
    readonly place: RolePlace,
  ) {}

  /** @returns `undefined` when Vault has no such secret id. */
  async ofValue(secretId: string): Promise<FoundSecretId | undefined> {
    return foundIn(await this.client.ask(this.post("secret-id/lookup", { secret_id: secretId }, false), 404));
  }

  /** @returns `undefined` when Vault has none of this accessor, or not even the role. */
  async ofAccessor(accessor: string): Promise<FoundSecretId | undefined> {
    const request = this.post("secret-id-accessor/lookup", { secret_id_accessor: accessor }, false);
    try {
      return foundIn(await this.client.ask(request, 404));
    } catch (error) {
      // Vault fails with 500 where there is no role.
      if (error instanceof RotationError && (await this.roleIsGone())) return undefined;
      throw error;
    }
  }

  /** All of the role. */
  async all(): Promise<FoundSecretId[]> {
    const path = `${rolePath(this.place)}/secret-id`;
    const request = { method: "LIST", path, capability: '"list"', writes: false } as const;
    const { status, document, errors } = await this.client.ask(request, 400, 404);
    if (status === 404) return [];
    if (status === 400) {
      if (await this.roleIsGone()) return [];
      throw new StateError(`Vault refused to list ${path} with HTTP 400: ${errors.join("; ")}. Nothing was changed.`);
    }
    const { keys = [] } = (document["data"] ?? {}) as { readonly keys?: readonly string[] };
    const found = await inParallel(keys, AT_A_TIME, (accessor) => this.ofAccessor(accessor));
    return found.filter((one) => one !== undefined);
  }

  /** The one that the reference means; `undefined` when it no longer exists, or never did. */
  async of(ref: IssuedRef): Promise<FoundSecretId | undefined> {
    const accessor = ref["accessor"];
    if (accessor) return this.ofAccessor(accessor);
    const rotation = ref["rotation"];
    if (!rotation) throw new StateError(`The reference ${JSON.stringify(ref)} names neither accessor nor rotation.`);
    return (await this.all()).find(({ mark }) => mark?.rotation === rotation);
  }

  /** Registers a value of ours, or finds it registered. @param ttlMs absent: as the role says. */
  async register(secretId: string, mark: Mark, ttlMs: number | undefined): Promise<FoundSecretId> {
    const existing = await this.ofValue(secretId);
    if (existing !== undefined) return existing;
    const ttl = ttlMs === undefined ? {} : { ttl: Math.ceil(ttlMs / 1000) };
    const body = { secret_id: secretId, metadata: encodeMark(mark), num_uses: 0, ...ttl };
    let failure: RotationError | undefined;
    try {
      await this.client.ask(this.post("custom-secret-id", body, true));
    } catch (error) {
      // Also where the answer was lost, or another process was faster: what is there now tells.
      if (!(error instanceof RotationError)) throw error;
      failure = error;
    }
    const made = await this.ofValue(secretId);
    if (made !== undefined) return made;
    throw (
      failure ??
      new StateError(
        `Vault took the secret id for ${rolePath(this.place)}, but does not know it. Somebody destroyed it at this moment. ` +
          "Run again.",
      )
    );
  }

  /** Final. Absent is success. */
  async destroy(accessor: string): Promise<void> {
    try {
      await this.client.ask(this.post("secret-id-accessor/destroy", { secret_id_accessor: accessor }, true));
    } catch (error) {
      // Vault fails where it is gone already.
      if (error instanceof RotationError && (await this.ofAccessor(accessor)) === undefined) return;
      throw error;
    }
  }

  private async roleIsGone(): Promise<boolean> {
    return (await readRole(this.client, this.place)) === undefined;
  }

  /** Their bodies hold secret ids, or what may be taken for one. */
  private post(action: string, body: object, writes: boolean): VaultRequest {
    const path = `${rolePath(this.place)}/${action}`;
    return { method: "POST", path, body, capability: '"update"', secret: true, writes };
  }
}

function foundIn({ document, at }: VaultAnswer): FoundSecretId | undefined {
  const data = document["data"] as Readonly<Record<string, unknown>> | null | undefined;
  const accessor = data?.["secret_id_accessor"];
  if (typeof accessor !== "string" || accessor === "") return undefined;
  const ends = Date.parse(String(data?.["expiration_time"]));
  // Vault writes "never" as the year 1.
  const expiresAt = ends > 0 ? ends : undefined;
  return {
    accessor,
    mark: decodeMark(data?.["metadata"]),
    expiresAt,
    numUses: Number(data?.["secret_id_num_uses"]) || 0,
    expired: expiresAt !== undefined && expiresAt <= at,
  };
}
