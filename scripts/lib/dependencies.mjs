// Installs what package-lock.json asks for, when it is not there yet.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "./problem.mjs";
import { run } from "./processes.mjs";
import { showProgress } from "./say.mjs";

/** @param {string} root the checkout; call it under the checkout's lock */
export async function installDependencies(root) {
  const modules = join(root, "node_modules");
  const stampFile = join(modules, ".installed-from-lock");
  const stamp = stampOf(readFileSync(join(root, "package-lock.json"), "utf8"));
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;

  if (!isInstalled(root)) {
    const stop = showProgress("Installing npm packages", { typical: "half a minute", alone: true });
    const { code, output } = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root }).finally(stop);
    if (code !== 0) {
      throw new Problem(
        `\`npm ci\` failed:\n${output.trim()}\n` +
          "If package.json and package-lock.json do not fit each other, run `npm install` and commit the lock file; " +
          "if a registry could not be reached, check the network and run this again.",
      );
    }
  }
  mkdirSync(modules, { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** The platform is part of it: a checkout that two systems share holds the native packages of only one of them. */
function stampOf(lock) {
  return `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}\n`;
}

/** True when npm's own record says that node_modules holds just what the lock asks for: somebody ran npm by hand. */
function isInstalled(root) {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(record, "utf8")).packages;
  return missingPackages(wanted, present, process).length === 0;
}

/**
 * @param {Record<string, LockEntry>} wanted what package-lock.json lists
 * @param {Record<string, LockEntry>} present what node_modules/.package-lock.json lists
 * @param {{ platform: string, arch: string }} machine
 * @returns {string[]} the packages that are absent or of another version
 * @typedef {{ version?: string, integrity?: string, link?: boolean, optional?: boolean, os?: string[], cpu?: string[],
 *   libc?: string[] }} LockEntry
 */
export function missingPackages(wanted, present, machine) {
  return Object.entries(wanted)
    .filter(([path, entry]) => {
      if (!path.startsWith("node_modules/")) return false;
      const found = present[path];
      if (!found) return !(entry.optional && !isFor(entry, machine));
      return found.version !== entry.version || found.integrity !== entry.integrity || !found.link !== !entry.link;
    })
    .map(([path]) => path);
}

/** @param {LockEntry} entry @param {{ platform: string, arch: string }} machine */
function isFor({ os, cpu, libc }, machine) {
  // Which C library this system has is not asked for here: such packages are taken as not needed.
  return !libc && (os?.includes(machine.platform) ?? true) && (cpu?.includes(machine.arch) ?? true);
}
