import assert from "node:assert/strict";
import { randomSecretOptions } from "../../provider/kinds/randomSecret";
import {
  alphabetsOf,
  AMBIGUOUS,
  countTexts,
  drawText,
  fits,
  log2,
  type Alphabet,
} from "../../provider/kinds/randomSecret/policy";

const problems = (options: object): string =>
  randomSecretOptions
    .safeParse({ type: "randomSecret", ...options })
    .error?.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`)
    .join("\n") ?? "";

const policy = (more: object = {}) => ({
  ...{ length: 32, classes: ["lower", "upper", "digits", "symbols"] as const, symbols: "!-_", exclude: "" },
  ...{ unambiguous: false, atLeast: {}, ...more },
});

/** Small enough to write every text down. */
const SMALL: Alphabet[] = [
  { name: "lower", characters: "ab", atLeast: 1 },
  { name: "digits", characters: "123", atLeast: 2 },
];

function everyText(length: number, characters: string): string[] {
  if (length === 0) return [""];
  return everyText(length - 1, characters).flatMap((text) => characters.split("").map((character) => text + character));
}

describe("a random secret", () => {
  it("is of the characters that are allowed, with as many of each class as are asked for", () => {
    const alphabets = alphabetsOf(policy({ exclude: "aZ-", unambiguous: true, atLeast: { digits: 4, symbols: 3 } }));
    for (let time = 0; time < 300; time++) {
      const text = drawText(32, alphabets);
      assert.equal(text.length, 32);
      assert.ok(fits(text, alphabets));
      assert.ok(!text.split("").some((character) => `aZ-${AMBIGUOUS}`.includes(character)), text);
      assert.ok((text.match(/\d/g) ?? []).length >= 4 && (text.match(/[!_]/g) ?? []).length >= 3, text);
    }
  });

  it("has as many bits of entropy as are counted: every text that fits is counted once", () => {
    for (const length of [3, 4, 5]) {
      const fitting = everyText(length, "ab123").filter((text) => fits(text, SMALL));
      assert.equal(countTexts(length, SMALL), BigInt(fitting.length));
    }
    assert.equal(countTexts(2, SMALL), 0n);
    const all = [{ name: "lower" as const, characters: "abcdefgh", atLeast: 0 }];
    assert.equal(log2(countTexts(256, all)), 768);
  });

  it("is drawn so that every text that fits is equally likely", () => {
    const fitting = everyText(4, "ab123").filter((text) => fits(text, SMALL));
    const drawn = new Map(fitting.map((text) => [text, 0]));
    const times = 200 * fitting.length;
    for (let time = 0; time < times; time++) {
      const text = drawText(4, SMALL);
      drawn.set(text, (drawn.get(text) ?? 0) + 1);
    }
    assert.equal(drawn.size, fitting.length);
    const chiSquare = [...drawn.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    // Its mean is the degrees of freedom, its deviation the root of twice as many: six of them come once in a billion.
    const freedom = fitting.length - 1;
    assert.ok(chiSquare < freedom + 6 * Math.sqrt(2 * freedom), `chi square ${chiSquare} of ${freedom}`);
  });

  it("is refused below 64 bits of entropy, with how many there are", () => {
    assert.equal(problems({ length: 11, characters: ["lower", "upper", "digits"] }), "");
    assert.match(
      problems({ length: 10, characters: ["lower", "upper", "digits"] }),
      /length of 10 leaves 59.5 bits of entropy with these characters; at least 64 are needed/,
    );
    assert.match(problems({ length: 19, characters: ["digits"] }), /leaves 63.1 bits/);
    assert.equal(problems({ length: 20, characters: ["digits"] }), "");
    assert.match(problems({ bytes: { count: 7 } }), /bytes.count must be a whole number from 8 to 1024; it is 7/);
  });

  it("is refused where the policy contradicts itself, with what is wrong", () => {
    for (const [options, message] of [
      [{ atLeast: { digits: 20, upper: 13 } }, /atLeast asks for 33 characters, but length is 32/],
      [{ atLeast: { symbols: 1 } }, /atLeast asks for "symbols", which characters does not name/],
      [
        { characters: ["digits"], length: 30, exclude: "0123456789" },
        /exclude leaves no character of the class "digits"/,
      ],
      [{ symbols: "!!", characters: ["symbols"] }, /different printable ASCII characters/],
      [{ symbols: "!a", characters: ["lower", "symbols"] }, /symbols must hold no letters and digits/],
      [{ symbols: "!" }, /symbols has no effect: name "symbols" in characters too/],
      [{ atLeast: { digits: 30 } }, /atLeast fits fewer than one in 10000 texts/],
      [{ bytes: {}, length: 40 }, /length is for characters; leave it out, or leave bytes out/],
      [{ characters: ["lower", "lower"] }, /each at most once/],
      [{ length: 257 }, /from 1 to 256; it is 257/],
      [{ lenght: 40 }, /has no option "lenght"; allowed are/],
    ] as const)
      assert.match(problems(options), message);
  });
});
