/** Asks a program of the user's about a key. It is told which one, never the value, and answers with a line of JSON. */
import { type z } from "zod";
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import { commandEnv, commandLine, resolveEnv } from "../commandOptions";
import { duration, durationMs, strictOptions } from "../options";
import { describeEnd, runCommand } from "../runCommand";

const DAY = 86_400_000;

/** @param timeout the default of the time limit. */
export function askOptions(what: string, example: string, timeout: string) {
  return strictOptions(what, {
    /** Program and arguments, run without a shell. */
    command: commandLine(`${what}.command`, example),
    /**
     * Further variables. Of its own environment this process only passes on what programs need to run (`PATH`, `HOME`,
     * locale and the like). A secret is named by its source.
     */
    env: commandEnv.optional(),
    /** The longest that it may run; then it is ended. */
    timeout: duration(`${what}.timeout`, 100, DAY).default(timeout),
  });
}

export type AskOptions = z.output<ReturnType<typeof askOptions>>;

export interface Answer {
  /** What it answered; absent where it failed, or gave no such line. */
  readonly line?: Readonly<Record<string, unknown>>;
  /** How it ended, as a clause; nothing of what it wrote, which may be anything. */
  readonly end: string;
}

/**
 * @param step what it is asked to do, in `ROTATION_STEP` and in the line of JSON on its standard input.
 * @param onlyAsks whether it may be cut off anywhere.
 * @throws the signal's reason when the run is cancelled.
 */
export async function ask(
  options: AskOptions,
  step: string,
  kind: string,
  ref: IssuedRef,
  context: AdapterContext,
  onlyAsks: boolean,
): Promise<Answer> {
  context.signal.throwIfAborted();
  const { env } = await resolveEnv(options.env, context);
  const timeoutMs = durationMs(options.timeout, options.timeout);
  const { ended, output } = await runCommand({
    command: options.command,
    env: {
      ...env,
      ROTATION_STEP: step,
      ROTATION_KEY_ID: ref["keyId"] ?? ref["kid"] ?? "",
      ROTATION_VERSION: ref["version"] ?? "",
    },
    input: `${JSON.stringify({ step, kind, key: ref })}\n`,
    timeoutMs,
    signal: context.signal,
    onlyAsks,
  });
  const end = describeEnd(options.command, ended, timeoutMs);
  if (ended.how !== "exit" || ended.code !== 0) return { end };
  const line = lastObject(output);
  return line ? { line, end } : { end: `"${options.command[0]}" wrote no line of JSON` };
}

/** Programs also write other lines. */
function lastObject(output: string): Record<string, unknown> | undefined {
  for (const line of output.split(/\r?\n/).reverse()) {
    if (!line.startsWith("{")) continue;
    try {
      return JSON.parse(line) as Record<string, unknown>;
    } catch {
      // Not one of ours.
    }
  }
  return undefined;
}
