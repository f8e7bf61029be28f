/** A policy for characters, and how many texts it leaves: drawing each of them is equally likely. */
import { randomInt } from "node:crypto";

export const CLASSES = ["lower", "upper", "digits", "symbols"] as const;
export type CharacterClass = (typeof CLASSES)[number];

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
/** Printable ASCII without quotes, backtick and backslash, which shells and configuration files take for their own. */
export const DEFAULT_SYMBOLS = "!#$%&()*+,-./:;<=>?@[]^_{|}~";
/** Taken for each other by people who read or dictate them. */
export const AMBIGUOUS = "0Oo1Il|5S2Z8B";

export interface CharacterPolicy {
  readonly length: number;
  readonly classes: readonly CharacterClass[];
  readonly symbols: string;
  readonly exclude: string;
  readonly unambiguous: boolean;
  readonly atLeast: Partial<Readonly<Record<CharacterClass, number | undefined>>>;
}

/** The characters of one class, and how many of a text have to be of it. */
export interface Alphabet {
  readonly name: CharacterClass;
  readonly characters: string;
  readonly atLeast: number;
}

export function alphabetsOf(policy: CharacterPolicy): Alphabet[] {
  const all = { lower: LETTERS, upper: LETTERS.toUpperCase(), digits: "0123456789", symbols: policy.symbols };
  const without = policy.exclude + (policy.unambiguous ? AMBIGUOUS : "");
  return CLASSES.filter((name) => policy.classes.includes(name)).map((name) => ({
    name,
    characters: Array.from(all[name])
      .filter((character) => !without.includes(character))
      .join(""),
    atLeast: policy.atLeast[name] ?? 0,
  }));
}

/**
 * How many texts of the length fit: class by class, the places that it takes, and what stands there.
 * Exact, so that the minimum of entropy is one.
 */
export function countTexts(length: number, alphabets: readonly Alphabet[]): bigint {
  const choose = binomials(length);
  /** For each number of places that are left: in how many ways the classes so far fill the others. */
  let ways: bigint[] = Array.from({ length: length + 1 }, (_, left) => (left === length ? 1n : 0n));
  for (const { characters, atLeast } of alphabets) {
    const powers = powersOf(BigInt(characters.length), length);
    const next = new Array<bigint>(length + 1).fill(0n);
    for (let left = 0; left <= length; left++) {
      const before = ways[left] ?? 0n;
      if (before === 0n) continue;
      for (let taken = atLeast; taken <= left; taken++)
        next[left - taken] =
          (next[left - taken] ?? 0n) + before * (choose[left]?.[taken] ?? 0n) * (powers[taken] ?? 0n);
    }
    ways = next;
  }
  return ways[0] ?? 0n;
}

/** Pascal's triangle. */
function binomials(size: number): bigint[][] {
  const rows: bigint[][] = [[1n]];
  for (let row = 1; row <= size; row++) {
    const above = rows[row - 1] ?? [];
    rows.push(Array.from({ length: row + 1 }, (_, place) => (above[place - 1] ?? 0n) + (above[place] ?? 0n)));
  }
  return rows;
}

function powersOf(base: bigint, most: number): bigint[] {
  const powers = [1n];
  for (let exponent = 1; exponent <= most; exponent++) powers.push((powers[exponent - 1] ?? 1n) * base);
  return powers;
}

/** The logarithm to base 2, also of what no number holds; -Infinity for 0. */
export function log2(count: bigint): number {
  if (count <= 0n) return -Infinity;
  const bits = count.toString(2);
  return bits.length - 53 <= 0
    ? Math.log2(Number(count))
    : bits.length - 53 + Math.log2(Number.parseInt(bits.slice(0, 53), 2));
}

/**
 * Each text that fits is equally likely: texts of all characters are drawn until one fits. Putting the required
 * characters in first would make some texts likelier than others.
 */
export function drawText(
  length: number,
  alphabets: readonly Alphabet[],
  below: (limit: number) => number = randomInt,
): string {
  const characters = alphabets.map((alphabet) => alphabet.characters).join("");
  for (;;) {
    let text = "";
    while (text.length < length) text += characters[below(characters.length)] ?? "";
    if (fits(text, alphabets)) return text;
  }
}

export function fits(text: string, alphabets: readonly Alphabet[]): boolean {
  const drawn = Array.from(text);
  return (
    drawn.every((character) => alphabets.some(({ characters }) => characters.includes(character))) &&
    alphabets.every(
      ({ characters, atLeast }) => drawn.filter((character) => characters.includes(character)).length >= atLeast,
    )
  );
}
