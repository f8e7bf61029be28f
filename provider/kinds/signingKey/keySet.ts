/** A JWKS document with our marks in it. Pure. What others have put there stays as it is. */
import type { IssuedRef } from "../../contracts/context";
import type { PublicJwk } from "./jwk";

const MANAGED_BY = "pulumi-rotating-secrets";
/** The member of a key that says whose it is. It makes a key ours, never its name. */
const MARK = "rotation";
/** The member of the document with our keys that verifiers are not to see for now (RFC 7517, section 5, ignores it). */
const WITHDRAWN = "rotationWithdrawn";

export interface Mark {
  readonly identity: string;
  readonly rotation: string;
  readonly version: string;
  /** Since when the key is in the file, in ms since the epoch. */
  readonly publishedAt: number;
  /** Whether nothing signed before, and the file was made for it: no verifier can have cached it without. */
  readonly first: boolean;
}

export interface OurKey {
  readonly jwk: PublicJwk;
  readonly mark: Mark;
  /** Whether verifiers see it. */
  readonly enabled: boolean;
}

/** The document as it was parsed. */
export type KeySet = Readonly<Record<string, unknown>> & { readonly keys: readonly unknown[] };

/** @returns `undefined` for what is no JWKS. */
export function parseKeySet(text: string): KeySet | undefined {
  try {
    const found = JSON.parse(text) as KeySet | null;
    return Array.isArray(found?.keys) ? found : undefined;
  } catch {
    return undefined;
  }
}

export function ourKeys(set: KeySet): OurKey[] {
  const withdrawn = Array.isArray(set[WITHDRAWN]) ? (set[WITHDRAWN] as unknown[]) : [];
  return [...marked(set.keys, true), ...marked(withdrawn, false)];
}

/** The key of a version, by its rotation and its key id: neither alone is enough. */
export function findKey(set: KeySet, ref: IssuedRef): OurKey | undefined {
  return ourKeys(set).find(({ jwk, mark }) => jwk.kid === ref["kid"] && mark.rotation === ref["rotation"]);
}

/** Whether anything in the document has the key id. */
export function hasKid(set: KeySet, kid: string): boolean {
  return [...set.keys, ...ourKeys(set).map(({ jwk }) => jwk)].some((key) => (key as PublicJwk | null)?.kid === kid);
}

/** The document with this key as it is, in place of the one of the same rotation. */
export function withKey(set: KeySet, key: OurKey): KeySet {
  const rest = ourKeys(set).filter(({ mark }) => mark.rotation !== key.mark.rotation);
  return render(set, [...rest, key]);
}

export function withoutKey(set: KeySet, ref: IssuedRef): KeySet {
  return render(
    set,
    ourKeys(set).filter(({ jwk, mark }) => jwk.kid !== ref["kid"] || mark.rotation !== ref["rotation"]),
  );
}

export function refOf({ jwk, mark }: Pick<OurKey, "jwk" | "mark">): IssuedRef {
  return { kid: jwk.kid, alg: jwk.alg, rotation: mark.rotation, version: mark.version };
}

function render(set: KeySet, ours: readonly OurKey[]): KeySet {
  const written = (enabled: boolean) =>
    ours
      .filter((key) => key.enabled === enabled)
      .map(({ jwk, mark }) => ({ ...jwk, [MARK]: { managedBy: MANAGED_BY, ...mark } }));
  const others = set.keys.filter((key) => markOf(key) === undefined);
  const { [WITHDRAWN]: _withdrawn, ...rest } = set;
  const withdrawn = written(false);
  return {
    ...rest,
    keys: [...others, ...written(true)],
    ...(withdrawn.length > 0 ? { [WITHDRAWN]: withdrawn } : {}),
  };
}

function marked(keys: readonly unknown[], enabled: boolean): OurKey[] {
  return keys.flatMap((key) => {
    const mark = markOf(key);
    if (!mark) return [];
    const { [MARK]: _mark, ...jwk } = key as PublicJwk;
    return [{ jwk, mark, enabled }];
  });
}

/** `undefined` for somebody else's key, and for a mark that cannot be read. */
function markOf(key: unknown): Mark | undefined {
  const found = (key as Record<string, unknown> | null)?.[MARK] as
    (Partial<Mark> & { managedBy?: unknown }) | undefined;
  if (found?.managedBy !== MANAGED_BY) return undefined;
  const { identity, rotation, version, publishedAt, first } = found;
  if (typeof identity !== "string" || typeof rotation !== "string" || typeof version !== "string") return undefined;
  if (typeof publishedAt !== "number") return undefined;
  return { identity, rotation, version, publishedAt, first: first === true };
}
