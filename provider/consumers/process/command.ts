/** Runs the command that restarts the process, and says how it ended. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { withDeadline } from "../../net/deadline";
import { errorCode } from "../../net/networkErrors";

/** How long a command that is out of time is given to end by itself, in milliseconds. */
const KILL_AFTER_MS = 2000;
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
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
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
    stdio: ["ignore", output.fd, output.fd],
    // A process group of its own: it can be ended as a whole, and Ctrl-C reaches it only through us.
    detached: true,
  });
  const exit = new Promise<CommandResult["ended"]>((resolve) => {
    child.once("error", (error) => resolve({ how: "not-started", code: errorCode(error) }));
    child.once("exit", (code, signal) =>
      resolve(code === null ? { how: "signal", signal: signal ?? "unknown" } : { how: "exit", code }),
    );
  });
  const bounded = await withDeadline(request.timeoutMs, request.signal, () => exit);
  if (bounded.ended === "done") return bounded.value;
  if (bounded.ended === "cancelled") {
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

async function endGroup(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  killGroup(child, "SIGTERM");
  const impatience = setTimeout(() => killGroup(child, "SIGKILL"), KILL_AFTER_MS);
  await exit;
  clearTimeout(impatience);
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
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
