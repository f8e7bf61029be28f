/** Where a secret comes from, and what comes from there. */
import { inspect } from "node:util";

/** The fields of a secret, such as `username` and `password`. */
export type Fields = Readonly<Record<string, string>>;

/** What names a version and is not secret. */
export interface VersionFacts {
  /** The name of the secret. */
  readonly name?: string;
  /** The number of the version. */
  readonly version?: number;
  /** What the library knows the version by. */
  readonly fingerprint?: string;
}

/** One version, read as a whole: never fields of two. */
export interface Reading<Value> extends VersionFacts {
  readonly value: Value;
}

export interface ReadRequest {
  /** The secret's name, where a source has several. */
  readonly name: string | undefined;
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
}

/** `fromFile`, `fromFolder` and `fromFunction` make one; an application may bring its own. */
export interface SecretSource<Value> {
  /** For messages: where it is, never what is in it. */
  readonly description: string;
  /** The longest that a value is used without looking again, in milliseconds, where {@link openSecret} is not told. */
  readonly maxAge: number;
  /** @throws when there is no whole version to be had; {@link SecretError} is passed on, of others only the name is. */
  read(request: ReadRequest): Promise<Reading<Value>>;
  /** A text that is another one once the content may have changed; much cheaper than reading. @throws when absent */
  look?(): Promise<string>;
  /** Calls when the content may have changed; it need not notice all. Must not keep the process alive. */
  watch?(changed: () => void): () => void;
}

/** Fields that cannot be changed, and that logging and JSON.stringify show the names of only. */
export function sealed(fields: Record<string, string>): Fields {
  const shown = () => Object.fromEntries(Object.keys(fields).map((name) => [name, "[secret]"]));
  const copy = Object.defineProperty({ ...fields }, inspect.custom, { value: shown });
  return Object.freeze("toJSON" in fields ? copy : Object.defineProperty(copy, "toJSON", { value: shown }));
}
