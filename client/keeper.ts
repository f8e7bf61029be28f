/** Keeps the current version of a secret: reads it, looks for another one, and asks the source no more than is allowed. */
import { isDeepStrictEqual } from "node:util";
import { Backoff } from "./backoff";
import type { ClientClock } from "./clock";
import { describeError, IncompleteError, SecretError } from "./errors";
import type { Reading, SecretSource } from "./source";
import type { Held } from "./uses";

/** How often a first read is tried again at once when it met the middle of a change, and after how many milliseconds. */
const FIRST_TRIES = 5;
const FIRST_PAUSE_MS = 20;

export interface KeeperOptions<Value> {
  readonly source: SecretSource<Value>;
  readonly name: string | undefined;
  readonly maxAge: number;
  readonly readTimeout: number;
  readonly clock: ClientClock;
  readonly random: () => number;
  /** A new version is taken only when this does not fail. */
  readonly verify: (held: Held<Value>) => Promise<void>;
  readonly changed: (held: Held<Value>) => void;
  readonly problem: (error: Error) => void;
}

export class Keeper<Value> {
  #current: Held<Value> | undefined;
  /** The look that came before the last read. */
  #mark: string | undefined;
  #readAt = 0;
  #lookedAt = 0;
  #dirty = true;
  /** Why the last read brought nothing. */
  #problem: Error | undefined;
  #serial = 0;
  readonly #backoff: Backoff;
  #updating: Promise<void> | undefined;
  #rereading: Promise<void> | undefined;

  constructor(private readonly options: KeeperOptions<Value>) {
    this.#backoff = new Backoff(options.random);
  }

  get held(): Held<Value> | undefined {
    return this.#current;
  }

  /** The current version; looks first when that is due. @throws when there is none to be had */
  async current(): Promise<Held<Value>> {
    if (this.#current === undefined || this.#isDue()) await this.update();
    if (this.#current !== undefined) return this.#current;
    throw this.#problem ?? new SecretError(`Nothing could be read from ${this.options.source.description}.`);
  }

  /** Something may have changed. A look that is under way may have been too early for it. */
  async touch(): Promise<void> {
    this.#dirty = true;
    await this.#updating;
    if (this.#isDirty()) await this.update();
  }

  /** Looks, and reads where that shows a change or nothing could be read before. All who ask meanwhile share it. */
  update(): Promise<void> {
    return (this.#updating ??= this.#update().finally(() => {
      this.#updating = undefined;
    }));
  }

  /**
   * A version was refused. Reads once for all who say so at the same time, and not again before the window is over.
   * @returns another version, if there is one.
   */
  async insteadOf(refused: Held<Value>): Promise<Held<Value> | undefined> {
    if (this.#current !== refused) return this.#current;
    // A look is free; and what others are reading may be the answer.
    if (this.options.source.look ?? this.#updating) await this.update();
    // It may be another one now, which TypeScript cannot know.
    if (this.held !== refused) return this.held;
    const now = this.options.clock.now();
    if (this.#rereading === undefined && this.#backoff.permits(now)) {
      this.#backoff.attempt(now);
      this.#rereading = this.#reread().finally(() => {
        this.#rereading = undefined;
      });
    }
    await this.#rereading;
    return this.held === refused ? undefined : this.held;
  }

  /** Work with the current version went well. */
  worked(): void {
    this.#backoff.worked();
  }

  #isDirty(): boolean {
    return this.#dirty;
  }

  #isDue(): boolean {
    const { clock, maxAge, source } = this.options;
    const now = clock.now();
    const age = now - (source.look ? this.#lookedAt : this.#readAt);
    return this.#dirty || age >= maxAge || age < 0 || (this.#problem !== undefined && this.#backoff.permits(now));
  }

  async #update(): Promise<void> {
    await this.#rereading;
    if (this.#current !== undefined && !this.#isDue() && !this.options.source.look) return;
    this.#dirty = false;
    const mark = await this.#look();
    const changed = mark !== undefined && mark !== this.#mark;
    const lacking = this.#current === undefined || this.#problem !== undefined || !this.options.source.look;
    if (changed || (lacking && this.#mayTry())) await this.#read(mark);
  }

  async #reread(): Promise<void> {
    await this.#updating;
    await this.#read(await this.#look());
  }

  /** After a read that brought nothing, only once the window is over. */
  #mayTry(): boolean {
    return this.#problem === undefined || this.#backoff.permits(this.options.clock.now());
  }

  async #look(): Promise<string | undefined> {
    this.#lookedAt = this.options.clock.now();
    try {
      return await this.options.source.look?.();
    } catch {
      // Absent. Reading says why, where there is nothing else.
      return undefined;
    }
  }

  /** Never fails: what went wrong is kept, and what was current stays so. */
  async #read(mark: string | undefined): Promise<void> {
    const { clock, changed, verify, problem } = this.options;
    try {
      const reading = await this.#readWhole();
      const held = this.#hold(reading);
      if (held !== this.#current) {
        await verify(held);
        this.#current = held;
        changed(held);
      }
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error instanceof Error ? error : new SecretError("A new version was turned down.");
      this.#backoff.attempt(clock.now());
      problem(this.#problem);
    }
    this.#mark = mark;
    this.#readAt = clock.now();
  }

  #hold({ value, ...facts }: Reading<Value>): Held<Value> {
    const current = this.#current;
    if (current && isDeepStrictEqual([current.value, current.facts], [value, facts])) return current;
    return Object.freeze({ serial: ++this.#serial, facts, value });
  }

  /** A process that has nothing yet waits a little for the end of a change. */
  async #readWhole(): Promise<Reading<Value>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#readInTime();
      } catch (error) {
        const { description } = this.options.source;
        if (!(error instanceof SecretError))
          throw new SecretError(`The secret cannot be read from ${description}: ${describeError(error)}.`);
        if (this.#current !== undefined || !(error instanceof IncompleteError) || tries >= FIRST_TRIES) throw error;
        await this.options.clock.sleep(FIRST_PAUSE_MS);
      }
    }
  }

  async #readInTime(): Promise<Reading<Value>> {
    const { clock, name, readTimeout, source } = this.options;
    const [late, done] = [new AbortController(), new AbortController()];
    const timeUp = clock.sleep(readTimeout, done.signal).then(() => {
      if (!done.signal.aborted) late.abort();
      throw new SecretError(`Nothing was read from ${source.description} within ${readTimeout} ms.`);
    });
    try {
      return await Promise.race([source.read({ name, signal: late.signal }), timeUp]);
    } finally {
      timeUp.catch(() => undefined);
      done.abort();
    }
  }
}
