/** The other processes of the demo: the two applications and the load generator. None outlives the demo. */
import { fork, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";

const children = new Set<ChildProcess>();

/** Starts a TypeScript file as the demo itself was started, with its output in `log`. */
export function start(file: string, args: readonly string[], log: string): ChildProcess {
  const output = openSync(log, "a");
  const child = fork(join(__dirname, "withParent.ts"), [join(__dirname, "..", file), ...args], {
    stdio: ["ignore", output, output, "ipc"],
  });
  children.add(child);
  return child;
}

export function stopProcesses(): void {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
}

export interface RunningApp {
  readonly name: string;
  readonly url: string;
  readonly folder: string;
}

export async function startApp(name: string, file: string, parent: string): Promise<RunningApp> {
  const folder = join(parent, name);
  mkdirSync(folder);
  const port = await freePort();
  start(file, [folder, String(port)], join(parent, `${name}.log`));
  const app = { name, url: `http://127.0.0.1:${port}`, folder };
  for (const until = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (
      await fetch(`${app.url}/adoption`)
        .then((answer) => answer.ok)
        .catch(() => false)
    )
      return app;
    if (Date.now() > until) throw new Error(`The application ${name} did not start; its log is in ${parent}.`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
