/** One instance: a real process, by the command of its container. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Mounted } from "./secrets";
import type { Container } from "./wire";

/** How often it is looked whether it listens, in ms. */
const LOOK_EVERY_MS = 5;

export class Instance {
  private inFlight = 0;
  private leaving = false;

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    private readonly folder: string,
  ) {
    child.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  }

  /**
   * Until it listens on the port that it is told by `PORT`: https://cloud.google.com/run/docs/container-contract#port.
   * Its files are below the folder that it is told by `CONTAINER_ROOT`, which the real one has not.
   *
   * @returns `undefined` when it ends before, or not within the time.
   */
  static async start(
    container: Container,
    { env, files }: Mounted,
    names: Readonly<Record<"K_SERVICE" | "K_REVISION", string>>,
    withinMs: number,
  ): Promise<Instance | undefined> {
    const [command = process.execPath, ...before] = container.command ?? [];
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), "cloud-run-"));
    for (const [path, data] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), data);
    }
    const own = { PORT: String(port), CONTAINER_ROOT: folder, ...names };
    const child = spawn(command, [...before, ...(container.args ?? [])], {
      env: { PATH: process.env["PATH"], ...env, ...own },
      stdio: "ignore",
    });
    const instance = new Instance(child, port, folder);
    const end = new AbortController();
    child.once("exit", () => end.abort());
    child.once("error", () => end.abort());
    const until = Date.now() + withinMs;
    while (!end.signal.aborted && Date.now() < until) {
      if (await listens(port)) return instance;
      await delay(LOOK_EVERY_MS);
    }
    await instance.stop();
    return undefined;
  }

  get runs(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.inFlight += 1;
    const fail = () => {
      if (!outgoing.headersSent) outgoing.writeHead(503);
      outgoing.end();
    };
    const { method, url, headers } = incoming;
    const onward = request({ host: "127.0.0.1", port: this.port, method, path: url, headers, agent: false });
    onward.on("response", (response) => {
      outgoing.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(outgoing);
      response.on("error", fail);
    });
    onward.on("error", fail);
    outgoing.on("close", () => {
      this.inFlight -= 1;
      if (this.leaving && this.inFlight === 0) this.kill();
    });
    incoming.pipe(onward);
  }

  /** Requests that are being answered are answered: https://cloud.google.com/run/docs/rollouts-rollbacks-traffic-migration */
  leave(): void {
    this.leaving = true;
    if (this.inFlight === 0) this.kill();
  }

  async stop(): Promise<void> {
    if (this.runs && this.child.pid !== undefined) {
      const gone = new Promise<void>((resolve) => this.child.once("exit", () => resolve()));
      this.kill();
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private kill(): void {
    this.child.kill("SIGKILL");
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
