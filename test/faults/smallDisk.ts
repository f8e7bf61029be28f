/** Runs a script with a small file system of its own, so that a full disk is one, and nobody else's. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ways to a mount that only the script sees, without rights and with them. */
const NAMESPACES = [
  ["unshare", "-Urm"],
  ["unshare", "-m"],
  ["sudo", "-n", "unshare", "-m"],
];
const MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"';

/** @returns what the script wrote, JSON. */
export async function onSmallDisk<T>(script: string, args: readonly string[]): Promise<T> {
  const mountPoint = mkdtempSync(join(tmpdir(), "rotation-disk-"));
  try {
    const node = [process.execPath, "--import", "tsx", script, mountPoint, ...args];
    const [program = "", ...options] = [...namespace(mountPoint), "sh", "-c", MOUNT, mountPoint, ...node];
    const child = spawn(program, options, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let noise = "";
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (noise += String(data)));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`${script} ended with ${code}: ${noise}${output}`);
    return JSON.parse(output) as T;
  } finally {
    rmSync(mountPoint, { recursive: true, force: true });
  }
}

function namespace(mountPoint: string): string[] {
  const found = NAMESPACES.find(([program = "", ...options]) => {
    const tried = spawnSync(program, [...options, "sh", "-c", MOUNT, mountPoint, "true"]);
    return tried.status === 0;
  });
  if (!found)
    throw new Error(
      "These tests need a file system of their own: Linux, with user namespaces (unshare -Urm) or as root (sudo -n).",
    );
  return found;
}
