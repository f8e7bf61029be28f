/** The comment on a role that says whose it is. It makes a role ours, never its name. */
import type { IssuedRef } from "../../contracts/context";

const MANAGED_BY = "pulumi-rotating-secrets";

export interface Mark {
  readonly identity: string;
  readonly rotation: string;
  readonly version: string;
  /** How the version was made; the options may say something else by now. */
  readonly owner: string;
  readonly memberOf: readonly string[];
  readonly assumeOwner: boolean;
}

export function encodeMark(mark: Mark): string {
  return JSON.stringify({ managedBy: MANAGED_BY, schema: 1, ...mark });
}

/** `undefined` for no comment, somebody else's comment, and one that cannot be read. */
export function decodeMark(comment: string | null): Mark | undefined {
  if (!comment?.startsWith("{")) return undefined;
  let found: Partial<Record<keyof Mark | "managedBy", unknown>>;
  try {
    found = JSON.parse(comment) as typeof found;
  } catch {
    return undefined;
  }
  const { identity, rotation, version, owner, memberOf, assumeOwner } = found;
  if (found.managedBy !== MANAGED_BY) return undefined;
  if (typeof identity !== "string" || typeof rotation !== "string" || rotation === "") return undefined;
  return {
    identity,
    rotation,
    version: typeof version === "string" ? version : "",
    owner: typeof owner === "string" ? owner : "",
    memberOf: Array.isArray(memberOf) ? memberOf.filter((name): name is string => typeof name === "string") : [],
    assumeOwner: assumeOwner !== false,
  };
}

export function refOf(role: string, mark: Mark): IssuedRef {
  return {
    role,
    rotation: mark.rotation,
    version: mark.version,
    owner: mark.owner,
    assumeOwner: String(mark.assumeOwner),
  };
}
