/** Runs a command that a consumer or a check needs, and says how it ended. Its output may contain secrets. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describeDuration } from "../lifecycle/duration";
import { withDeadline } from "./deadline";
import { errorCode } from "./networkErrors";

/** How long a command that is out of time, and all it started, is given to end by itself, in milliseconds. */
const KILL_AFTER_MS = 2000;
const LOOK_EVERY_MS = 20;
/**
 * How long a command may go on after the run was cancelled, in milliseconds: one that is cut off in the middle may have
 * stopped the process and not started it again.
 */
const FINISH_WITHIN_MS = 5000;
const LAST_BYTES = 65_536;
const LAST_LINES = 10;
const MAX_LINE = 300;

/**
 * What a program needs to run. Everything else stays here: the environment of a provider holds the admin credentials,
 * and a restarted process would inherit them.
 */
const PASSED_ON = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS)$/;
const PASSED_ON_WINDOWS = /^(PATHEXT|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|TEMP|TMP|USERPROFILE|APPDATA)$/i;

export interface CommandRequest {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Then it gets SIGTERM and, 2 seconds later, SIGKILL, with whatever it started. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What it reads from its standard input. Absent: nothing. */
  readonly input?: string | undefined;
  /** It only asks, so it may be cut off anywhere: it is ended at once on cancellation. */
  readonly onlyAsks?: boolean;
}

export interface CommandResult {
  readonly ended:
    | { readonly how: "exit"; readonly code: number }
    | { readonly how: "signal"; readonly signal: string }
    | { readonly how: "timeout" }
    | { readonly how: "not-started"; readonly code: string };
  /** The end of what it wrote to both outputs, raw: it may contain secrets. */
  readonly output: string;
}

/** @throws the signal's reason when the run is cancelled; the command has ended by then, or has been ended. */
export async function runCommand(request: CommandRequest): Promise<CommandResult> {
  const output = await openOutput();
  try {
    const ended = await runInto(output, request);
    request.signal.throwIfAborted();
    return { ended, output: await readEnd(output) };
  } finally {
    await output.close();
  }
}

/**
 * A file without a name, and not a pipe: a process that the command leaves running would keep a pipe open, so that we
 * waited for it for ever, and would be killed by its next line of output once we have gone.
 */
async function openOutput(): Promise<FileHandle> {
  const file = path.join(tmpdir(), `rotation-output-${randomBytes(12).toString("hex")}`);
  const { O_RDWR, O_CREAT, O_EXCL, O_APPEND } = constants;
  const handle = await open(file, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0o600);
  await rm(file, { force: true });
  return handle;
}

async function runInto(output: FileHandle, request: CommandRequest): Promise<CommandResult["ended"]> {
  const [program = "", ...args] = request.command;
  const child = spawn(program, args, {
    shell: false,
    env: { ...inheritedEnvironment(), ...request.env },
    stdio: [request.input === undefined ? "ignore" : "pipe", output.fd, output.fd],
    // A process group of its own: it can be ended as a whole, and Ctrl-C reaches it only through us.
    detached: true,
  });
  const exit = new Promise<CommandResult["ended"]>((resolve) => {
    child.once("error", (error) => resolve({ how: "not-started", code: errorCode(error) }));
    child.once("exit", (code, signal) =>
      resolve(code === null ? { how: "signal", signal: signal ?? "unknown" } : { how: "exit", code }),
    );
  });
  // It may end, or close its input, without having read it.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(request.input);
  const bounded = await withDeadline(request.timeoutMs, request.signal, () => exit);
  if (bounded.ended === "done") return bounded.value;
  if (bounded.ended === "cancelled" && !request.onlyAsks) {
    const finished = await withDeadline(FINISH_WITHIN_MS, new AbortController().signal, () => exit);
    if (finished.ended === "done") return finished.value;
  }
  await endGroup(child, exit);
  return { how: "timeout" };
}

function inheritedEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => PASSED_ON.test(name) || (process.platform === "win32" && PASSED_ON_WINDOWS.test(name)),
  );
  return Object.fromEntries(kept);
}

/** The group, not just the command: what it started would go on, and change things when nobody expects it any more. */
async function endGroup(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  signalGroup(pid, "SIGTERM");
  for (let waited = 0; waited < KILL_AFTER_MS && signalGroup(pid, 0); waited += LOOK_EVERY_MS)
    await delay(LOOK_EVERY_MS);
  signalGroup(pid, "SIGKILL");
  child.kill("SIGKILL");
  await exit;
}

/** @returns whether there is somebody in the group of the process. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

async function readEnd(output: FileHandle): Promise<string> {
  const { size } = await output.stat();
  const length = Math.min(size, LAST_BYTES);
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await output.read(buffer, 0, length, size - length);
  const text = buffer.subarray(0, bytesRead).toString("utf8");
  // The first line may be cut, and with it a secret that could then not be recognised.
  return size > length ? text.slice(text.indexOf("\n") + 1) : text;
}

/** @param redact is applied to the whole text first, because a secret may span lines. */
export function lastLines(output: string, redact: (text: string) => string): string[] {
  return redact(output)
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-LAST_LINES)
    .map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}...` : line));
}

/** `"systemctl" ended with exit code 3; 0 is success`. */
export function describeEnd(command: readonly string[], ended: CommandResult["ended"], timeoutMs: number): string {
  const program = `"${command[0] ?? ""}"`;
  switch (ended.how) {
    case "exit":
      return `${program} ended with exit code ${ended.code}; 0 is success`;
    case "signal":
      return `${program} was ended by ${ended.signal}`;
    case "timeout":
      return `${program} did not end within ${describeDuration(timeoutMs)} and was ended`;
    case "not-started":
      return ended.code === "ENOENT"
        ? `${program} does not exist; it is looked up in PATH, without a shell`
        : `${program} could not be started (${ended.code})`;
  }
}
