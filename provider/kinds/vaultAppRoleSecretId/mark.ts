/** The metadata of a secret id that says whose it is. Vault copies it to each token that is got with it. */
import type { IssuedRef } from "../../contracts/context";
import type { ProposeRequest } from "../../contracts/kind";

const MANAGED_BY = "pulumi-rotating-secrets";

export interface Mark {
  readonly identity: string;
  readonly rotation: string;
  readonly version: string;
}

export function markFor(request: ProposeRequest): Mark {
  return { identity: request.identity, rotation: request.rotationId, version: String(request.version) };
}

/** As Vault takes metadata: JSON, with texts as values. It is in Vault's audit log in plain text. */
export function encodeMark({ identity, rotation, version }: Mark): string {
  return JSON.stringify({
    managed_by: MANAGED_BY,
    rotation_identity: identity,
    rotation_id: rotation,
    rotation_version: version,
  });
}

/** `undefined` for what is not ours. */
export function decodeMark(metadata: unknown): Mark | undefined {
  const found = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  const { rotation_identity: identity, rotation_id: rotation, rotation_version: version } = found;
  if (found["managed_by"] !== MANAGED_BY) return undefined;
  if (typeof identity !== "string" || typeof rotation !== "string" || rotation === "") return undefined;
  return { identity, rotation, version: typeof version === "string" ? version : "" };
}

/** Where the role is, as the reference says it. */
export interface RolePlace {
  readonly mount: string;
  readonly role: string;
}

/** @param accessor absent for a secret id that was not issued yet. */
export function refOf({ mount, role }: RolePlace, mark: Mark, accessor?: string): IssuedRef {
  return {
    mount,
    role,
    rotation: mark.rotation,
    version: mark.version,
    ...(accessor === undefined ? {} : { accessor }),
  };
}
