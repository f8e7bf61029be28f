// Programs from Debian's packages, unpacked into a folder: nothing is installed, and nothing that they bring is started.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { showProgress } from "./say.mjs";

const DOWNLOAD_LIMIT_MS = 10 * 60_000;
const UNPACK_LIMIT_MS = 2 * 60_000;

/**
 * @param {{ what: string, typical: string, packages: string[], folder: string, background: boolean, live: boolean }}
 *   made `what`: such as "Getting Prometheus"; `packages`: names, without what they depend on; `folder`: an empty one,
 *   in which their files are as on a machine (`usr/bin/…`); `background`, `live`: as for a Go build
 */
export async function unpackDebianPackages({ what, typical, packages, folder, background, live }) {
  const stop = showProgress(what, { typical, alone: live });
  const downloads = await mkdtemp(join(tmpdir(), "rotation-packages-"));
  try {
    await download(what, packages, downloads, background);
    for (const file of await readdir(downloads)) {
      const { code, output } = await run("dpkg-deb", ["-x", join(downloads, file), folder], {
        limitMs: UNPACK_LIMIT_MS,
        background,
      });
      if (code !== 0) throw new Problem(`${what} failed: dpkg-deb could not unpack ${file}:\n${output.trim()}`);
    }
  } finally {
    stop();
    await rm(downloads, { recursive: true, force: true });
  }
}

async function download(what, packages, folder, background) {
  const get = () => apt(what, ["download", ...packages], folder, background);
  const first = await get();
  if (first.code === 0) return;
  // A new machine has no lists of packages, and an old one names versions that are gone.
  await apt(what, ["update"], folder, background);
  const { code, output, timedOut } = await get();
  if (code === 0) return;
  throw new Problem(
    `${what} failed: \`apt-get download ${packages.join(" ")}\` ` +
      `${timedOut ? "took longer than 10 minutes" : `said:\n${output.trim().split("\n").slice(-10).join("\n")}`}\n` +
      "Debian's package archive is needed, and `apt-get update` has to have been run by root.",
  );
}

async function apt(what, args, cwd, background) {
  try {
    return await run("apt-get", args, {
      cwd,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
      limitMs: DOWNLOAD_LIMIT_MS,
      background,
    });
  } catch {
    throw new Problem(
      `${what} is not possible: there is no apt-get on this machine. These tests run on Debian and Ubuntu, and in a ` +
        "container of either.",
    );
  }
}
