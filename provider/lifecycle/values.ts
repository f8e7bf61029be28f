/** What passes through every contract: the value of a credential, and the two ways to name it. */

/** One atomic credential: all the fields that belong together, such as user name and password. */
export type SecretValue = Readonly<Record<string, string>>;

/** Public facts about a credential at its issuer (a role name, an access key id). Never a secret value. */
export type IssuedRef = Readonly<Record<string, string>>;

/** Somebody who uses a credential, or tried to, as the issuer sees it. Never a secret value. */
export interface Use {
  /** For people: `orders-api from 10.0.0.7 since 2026-11-01T02:00:00.000Z`. */
  readonly by: string;
  /** The name that logged in, such as the database user. */
  readonly principal?: string;
  /** Where it came from: an address, or `local`. */
  readonly client?: string;
  /** What it called itself. */
  readonly application?: string;
  /** Since when, or when, in ms since the epoch. */
  readonly since?: number;
}

/** Names one stored version. `token` is the rotation id that it was stored under. */
export interface VersionRef {
  readonly version: number;
  readonly token: string;
}

export function isSameRef(a: VersionRef | null, b: VersionRef | null): boolean {
  return a === b || (a !== null && b !== null && a.version === b.version && a.token === b.token);
}
