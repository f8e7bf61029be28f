// Finds a Pulumi CLI, or gets one into the cache folder: installed, else cached, else the official download, else
// built from pinned Go modules (for machines that reach package registries only).
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { completeFolder } from "./complete-folder.mjs";
import { GET_GO, hasGo } from "./go-build.mjs";
import { withLock } from "./lock.mjs";
import { ROOT, cacheFolder } from "./paths.mjs";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { RECIPE, buildPulumi } from "./pulumi-build.mjs";
import { downloadPulumi } from "./pulumi-download.mjs";
import { COMPANIONS, OLDEST_VERSION, PINNED_VERSION, chooseSource, releasePlatform } from "./pulumi-sources.mjs";
import { say } from "./say.mjs";
import { parseVersion } from "./version.mjs";

/** Says in a cached folder what it was made from, so that changed build files are not served an old build. */
const ORIGIN_FILE = "origin.txt";

/**
 * @param {{ live?: boolean, background?: boolean }} [options] `live`: nothing else prints meanwhile; `background`: a build
 *   gives way to other work
 * @returns {Promise<{ folder: string, onPath: boolean }>} the folder that holds `pulumi` and its companions
 */
export async function providePulumi({ live = false, background = false } = {}) {
  const platform = releasePlatform(process.platform, process.arch);
  const cached = join(cacheFolder(), `pulumi-${PINNED_VERSION}-${platform}`);
  const installed = findOnPath("pulumi");
  const choice = chooseSource({
    installed: installed && (await inspect(installed)),
    cached: await isReady(cached),
  });
  if (choice.use === "installed") return { folder: dirname(installed), onPath: true };
  if (choice.passedOver) say(`The Pulumi CLI at ${installed} is not used: ${choice.passedOver}.`);
  if (choice.use === "cached") return { folder: cached, onPath: false };

  if (!platform) {
    throw new Problem(
      `No Pulumi CLI can be got for ${process.platform} on ${process.arch}: only Linux and macOS on x64 and arm64 are ` +
        `handled here. Install ${OLDEST_VERSION} or newer yourself (https://www.pulumi.com/docs/install/) and put it on PATH.`,
    );
  }
  await withLock(join(cacheFolder(), "locks", `pulumi-${platform}`), "getting the Pulumi CLI", async () => {
    if (!(await isReady(cached))) await get(cached, platform, { live, background });
  });
  return { folder: cached, onPath: false };
}

/** The environment in which programs find that CLI. @param {{ folder: string, onPath: boolean }} pulumi */
export function withPulumi({ folder, onPath }) {
  // An installed one is found as it is: putting its folder first could put another `node` first with it.
  const path = onPath ? process.env.PATH : `${folder}${delimiter}${process.env.PATH}`;
  return { ...process.env, PATH: path, PULUMI_BIN: folder };
}

async function get(target, platform, options) {
  const made = await completeFolder(target, async (aside) => {
    const origin = await fill(aside, platform, options);
    const version = await versionOf(join(aside, "pulumi"));
    if (!version) throw new Problem(`The Pulumi CLI that was got (${origin}) does not run on this machine.`);
    await writeFile(join(aside, ORIGIN_FILE), `${origin}\n`);
    return `${version} is ready (${origin})`;
  });
  say(`The Pulumi CLI ${made}, in ${target}.`);
}

async function fill(folder, platform, options) {
  let noDownload;
  try {
    await downloadPulumi(folder, PINNED_VERSION, platform, { alone: options.live });
    return "official download";
  } catch (error) {
    noDownload = error.message;
  }
  if (!(await hasGo())) {
    throw new Problem(
      "There is no Pulumi CLI, and none could be got: it could be neither downloaded nor built.\n" +
        `  Download: ${noDownload}\n` +
        "  Build: there is no Go on this machine (`go version` does not run).\n" +
        "Do one of these, then run the same command again:\n" +
        "  - install the Pulumi CLI: https://www.pulumi.com/docs/install/ " +
        "(macOS: `brew install pulumi/tap/pulumi`; Linux: `curl -fsSL https://get.pulumi.com | sh`)\n" +
        `  - or ${GET_GO}`,
    );
  }
  say(`The Pulumi CLI cannot be downloaded here (${noDownload}), so it is built from its Go modules, once.`);
  await buildPulumi(folder, PINNED_VERSION, options);
  return `built from Go modules ${buildRecipe()}`;
}

/** A cached CLI that runs, and that is not the build of build files that have changed since. */
async function isReady(folder) {
  if (!existsSync(join(folder, ORIGIN_FILE))) return false;
  const origin = readFileSync(join(folder, ORIGIN_FILE), "utf8").trim();
  if (origin.startsWith("built") && !origin.endsWith(buildRecipe())) return false;
  return (await versionOf(join(folder, "pulumi"))) !== undefined;
}

/** Names the build by what it is made from: the pinned modules, and how they are built. */
function buildRecipe() {
  const hash = createHash("sha256").update(`${RECIPE}`);
  for (const part of ["cli", "language"]) {
    for (const file of ["go.mod", "go.sum"]) hash.update(readFileSync(join(ROOT, "scripts/pulumi", part, file)));
  }
  return hash.digest("hex").slice(0, 12);
}

async function inspect(program) {
  const folder = dirname(program);
  const missing = COMPANIONS.filter((name) => !isProgram(join(folder, name)) && !findOnPath(name));
  const version = await versionOf(program);
  return { missing, ...(version && { version }) };
}

/** Undefined when it does not run. @param {string} program @returns {Promise<string | undefined>} */
async function versionOf(program) {
  try {
    const { code, stdout } = await run(program, ["version"], {
      limitMs: 30_000,
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "1" },
    });
    const version = parseVersion(stdout);
    return code === 0 && version ? version.join(".") : undefined;
  } catch {
    return undefined;
  }
}

function findOnPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
