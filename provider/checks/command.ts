/** Runs a program whose exit code says whether consumers are well. */
import { z } from "zod";
import type { Health, HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import {
  commandEnv,
  commandLine,
  refuseSecretsInTheOpen,
  resolveEnv,
  targetEnv,
  targetInput,
} from "../net/commandOptions";
import { strictOptions } from "../net/options";
import { describeEnd, runCommand } from "../net/runCommand";
import { baselineIsAskedFor, canaryOption, commonCheckOptions, toSchedule } from "./schedule";

export const commandCheckOptions = strictOptions("a command check", {
  type: z.literal("command", { error: 'the type of a command check must be "command"' }),
  ...commonCheckOptions,
  ...canaryOption,
  /** It is run again and again, so it should only look. Exit code 0 means healthy. */
  command: commandLine("command", '["orders-ctl", "healthy"]'),
  /** Further variables. Of its own environment this process only passes on what programs need to run. */
  env: commandEnv.optional(),
}).refine(...baselineIsAskedFor);

export type CommandCheckOptions = z.infer<typeof commandCheckOptions>;

export function createCommandCheck(options: CommandCheckOptions, context: AdapterContext): HealthCheck {
  const { command } = options;
  const schedule = toSchedule(options);
  const name = options.name ?? `command ${command[0] ?? ""}`;
  return {
    name,
    schedule,
    canary: options.canary ?? false,
    isEvidence: false,
    async probe(target, signal): Promise<Health> {
      const { env } = await resolveEnv(options.env, context);
      refuseSecretsInTheOpen(`Check "${name}"`, [...command, ...Object.values(env)], target);
      try {
        const { ended, output } = await runCommand({
          command,
          env: { ...env, ROTATION_CHECK: name, ...targetEnv(target) },
          input: targetInput(target),
          timeoutMs: schedule.timeoutMs,
          signal,
          onlyAsks: true,
        });
        const healthy = ended.how === "exit" && ended.code === 0;
        const end = healthy
          ? `"${command[0]}" ended with exit code 0`
          : describeEnd(command, ended, schedule.timeoutMs);
        // What it wrote is not shown, as of any check: it may be anything, and what is shown is kept in the state.
        const wrote = healthy || output === "" ? "" : `; what it wrote (${countLines(output)}) is not shown`;
        return { healthy, detail: `${end}${wrote}` };
      } catch (error) {
        if (!signal.aborted) throw error;
        return { healthy: false, detail: `"${command[0]}": stopped before it ended` };
      }
    },
    close: () => Promise.resolve(),
  };
}

function countLines(output: string): string {
  const lines = output.trimEnd().split("\n").length;
  return `${lines} line${lines === 1 ? "" : "s"}`;
}
