// Which of the ways to a Pulumi CLI to take. Pure: it decides from what was found on the machine.
import { isAtLeast } from "./version.mjs";

/** The version that is got when none is there; the same as the devDependency @pulumi/pulumi. */
export const PINNED_VERSION = "3.259.0";
/** The oldest CLI the tests and the demo are known to work with. */
export const OLDEST_VERSION = "3.200.0";

/** What must be on PATH with the CLI: how it runs Node programs, and the dynamic resources in them. */
export const COMPANIONS = ["pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"];

/**
 * @typedef {{ installed?: { version?: string, missing: string[] }, cached: boolean }} Found `installed`: the `pulumi`
 *   on PATH, with the companions that are not there; `cached`: one that an earlier run got is ready
 * @param {Found} found
 * @returns {{ use: "installed" | "cached" | "get", passedOver?: string }} `passedOver`: why the installed one is not used
 */
export function chooseSource({ installed, cached }) {
  const passedOver = installed && whyNot(installed);
  if (installed && passedOver === undefined) return { use: "installed" };
  return { use: cached ? "cached" : "get", ...(passedOver && { passedOver }) };
}

/** @param {NonNullable<Found["installed"]>} installed */
function whyNot({ version, missing }) {
  if (version === undefined) return "it does not run";
  if (!isAtLeast(version, OLDEST_VERSION)) return `it is ${version}, and ${OLDEST_VERSION} or newer is needed`;
  if (missing.length > 0) return `${missing.join(" and ")} is not beside it or on PATH`;
  return undefined;
}

/** The name of this machine as Pulumi's releases spell it. @param {string} platform @param {string} arch */
export function releasePlatform(platform, arch) {
  const known = ["linux", "darwin"].includes(platform) && ["x64", "arm64"].includes(arch);
  return known ? `${platform}-${arch}` : undefined;
}
