// A Python virtual environment with pinned packages.
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { showProgress } from "./say.mjs";
import { isAtLeast } from "./version.mjs";

/** The oldest that all pinned packages run on. */
const OLDEST_PYTHON = "3.11";
const INSTALL_LIMIT_MS = 15 * 60_000;

const GET_PYTHON =
  `Install Python ${OLDEST_PYTHON} or newer with its venv module, as \`python3\` on PATH ` +
  "(Debian, Ubuntu: `apt-get install python3 python3-venv`; Fedora: `dnf install python3`; macOS: `brew install " +
  "python`; others: https://www.python.org/downloads/), then run the same command again.";

/**
 * The environment may be moved afterwards, so only its `bin/python` is to be used: other programs in `bin` begin with
 * the path that it was made at.
 *
 * @param {{ what: string, typical: string, requirements: string, folder: string, background: boolean, live: boolean }}
 *   environment `what`: such as "Installing moto"; `requirements`: a file of the checkout; `folder`: an empty one;
 *   `background`, `live`: as for a Go build
 */
export async function makePythonEnvironment({ what, typical, requirements, folder, background, live }) {
  const problem = whyUnfit(await look());
  if (problem) throw new Problem(`${what} is not possible: ${problem}. ${GET_PYTHON}`);

  const stop = showProgress(what, { typical, alone: live });
  try {
    const made = await run("python3", ["-m", "venv", folder], { env: environment(), background });
    if (made.code !== 0) {
      throw new Problem(`${what} failed, because \`python3 -m venv\` did:\n${tail(made.output)}\n${GET_PYTHON}`);
    }
    const pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
    const { code, output, timedOut } = await run(
      join(folder, "bin", "python"),
      [...pip, "-r", join(ROOT, requirements)],
      { env: environment(), background, limitMs: INSTALL_LIMIT_MS },
    );
    if (code === 0) return;
    if (timedOut) {
      throw new Problem(`${what} took longer than 15 minutes and was ended. Is the Python package index reached?`);
    }
    if (code === null) throw new Problem(`${what} was ended by a signal before it was done.`);
    throw new Problem(`${what} failed. The Python package index is needed; pip said:\n${tail(output)}`);
  } finally {
    stop();
  }
}

/**
 * @param {{ version?: string, modules: boolean }} found `version`: of the `python3` on PATH, if that runs; `modules`:
 *   whether it has what makes a virtual environment
 * @returns {string | undefined} why it cannot be used
 */
export function whyUnfit({ version, modules }) {
  if (version === undefined) return "there is no Python 3 on this machine (`python3` does not run)";
  if (!isAtLeast(version, OLDEST_PYTHON)) return `python3 is ${version}, which is too old`;
  return modules ? undefined : `python3 is ${version}, but its venv module is not installed`;
}

async function look() {
  // Debian's python3 has `venv` without `ensurepip`, and can make no environment with it.
  const script = `import sys
print("%d.%d.%d" % sys.version_info[:3])
import venv, ensurepip`;
  try {
    const { code, stdout } = await run("python3", ["-c", script], { env: environment(), limitMs: 60_000 });
    const version = stdout.trim().split("\n")[0];
    return { ...(version && { version }), modules: code === 0 };
  } catch {
    return { modules: false };
  }
}

/** Where packages are got from stays the user's setting; where they are put does not. */
function environment() {
  const ours = { PYTHONPATH: undefined, PYTHONHOME: undefined, PIP_TARGET: undefined, PIP_PREFIX: undefined };
  return { ...process.env, ...ours, PIP_USER: "0" };
}

function tail(text) {
  return text.trim().split("\n").slice(-20).join("\n");
}
