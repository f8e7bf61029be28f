/** The few questions and orders that `systemctl` is given. https://www.freedesktop.org/software/systemd/man/latest/systemctl.html */
import { runCommand, type CommandResult } from "../../net/runCommand";

const PROPERTIES = ["LoadState", "ActiveState", "SubState", "Result", "InvocationID"] as const;

export type UnitState = Readonly<Record<(typeof PROPERTIES)[number], string>>;

export interface Manager {
  readonly manager?: "system" | "user" | undefined;
  readonly unit: string;
}

/** Never asks for a password: nobody would answer. */
function commandOf(manager: Manager, verb: string, ...options: string[]): string[] {
  const user = manager.manager === "user" ? ["--user"] : [];
  return ["systemctl", ...user, "--no-ask-password", "--no-pager", verb, ...options, "--", manager.unit];
}

/** Waits until systemd has carried it out. */
export async function order(
  manager: Manager,
  action: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CommandResult & { readonly command: readonly string[] }> {
  const command = commandOf(manager, action);
  return { command, ...(await runCommand({ command, env: {}, timeoutMs, signal })) };
}

/** @returns the unit's state, or how the question ended. */
export async function look(
  manager: Manager,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<UnitState | (CommandResult & { readonly command: readonly string[] })> {
  const command = commandOf(manager, "show", `--property=${PROPERTIES.join(",")}`);
  const result = await runCommand({ command, env: { LC_ALL: "C" }, timeoutMs, signal, onlyAsks: true });
  const { ended } = result;
  return ended.how === "exit" && ended.code === 0 ? parseState(result.output) : { command, ...result };
}

/** Lines of `Name=value`, in any order. */
export function parseState(output: string): UnitState {
  const lines = output.split("\n").map((line) => line.split(/=(.*)/, 2));
  return Object.fromEntries(
    PROPERTIES.map((name) => [name, lines.find(([key]) => key === name)?.[1]?.trim() ?? ""]),
  ) as unknown as UnitState;
}
