/** The real `rotation` binary, as a user runs it: where pulumi runs, with the same environment. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { PASSPHRASE, type Site } from "./site";

const BINARY = resolve(__dirname, "../../dist/cli/main.js");

export interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export async function rotationCommand(at: Site, args: readonly string[], cwd = at.stack.folder): Promise<Answer> {
  const child = spawn(process.execPath, [BINARY, ...args], {
    cwd,
    env: at.stack.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => (out += String(data)));
  child.stderr.on("data", (data) => (err += String(data)));
  const code = await new Promise<number | null>((done) => child.on("close", done));
  for (const secret of await secrets(at))
    assert.ok(!`${out}${err}`.includes(secret), "a secret value is in the output");
  return { code, out, err };
}

async function secrets(at: Site): Promise<string[]> {
  const store = at.store();
  const stored = await Promise.all((await store.list()).map((ref) => store.read(ref)));
  return [PASSPHRASE, at.server.password, ...stored.map(({ value }) => value["password"] ?? "")].filter(Boolean);
}
