/** What passes through every contract: the value of a credential, and the two ways to name it. */

/** One atomic credential: all the fields that belong together, such as user name and password. */
export type SecretValue = Readonly<Record<string, string>>;

/** Public facts about a credential at its issuer (a role name, an access key id). Never a secret value. */
export type IssuedRef = Readonly<Record<string, string>>;

/** Names one stored version. `token` is the rotation id that it was stored under. */
export interface VersionRef {
  readonly version: number;
  readonly token: string;
}
