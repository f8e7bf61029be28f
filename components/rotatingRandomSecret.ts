import type * as pulumi from "@pulumi/pulumi";
import type { KeyCommandArgs } from "./keyOptions";
import { kindOf } from "./kindOf";
import type { RotationArgs } from "./options";
import { RotatingSecret } from "./rotatingSecret";

export type CharacterClass = "lower" | "upper" | "digits" | "symbols";

export interface RotatingRandomSecretArgs extends RotationArgs {
  /** Random bytes, encoded, instead of characters; without the options below but `usage`. @default characters */
  readonly bytes?: pulumi.Input<{
    /** From 8 to 1024. @default 32 */
    readonly count?: number;
    /** @default "base64url" */
    readonly encoding?: "base64" | "base64url" | "hex";
  }>;
  /** How many characters, at most 256. @default 32 */
  readonly length?: pulumi.Input<number>;
  /** @default lower, upper, digits */
  readonly characters?: pulumi.Input<CharacterClass[]>;
  /** The characters of the class "symbols". @default printable ASCII without quotes, backtick and backslash */
  readonly symbols?: pulumi.Input<string>;
  /** How many characters of a class there have to be. @default none */
  readonly atLeast?: pulumi.Input<{ readonly [name in CharacterClass]?: number }>;
  /** Characters that are never drawn. @default none */
  readonly exclude?: pulumi.Input<string>;
  /** Leaves out what people take for each other, such as 0 and O. @default false */
  readonly unambiguous?: pulumi.Input<boolean>;
  /** Asks whether a version is still used; without it, `retirement.requireUnused` has to be false. @default nobody */
  readonly usage?: pulumi.Input<KeyCommandArgs>;
}

/** A random text that nobody but its readers knows: the field `secret`. */
export class RotatingRandomSecret extends RotatingSecret {
  constructor(name: string, args: RotatingRandomSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    const { bytes, length, characters, symbols, atLeast, exclude, unambiguous, usage, ...rotation } = args;
    const options = { bytes, length, characters, symbols, atLeast, exclude, unambiguous, usage };
    super(name, { kind: kindOf("randomSecret", options), ...rotation }, opts, "RotatingRandomSecret");
  }
}
