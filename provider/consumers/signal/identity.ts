/**
 * Whether a process is the one that a pid file means. Ids are used again: after a crash and a restart of the machine
 * the file may name anybody.
 *
 * On Linux /proc tells when a process started and what it runs. Elsewhere nothing is known.
 */
import { readFile, stat } from "node:fs/promises";
import { errorCode } from "../../net/networkErrors";

/** The machine's start is told in whole seconds, and a pid file may be written before the clock of a machine is set. */
const TOLERANCE_MS = 3000;
/** What Linux tells programs is in hundredths of a second, whatever it counts itself: `getconf CLK_TCK`. */
const TICK_MS = 10;

export interface Identity {
  readonly pid: number;
  /** When it started, in ms since the epoch; with the id it names a process once and for all. */
  readonly startedAt: number;
  /** What the kernel calls it: the first 15 bytes of the program's name, unless it changed that. */
  readonly program: string;
}

/** @returns `undefined` where the process is gone, `"unknown"` where the platform does not tell. */
export async function identify(pid: number): Promise<Identity | "unknown" | undefined> {
  try {
    const [own, machine] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile("/proc/stat", "utf8")]);
    return parseIdentity(pid, own, machine) ?? "unknown";
  } catch (error) {
    if (errorCode(error) === "ESRCH") return undefined;
    if (errorCode(error) !== "ENOENT") return "unknown";
    // Without /proc nothing can be said.
    return (await exists("/proc/stat")) ? undefined : "unknown";
  }
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
export function parseIdentity(pid: number, own: string, machine: string): Identity | undefined {
  // The name is in brackets and may hold brackets and blanks itself.
  const open = own.indexOf("(");
  const close = own.lastIndexOf(")");
  const rest = own.slice(close + 2).split(" ");
  const ticks = Number(rest[19]);
  const bootedAt = Number(/^btime (\d+)$/m.exec(machine)?.[1]);
  if (open < 0 || close < open || !Number.isFinite(ticks) || !Number.isFinite(bootedAt)) return undefined;
  return { pid, startedAt: bootedAt * 1000 + ticks * TICK_MS, program: own.slice(open + 1, close) };
}

/** @returns why the process cannot be the one that was meant; `undefined` where nothing speaks against it. */
export function whyAnother(
  identity: Identity,
  pidFileWrittenAt: number,
  program: string | undefined,
): string | undefined {
  if (identity.startedAt > pidFileWrittenAt + TOLERANCE_MS) {
    return `process ${identity.pid} started after the pid file was written, so its id was used again by another one`;
  }
  const wanted = program === undefined ? undefined : Buffer.from(program).subarray(0, 15).toString();
  if (wanted === undefined || wanted === identity.program) return undefined;
  return `process ${identity.pid} runs ${JSON.stringify(identity.program)}, not ${JSON.stringify(program)}`;
}

export async function writtenAt(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

const exists = async (file: string) => (await writtenAt(file)) !== undefined;
