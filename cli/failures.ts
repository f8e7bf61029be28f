/** What ends a command early, and the exit code that it gets. */
import { RotationError } from "../provider/lifecycle/errors";

/** As the help says. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

export const EXIT_CODES_HELP = `
Exit codes: 0 done, 1 findings, or refused with nothing changed, 2 wrong usage.`;

/** The command line itself is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The `pulumi` command could not be run, or failed. */
export class PulumiError extends RotationError {
  override readonly name = "PulumiError";
}
