/** Finds the process that a pid file names, and signals it. */
import { readFile } from "node:fs/promises";
import { describeValue } from "./options";
import { errorCode } from "./networkErrors";

export type FoundProcess =
  | { readonly state: "running"; readonly pid: number }
  /** There is no such process: the file is missing, or it names one that has ended. */
  | { readonly state: "absent"; readonly why: string }
  /** Whether there is one cannot be told. */
  | { readonly state: "unknown"; readonly why: string };

export async function findProcess(pidFile: string): Promise<FoundProcess> {
  let content: string;
  try {
    content = await readFile(pidFile, "utf8");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return { state: "absent", why: `the pid file ${describeValue(pidFile)} does not exist` };
    return { state: "unknown", why: `the pid file ${describeValue(pidFile)} cannot be read (${code})` };
  }
  const line = content.split("\n", 1)[0]?.trim() ?? "";
  const pid = /^\d{1,10}$/.test(line) ? Number(line) : 0;
  // 0 and 1 would signal our own group or the whole system.
  if (pid <= 1) {
    const why = `the pid file ${describeValue(pidFile)} holds no process id greater than 1 in its first line`;
    return { state: "unknown", why };
  }
  if (isRunning(pid)) return { state: "running", pid };
  return { state: "absent", why: `process ${pid}, which the pid file ${describeValue(pidFile)} names, is not running` };
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It exists, but belongs to somebody else.
    return errorCode(error) === "EPERM";
  }
}

export const SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGTERM", "SIGQUIT", "SIGWINCH"] as const;

export type SignalResult = "sent" | "absent" | "not-permitted";

export function sendSignal(pid: number, name: NodeJS.Signals): SignalResult {
  try {
    process.kill(pid, name);
    return "sent";
  } catch (error) {
    if (errorCode(error) === "ESRCH") return "absent";
    if (errorCode(error) === "EPERM") return "not-permitted";
    throw error;
  }
}
