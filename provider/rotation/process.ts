/** What can be known about processes: who we are, and whether the holder of a lease still lives. */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { hostname, userInfo } from "node:os";

export interface ProcessIdentity {
  readonly user: string;
  readonly host: string;
  /** Where process numbers mean the same: one boot of one machine, and one container of it. */
  readonly scope: string;
  readonly pid: number;
  readonly processStart: string;
}

/** Asked for with every lease and every event of the trail; `ps` would be started each time where there is no /proc. */
let scope: string | undefined;
let me: ProcessIdentity | undefined;

function processScope(): string {
  return (scope ??= readScope());
}

function readScope(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
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

/** Never changes while this process lives. */
export function whoAmI(): ProcessIdentity {
  return (me ??= {
    user: userInfo().username,
    host: hostname(),
    scope: processScope(),
    pid: process.pid,
    processStart: processStart(process.pid) ?? "",
  });
}

/** True only where it is certain: same scope, and the process is gone or its number was given to another one. */
export function isKnownDead(holder: Pick<ProcessIdentity, "scope" | "pid" | "processStart">): boolean {
  return holder.scope === processScope() && processStart(holder.pid) !== holder.processStart;
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
