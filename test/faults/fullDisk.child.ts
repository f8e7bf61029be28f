/**
 * A rotation for each write to a small disk, which is full at that write. Arguments: the disk's folder, the server as
 * JSON, and what lies on the disk: `store` (with its trail) or `trail`.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import type { PostgresServer } from "../support/postgres";
import { DAY, FaultSite, HOUR } from "./site";

export interface DiskReport {
  readonly writes: number;
  /** What failed runs said, by the write at which the disk was full. */
  readonly errors: Record<string, string>;
  /** What is wrong at the end. */
  readonly complaints: readonly string[];
  /** What a run said on a disk that was mounted read-only. */
  readonly readOnly: string;
}

const [disk = "", server = "", what = ""] = process.argv.slice(2);
const filler = join(disk, "filler");

function fill(): void {
  const file = openSync(filler, "w");
  for (const size of [65_536, 4096, 1]) {
    const bytes = Buffer.alloc(size);
    try {
      for (;;) writeSync(file, bytes);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOSPC") throw error;
    }
  }
  closeSync(file);
}

async function main(): Promise<DiskReport> {
  const onDisk = what === "store" ? { storeFolder: disk } : {};
  const site = await FaultSite.open(JSON.parse(server) as PostgresServer, onDisk);
  const trail = join(disk, "trail/audit.jsonl");
  if (what === "trail") {
    mkdirSync(join(disk, "trail"));
    site.secret = { audit: { type: "file", path: trail } };
  }
  const errors: Record<string, string> = {};
  let writes = 0;
  try {
    await site.withFirstVersion();
    for (let nth = 1; ; nth++) {
      site.clock.advance(91 * DAY);
      const full = fillAtWrite(nth);
      const { error } = await site.up();
      rmSync(filler, { force: true });
      const point = full();
      if (error) errors[`${nth} ${point}`] = error.message;
      // Where the lease could not be given back on a full disk, this process lives on, as its own would not.
      site.clock.advance(61_000);
      for (let run = 0; run < 3; run++) {
        await site.clean();
        site.clock.advance(HOUR + 1000);
      }
      if (point === undefined) break;
      writes++;
    }
    site.clock.advance(91 * DAY);
    execFileSync("mount", ["-o", "remount,ro", disk]);
    const readOnly = (await site.up()).error?.message ?? "it succeeded";
    execFileSync("mount", ["-o", "remount,rw", disk]);
    const complaints = await site.settled(what === "trail" ? trail : undefined);
    return { writes, errors, complaints, readOnly };
  } finally {
    await site.close();
  }
}

/** @returns ends it, and says which write it was, `undefined` where the run made fewer. */
function fillAtWrite(nth: number): () => string | undefined {
  let seen = 0;
  let found: string | undefined;
  const hook = (point: string, moment: string) => {
    if (moment !== "before" || !(what === "store" ? /^(store|audit)\./ : /^audit\./).test(point)) return;
    if (++seen !== nth) return;
    found = point;
    fill();
  };
  Object.assign(globalThis, { [SEAM_HOOK]: hook });
  return () => {
    Reflect.deleteProperty(globalThis, SEAM_HOOK);
    return found;
  };
}

void main().then(
  (report) => process.stdout.write(JSON.stringify(report), () => process.exit(0)),
  (error: unknown) => {
    process.stderr.write(String((error as Error).stack), () => process.exit(1));
  },
);
