/** The options of whatever runs a program, and what becomes of them at the moment of running it. */
import { z } from "zod";
import type { AdapterContext } from "../contracts/context";
import type { RollTarget } from "../contracts/consumer";
import { secretSourceSchema, type SecretSource } from "../contracts/secretSource";
import { ConfigurationError } from "../lifecycle/errors";
import { describeValue } from "./options";
import { containsSecret } from "./redact";
import { describeTarget, publicTarget } from "./target";

/** Program and arguments, run without a shell. Never a secret: command lines are visible to every user of the machine. */
export function commandLine(what: string, example: string) {
  return z
    .array(
      z.string({ error: (issue) => `each part of ${what} must be a text; one is ${describeValue(issue.input)}` }),
      { error: `${what} must be a list of program and arguments, such as ${example}` },
    )
    .min(1, { error: `${what} must name a program; it is empty` })
    .refine((parts) => parts[0] !== "" && parts.every((part) => !part.includes("\0")), {
      error: `${what} must start with the name of a program and contain no null character`,
    });
}

/** What the program is told by ourselves begins so. */
const OURS = "ROTATION_";

const badName =
  `the name of a variable must be a text of 1 to 200 characters without "=" and a null character, and not begin with ` +
  `${OURS}, which tells the program its target`;

const badContent = {
  error:
    'a variable must be a text without a null character or a source of a secret, such as { "from": "env", "name": "TOKEN" }',
};

const isName = (name: string) =>
  name.length >= 1 && name.length <= 200 && !/[=\0]/.test(name) && !name.startsWith(OURS);

/** Variable to value. A value that is secret is named by its source, so that it is in no state. */
export const commandEnv = z.record(
  z.string().refine(isName),
  z.union(
    [z.string().refine((value) => !value.includes("\0"), badContent), secretSourceSchema("a variable's value")],
    badContent,
  ),
  {
    // What is wrong with a name is only within the issue of the record.
    error: (issue) =>
      issue.code === "invalid_key"
        ? `${badName}; one is ${describeValue(issue.path?.at(-1))}`
        : 'env must be an object of variables, such as { "REGION": "eu" }',
  },
);

export type CommandEnv = Readonly<Record<string, string | SecretSource>>;

export interface ResolvedEnv {
  readonly env: Readonly<Record<string, string>>;
  /** What must not be shown of the program's output. */
  readonly secrets: readonly string[];
}

/** @throws ConfigurationError when a secret is not found. */
export async function resolveEnv(env: CommandEnv | undefined, context: AdapterContext): Promise<ResolvedEnv> {
  const resolved: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [name, value] of Object.entries(env ?? {})) {
    const content = typeof value === "string" ? value : await context.resolveSecret(value);
    if (content.includes("\0"))
      throw new ConfigurationError(
        `The variable ${describeValue(name)} cannot be passed on: its value contains a null character. Nothing was run. ` +
          `Correct it and run again.`,
      );
    if (typeof value !== "string") secrets.push(content);
    resolved[name] = content;
  }
  return { env: resolved, secrets };
}

/**
 * How a program learns its target: all of it as JSON in `ROTATION_TARGET`, and, where there is one secret only, each
 * part in a variable of its own. Never a value.
 */
export function targetEnv(target: RollTarget): Record<string, string> {
  const shown = publicTarget(target);
  const [only] = shown.secrets;
  return {
    ROTATION_TARGET: JSON.stringify(shown),
    ...(shown.secrets.length === 1 && only
      ? { ROTATION_SECRET: only.name, ROTATION_VERSION: String(only.version), ROTATION_FINGERPRINT: only.fingerprint }
      : {}),
  };
}

/** What the program reads from its standard input: one line of JSON. */
export const targetInput = (target: RollTarget): string => `${JSON.stringify(publicTarget(target))}\n`;

/**
 * @param who begins the message: `Consumer "orders"`.
 * @throws ConfigurationError when a value of the target is in one of the texts.
 */
export function refuseSecretsInTheOpen(who: string, texts: readonly string[], target: RollTarget): void {
  if (!texts.some((one) => containsSecret(target, one))) return;
  throw new ConfigurationError(
    `${who}: its command or environment contains a value of ${describeTarget(target)}, where other users of the ` +
      `machine can see it. Nothing was changed. Let the program read the value from its store instead.`,
  );
}
