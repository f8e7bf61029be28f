// Starting other programs, and never leaving one behind.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** Programs that run now, each with what ends it. */
const running = new Set();
let stoppedBy;

/** How long a program has to end by itself before it is killed. */
const PATIENCE_MS = 10_000;

/**
 * Runs a program to its end, in a process group of its own so that all it started can be ended with it.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, limitMs?: number, background?: boolean,
 *   foreground?: boolean }} [options] `show`: its output is the user's (else it is collected); `limitMs`: killed after
 *   that; `background`: gives way to other work; `foreground`: it stays in the terminal's own group and may read from it
 * @returns {Promise<{ code: number | null, output: string, stdout: string, timedOut: boolean }>} `code` is null when
 *   it was ended by a signal
 */
export function run(program, args, options = {}) {
  const { cwd, env, show = false, limitMs, background = false, foreground = false } = options;
  if (stoppedBy) return new Promise(() => {}); // this run is ending: nothing new is started
  return new Promise((resolve, reject) => {
    // `nice` rather than a priority set afterwards, which would miss the threads that run by then.
    const [name, ...rest] = background ? ["nice", "-n", "10", program, ...args] : [program, ...args];
    const child = spawn(name, rest, {
      cwd,
      env,
      detached: !foreground,
      stdio: foreground ? "inherit" : show ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => ((stdout += text), (output += text)));
    child.stderr?.setEncoding("utf8").on("data", (text) => (output += text));

    const entry = { child, foreground };
    running.add(entry);
    let timedOut = false;
    let killer;
    const limit =
      limitMs &&
      setTimeout(() => {
        timedOut = true;
        killer = endWithPatience(entry);
      }, limitMs);
    const done = () => {
      running.delete(entry);
      clearTimeout(limit);
      clearTimeout(killer);
    };
    child.once("error", (error) => (done(), reject(error)));
    child.once("close", (code) => {
      done();
      // What it left behind in its group when it had to be ended: nothing of it may outlive the time limit.
      if (timedOut) signal(entry, "SIGKILL");
      resolve({ code: timedOut ? null : code, output, stdout, timedOut });
    });
  });
}

/** Passes a wish to stop on to every program, waits for them, and ends as a program that was stopped does. */
export function stopAllOnSignal() {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(name, () => {
      const again = stoppedBy !== undefined;
      stoppedBy = name;
      for (const entry of running) {
        // The terminal has already told a program in the foreground.
        if (entry.foreground && name === "SIGINT" && process.stdin.isTTY && !again) continue;
        if (again) signal(entry, "SIGKILL");
        else endWithPatience(entry, name);
      }
      const leave = () => process.exit(128 + constants.signals[name]);
      if (running.size === 0) leave();
      setInterval(() => running.size === 0 && leave(), 50);
    });
  }
}

function endWithPatience(entry, name = "SIGTERM") {
  signal(entry, name);
  const timer = setTimeout(() => signal(entry, "SIGKILL"), PATIENCE_MS);
  timer.unref();
  return timer;
}

function signal({ child, foreground }, name) {
  if (!child.pid) return;
  try {
    process.kill(foreground ? child.pid : -child.pid, name);
  } catch {
    // It has ended already.
  }
}
