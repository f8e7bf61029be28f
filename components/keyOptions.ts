/** What the kinds of keys share. */
import type { SecretSource } from "../provider/contracts/secretSource";
import type { DurationText } from "./options";

/** A program that is asked about a version: it is told which one, never the value, and answers with a line of JSON. */
export interface KeyCommandArgs {
  /** Program and arguments, run without a shell. Never a secret. */
  readonly command: readonly string[];
  /** Further variables. Of its own environment it only gets what programs need to run. @default none */
  readonly env?: Readonly<Record<string, string | SecretSource>>;
  /** The longest that it may run. @default "30s"; for `rewrap` "15m" */
  readonly timeout?: DurationText;
}
