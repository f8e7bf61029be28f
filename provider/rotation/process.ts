/** What can be known about processes: who we are, and whether the holder of a lease still lives. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { hostname, userInfo } from "node:os";

export interface ProcessIdentity {
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly processStart: string;
}

/** @returns the start of a process in the system's own terms, or `undefined` when there is no such process. */
export function processStart(pid: number): string | undefined {
  try {
    if (process.platform === "linux") {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name in brackets may hold anything; field 3 (state) is the first behind it, field 22 the start time.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
    }
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}

export function whoAmI(): ProcessIdentity {
  return {
    user: userInfo().username,
    host: hostname(),
    pid: process.pid,
    processStart: processStart(process.pid) ?? "",
  };
}

/** True only where it is certain: same host, and the process is gone or its number was given to another one. */
export function isKnownDead(holder: { host: string; pid: number; processStart: string }): boolean {
  return holder.host === hostname() && processStart(holder.pid) !== holder.processStart;
}

/** The address of the engine that started this provider process, from its command line. */
export function engineAddress(argv: readonly string[] = process.argv): { host: string; port: number } | undefined {
  if (!/dynamic-provider/.test(argv[1] ?? "")) return undefined;
  const match = /^(127\.0\.0\.1|localhost|\[::1\]):(\d+)$/.exec(argv[2] ?? "");
  return match ? { host: (match[1] as string).replace(/[[\]]/g, ""), port: Number(match[2]) } : undefined;
}

/** Whether somebody still listens there. */
export function isListening(address: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ ...address, timeout: 2000 });
    const finish = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
    socket.once("timeout", () => finish(true));
  });
}
