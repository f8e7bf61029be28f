/** What the user configures for a random secret, and what a change of it means. */
import { z } from "zod";
import type { InputPolicy } from "../../contracts/kind";
import { describeValue, flag, strictOptions, wholeNumber } from "../../net/options";
import { usageOption } from "../../net/storedKind";
import { alphabetsOf, CLASSES, countTexts, DEFAULT_SYMBOLS, log2, type CharacterPolicy } from "./policy";

/** Below that, a value whose hash somebody has can be found by trying. */
export const LEAST_BITS = 64;
/** How many texts are drawn for one that fits, at most on average. */
const MOST_DRAWN = 10_000;
const MAX_LENGTH = 256;

const CLASS_LIST = `characters must be a list of ${CLASSES.map((name) => `"${name}"`).join(", ")}, each at most once`;
const PRINTABLE = /^[\x21-\x7e]*$/;
const DEFAULT_CLASSES = ["lower", "upper", "digits"] as const;

const printable = (what: string, min: number) => {
  const error = (issue: { input?: unknown }) =>
    `${what} must be a text of ${min} to 94 different printable ASCII characters without a space; it is ${describeValue(issue.input)}`;
  return z
    .string({ error })
    .min(min, { error })
    .refine((text) => PRINTABLE.test(text) && new Set(text).size === text.length, { error });
};

const atLeast = strictOptions(
  "atLeast",
  Object.fromEntries(
    CLASSES.map((name) => [name, wholeNumber(`atLeast.${name}`, 0, MAX_LENGTH).optional()] as const),
  ) as Record<(typeof CLASSES)[number], z.ZodOptional<z.ZodInt>>,
);

const bytes = strictOptions("bytes", {
  /** How many random bytes, each of 8 bits of entropy. Default 32. */
  count: wholeNumber("bytes.count", LEAST_BITS / 8, 1024).default(32),
  /** How they are written. Default "base64url". */
  encoding: z
    .enum(["base64", "base64url", "hex"], { error: 'bytes.encoding must be "base64", "base64url" or "hex"' })
    .default("base64url"),
});

const shape = strictOptions("a random secret", {
  type: z.literal("randomSecret", { error: 'the type of a random secret must be "randomSecret"' }),
  /** Random bytes, encoded, instead of characters. Excludes the options for characters. Default: characters. */
  bytes: bytes.optional(),
  /** How many characters. Default 32; with letters and digits that is 190 bits of entropy. */
  length: wholeNumber("length", 1, MAX_LENGTH).optional(),
  /** Which classes of characters. Default: lower, upper, digits. */
  characters: z
    .array(z.enum(CLASSES, { error: CLASS_LIST }), { error: CLASS_LIST })
    .min(1, { error: CLASS_LIST })
    .refine((names) => new Set(names).size === names.length, { error: CLASS_LIST })
    .optional(),
  /** The characters of the class "symbols". Default: printable ASCII without quotes, backtick and backslash. */
  symbols: printable("symbols", 1)
    .refine((text) => !/[A-Za-z0-9]/.test(text), {
      error: "symbols must hold no letters and digits, which are other classes",
    })
    .optional(),
  /** How many characters of a class there have to be. Default: none. */
  atLeast: atLeast.optional(),
  /** Characters that are never drawn, of whatever class. Default: none. */
  exclude: printable("exclude", 0).optional(),
  /** Leaves out what people take for each other: `0Oo1Il|5S2Z8B`. Default false. */
  unambiguous: flag("unambiguous").optional(),
  /** Asks a program whether a version is still used. Default: nobody is asked, and it cannot be told. */
  usage: usageOption.optional(),
});

type Shape = z.output<typeof shape>;

const FOR_CHARACTERS = ["length", "characters", "symbols", "atLeast", "exclude", "unambiguous"] as const;

/** Options of the kind, strict: an unknown key is an error. */
export const randomSecretOptions = shape.superRefine((options, context) => {
  const complain = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  if (options.bytes) {
    for (const name of FOR_CHARACTERS)
      if (options[name] !== undefined) complain(name, "is for characters; leave it out, or leave bytes out");
    return;
  }
  const problem = problemOf(policyOf(options));
  if (problem) complain(problem.path, problem.message);
  else if (options.symbols !== undefined && !policyOf(options).classes.includes("symbols"))
    complain("symbols", `has no effect: name "symbols" in characters too`);
});

export type RandomSecretOptions = z.output<typeof randomSecretOptions>;

export function policyOf(options: Shape): CharacterPolicy {
  return {
    length: options.length ?? 32,
    classes: options.characters ?? DEFAULT_CLASSES,
    symbols: options.symbols ?? DEFAULT_SYMBOLS,
    exclude: options.exclude ?? "",
    unambiguous: options.unambiguous ?? false,
    atLeast: options.atLeast ?? {},
  };
}

function problemOf(policy: CharacterPolicy): { path: string; message: string } | undefined {
  const alphabets = alphabetsOf(policy);
  const empty = alphabets.find(({ characters }) => characters === "");
  if (empty) return { path: "exclude", message: `leaves no character of the class "${empty.name}"; exclude fewer` };
  const asked = CLASSES.filter((name) => (policy.atLeast[name] ?? 0) > 0);
  const absent = asked.find((name) => !policy.classes.includes(name));
  if (absent) return { path: "atLeast", message: `asks for "${absent}", which characters does not name; add it there` };
  const required = alphabets.reduce((sum, alphabet) => sum + alphabet.atLeast, 0);
  if (required > policy.length)
    return { path: "atLeast", message: `asks for ${required} characters, but length is ${policy.length}` };
  const bits = log2(countTexts(policy.length, alphabets));
  if (bits < LEAST_BITS)
    return {
      path: "length",
      message:
        `of ${policy.length} leaves ${Math.floor(bits * 10) / 10} bits of entropy with these characters; at least ` +
        `${LEAST_BITS} are needed. Make it longer, or allow more characters`,
    };
  const all = log2(
    countTexts(
      policy.length,
      alphabets.map((alphabet) => ({ ...alphabet, atLeast: 0 })),
    ),
  );
  if (all - bits > Math.log2(MOST_DRAWN))
    return {
      path: "atLeast",
      message: `fits fewer than one in ${MOST_DRAWN} texts of these characters, so drawing one would take too long; ask for less, or make it longer`,
    };
  return undefined;
}

/** What a change of each option means. */
export const inputPolicy: Record<string, InputPolicy> = {
  type: "refuse",
  bytes: "rotate",
  length: "rotate",
  characters: "rotate",
  symbols: "rotate",
  atLeast: "rotate",
  exclude: "rotate",
  unambiguous: "rotate",
  usage: "in-place",
};
