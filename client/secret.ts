/** A secret that an application works with. */
import { inspect } from "node:util";
import { systemClock, type ClientClock } from "./clock";
import { describeError, SecretError } from "./errors";
import { Keeper } from "./keeper";
import type { SecretSource, VersionFacts } from "./source";
import { Uses, type Held } from "./uses";

const READ_TIMEOUT_MS = 5000;

export interface OpenSecretOptions<Value> extends WorkOptions {
  readonly source: SecretSource<Value>;
  /**
   * The name of the secret in the Pulumi program. It chooses from a delivered file with several secrets, and is what
   * adoption is reported by. Absent: the only secret of the file; from other sources the name is then not known.
   */
  readonly name?: string;
  /**
   * The longest that a value is used without looking at the source, in milliseconds, from 0: at a file or folder whether
   * it has changed, by asking a function anew. Not longer than the secret's `readersCache`.
   * @default 1000 for a file or folder, 300 000 for a function
   */
  readonly maxAge?: number;
  /** How long one read may take, in milliseconds, from 1. @default 5000 */
  readonly readTimeout?: number;
  /**
   * Tries a new version before it takes the place of the one in use, such as by a log-in and a query of the real work.
   * Where it fails, the one in use stays, and the new one is tried again later. It counts as use: it is reported.
   * Absent: a new version is taken at once. It has to end by itself, for work that is due for a look waits for it.
   */
  readonly verify?: (value: Value) => Promise<unknown>;
  /** Told what goes wrong where nobody waits, such as a file that cannot be read. Absent: the old value is used in silence. */
  readonly onProblem?: (error: Error) => void;
  /** For tests. @default the system's */
  readonly clock?: ClientClock;
  /** For tests: from 0 to 1. @default Math.random */
  readonly random?: () => number;
}

export interface WorkOptions {
  /**
   * Whether an error of the work says that the credential was refused, such as PostgreSQL's codes 28P01 and 28000. Not a
   * missing right: another version would not help. Absent: no error is.
   */
  readonly isAuthenticationFailure?: (error: unknown) => boolean;
}

export interface Secret<Value> {
  /** As given, or as the source says once it was read. */
  readonly name: string | undefined;
  /** Of the current version, where the source knows it. */
  readonly version: number | undefined;
  /**
   * Does work with the current value. When the work fails by an authentication failure, the source is read once more,
   * and where it has another value, the work is done once more, with that. The work must stand being begun twice.
   *
   * Where the source has the same value, the failure is passed on, and the source is not read for the sake of a failure
   * until a window is over: 1 s, doubled each time up to 30 s, less up to a half by chance. All work that fails
   * meanwhile shares the one read. A file or folder is still looked at, and read when it has changed.
   *
   * @throws what the work throws; {@link SecretError} when there is no value at all, or the secret was closed.
   */
  withSecret<Result>(work: (value: Value) => Result | Promise<Result>, options?: WorkOptions): Promise<Result>;
  /** The value of now. Being read is no use: only {@link withSecret} and `verify` are reported. */
  current(): Promise<Value>;
  /**
   * Calls with each value that becomes the current one, also the first, such as to make a new pool. A file or folder is
   * watched; a function is asked only when somebody works with the secret. What the listener throws goes to `onProblem`.
   * @returns what ends it
   */
  onChange(listener: (value: Value) => unknown): () => void;
  /** Of the versions in use; see {@link adoptionReport}. */
  fingerprintsInUse(): readonly string[];
  /** Ends the watching. Work under way goes on; new work is refused. May be called again. */
  close(): void;
}

/** Nothing is read before it is needed, or a file or folder changes. Nothing of it keeps the process alive. */
export function openSecret<Value>(options: OpenSecretOptions<Value>): Secret<Value> {
  for (const [name, least] of [
    ["maxAge", 0],
    ["readTimeout", 1],
  ] as const) {
    const ms = options[name];
    if (ms !== undefined && !(Number.isFinite(ms) && ms >= least))
      throw new SecretError(`${name} is a number of milliseconds from ${least}, not ${ms}.`);
  }
  return new OpenSecret(options);
}

class OpenSecret<Value> implements Secret<Value> {
  readonly #options: OpenSecretOptions<Value>;
  readonly #keeper: Keeper<Value>;
  readonly #uses = new Uses<Value>();
  readonly #listeners = new Set<(value: Value) => unknown>();
  #endings: (() => void)[] = [];
  #closed = false;

  constructor(options: OpenSecretOptions<Value>) {
    this.#options = options;
    const { source, name, clock = systemClock, random = Math.random } = options;
    const maxAge = options.maxAge ?? source.maxAge;
    this.#keeper = new Keeper({
      source,
      name,
      maxAge,
      readTimeout: options.readTimeout ?? READ_TIMEOUT_MS,
      clock,
      random,
      verify: (held) => this.#verify(held),
      changed: (held) => this.#tell(held.value),
      problem: (error) => this.#complain(error),
    });
    const changed = () => void this.#keeper.touch();
    if (source.watch) this.#endings.push(source.watch(changed));
    // Events get lost; a look does not. One that is asked for at each use is not asked for between uses.
    if (source.look && maxAge > 0) this.#endings.push(clock.every(maxAge, () => void this.#keeper.update()));
  }

  get name(): string | undefined {
    return this.#options.name ?? this.#facts.name;
  }

  get version(): number | undefined {
    return this.#facts.version;
  }

  get #facts(): VersionFacts {
    return this.#keeper.held?.facts ?? {};
  }

  async withSecret<Result>(
    work: (value: Value) => Result | Promise<Result>,
    { isAuthenticationFailure = this.#options.isAuthenticationFailure }: WorkOptions = {},
  ): Promise<Result> {
    const held = await this.#held();
    try {
      return await this.#work(held, work);
    } catch (error) {
      if (this.#closed || !isAuthenticationFailure?.(error)) throw error;
      const other = await this.#keeper.insteadOf(held);
      if (other === undefined) throw error;
      return await this.#work(other, work);
    }
  }

  async current(): Promise<Value> {
    return (await this.#held()).value;
  }

  onChange(listener: (value: Value) => unknown): () => void {
    // An entry of its own, so that one function can listen twice.
    const entry = (value: Value) => listener(value);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  fingerprintsInUse(): readonly string[] {
    const found = this.#uses.list().map(({ facts }) => facts.fingerprint);
    // With one of them unknown, the others alone would be a false report.
    return found.some((one) => one === undefined) ? [] : (found as string[]);
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#endings) end();
    this.#endings = [];
    this.#listeners.clear();
  }

  toString(): string {
    const { name, version } = this;
    return `Secret(${[name, version === undefined ? undefined : `v${version}`].filter(Boolean).join(" ")})`;
  }

  toJSON(): VersionFacts & { readonly source: string } {
    return { ...this.#facts, ...(this.name === undefined ? {} : { name: this.name }), source: this.#source };
  }

  [inspect.custom](): string {
    return `${this.toString()} from ${this.#source}`;
  }

  get #source(): string {
    return this.#options.source.description;
  }

  #held(): Promise<Held<Value>> {
    if (this.#closed) return Promise.reject(new SecretError(`${this.toString()} was closed.`));
    return this.#keeper.current();
  }

  async #work<Result>(held: Held<Value>, work: (value: Value) => Result | Promise<Result>): Promise<Result> {
    this.#uses.begin(held);
    try {
      const result = await work(held.value);
      this.#uses.accepted(held);
      this.#keeper.worked();
      return result;
    } finally {
      this.#uses.end(held);
    }
  }

  async #verify(held: Held<Value>): Promise<void> {
    if (!this.#options.verify) return;
    await this.#options.verify(held.value);
    this.#uses.accepted(held);
  }

  #tell(value: Value): void {
    for (const listener of this.#listeners)
      void Promise.resolve(value)
        .then(listener)
        .catch((error: unknown) =>
          this.#complain(
            error instanceof Error ? error : new SecretError(`A listener failed: ${describeError(error)}.`),
          ),
        );
  }

  #complain(error: Error): void {
    try {
      this.#options.onProblem?.(error);
    } catch {
      // Nobody is left to be told, and a process must not end for it.
    }
  }
}
