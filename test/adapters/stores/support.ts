/** What the tests of the stores and of the audit sinks share. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdapterContext, SecretSource } from "../../../provider/contracts/context";
import type { StoredVersion } from "../../../provider/contracts/store";

export const PASSPHRASE = "correct horse battery staple";

/** Resolves `{ from: "env", name }` to the name's entry in `secrets`. */
export function testContext(secrets: Record<string, string> = { PASS: PASSPHRASE }): AdapterContext {
  return {
    clock: { now: () => Date.now(), sleep: () => Promise.reject(new Error("nothing here waits")) },
    signal: new AbortController().signal,
    log: { info: () => undefined, warn: () => undefined },
    resolveSecret: async (source: SecretSource) => {
      const value = source.from === "env" ? secrets[source.name] : undefined;
      if (value === undefined) throw new Error(`no such secret: ${JSON.stringify(source)}`);
      return value;
    },
  };
}

export function makeStored(version: number, value: Record<string, string>): StoredVersion {
  const ref = { version, token: `token-${version}` };
  return { secret: "orders-db", ref, fingerprint: `fp-${version}`, issued: { role: `orders_v${version}` }, value };
}

/** Folders that vanish after the tests; call within `describe`. */
export function temporaryFolders(): () => Promise<string> {
  const folders: string[] = [];
  after(async () => {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), "rotation-test-"));
    folders.push(folder);
    return folder;
  };
}

export interface Child {
  readonly process: ChildProcess;
  /** Everything that it wrote to its standard output so far, as lines. */
  readonly lines: string[];
  /** Resolves with the signal or the exit code that ended it, and what it wrote to its standard error. */
  readonly ended: Promise<{ readonly by: string; readonly errors: string }>;
}

/**
 * Runs a TypeScript file of this folder in a process of its own.
 * @param limitBlocks the size that a file may have in it, in blocks of 512 bytes.
 */
export function runChild(file: string, args: readonly string[], limitBlocks?: number): Child {
  const command = [process.execPath, "--import", "tsx", file, ...args];
  // `sh` sets the limit for itself and what it becomes; the last argument but `"$@"` is its name in error messages.
  const [program, ...rest] =
    limitBlocks === undefined ? command : ["sh", "-c", `ulimit -f ${limitBlocks} && exec "$@"`, "sh", ...command];
  const child = spawn(program ?? "", rest, {
    stdio: ["ignore", "pipe", "pipe"],
    // No cache of compiled files: it could not be written under a limit.
    env: { ...process.env, TSX_DISABLE_CACHE: limitBlocks === undefined ? "" : "1" },
  });
  const lines: string[] = [];
  let partial = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (partial + chunk).split("\n");
    partial = parts.pop() ?? "";
    lines.push(...parts);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
  const ended = new Promise<{ by: string; errors: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ by: signal ?? String(code), errors }));
  });
  return { process: child, lines, ended };
}
