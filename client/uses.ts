/** Which versions are in use, as far as the work with them shows. */
import type { VersionFacts } from "./source";

/** What was read at some time. The same version read again, after another one, is a new one. */
export interface Held<Value> {
  /** Rises with each. */
  readonly serial: number;
  readonly facts: VersionFacts;
  readonly value: Value;
}

export class Uses<Value> {
  #last: Held<Value> | undefined;
  readonly #working = new Map<Held<Value>, number>();

  begin(held: Held<Value>): void {
    this.#working.set(held, (this.#working.get(held) ?? 0) + 1);
  }

  end(held: Held<Value>): void {
    const left = (this.#working.get(held) ?? 0) - 1;
    if (left > 0) this.#working.set(held, left);
    else this.#working.delete(held);
  }

  /** The version was accepted. Work that began earlier may end later: it does not take us back. */
  accepted(held: Held<Value>): void {
    if (this.#last === undefined || held.serial >= this.#last.serial) this.#last = held;
  }

  /** The one that was accepted last, and older ones that work goes on with. One that was only read is not in use. */
  list(): Held<Value>[] {
    const last = this.#last;
    if (last === undefined) return [];
    return [last, ...[...this.#working.keys()].filter((held) => held.serial < last.serial)];
  }
}
