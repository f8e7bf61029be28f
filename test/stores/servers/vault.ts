/** A real Vault in memory on loopback, with KV v2 at `secret/`, and what tests do to it as its operator. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { freePort, serverFile } from "../../support/servers";

export const ROOT_TOKEN = "root-token-of-the-tests";
const READY_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

export interface Answer {
  readonly status: number;
  readonly body: any;
}

export class VaultServer {
  private output = "";

  private constructor(
    private readonly child: ChildProcess,
    readonly address: string,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
  }

  static async start(): Promise<VaultServer> {
    const listen = `127.0.0.1:${await freePort()}`;
    const child = spawn(serverFile("bin/vault-dev"), [listen, ROOT_TOKEN], { stdio: ["ignore", "pipe", "pipe"] });
    const server = new VaultServer(child, `http://${listen}`);
    try {
      await server.untilReady();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  /** As a plain client of the API, which knows nothing of the library. Never throws for a status. */
  async ask(method: string, path: string, body?: unknown, token = ROOT_TOKEN): Promise<Answer> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const response = await fetch(`${this.address}/v1/${path}`, {
      method,
      headers: { "x-vault-token": token, "content-type": type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** As `ask`, for what has to succeed. */
  async must(method: string, path: string, body?: unknown, token = ROOT_TOKEN): Promise<any> {
    const answer = await this.ask(method, path, body, token);
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${path}: HTTP ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** A token with this policy alone, and without Vault's default one unless wanted. */
  async tokenWith(policy: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const name = `policy-${++this.policies}`;
    await this.must("PUT", `sys/policies/acl/${name}`, { policy });
    const request = { policies: [name], no_default_policy: true, no_parent: true, ...more };
    return (await this.must("POST", "auth/token/create", request)).auth.client_token as string;
  }
  private policies = 0;

  private async untilReady(): Promise<void> {
    const until = Date.now() + READY_WITHIN_MS;
    while (Date.now() < until && this.child.exitCode === null) {
      const ready = await this.ask("GET", "secret/config").catch(() => undefined);
      if (ready?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    throw new Error(`Vault did not come up at ${this.address}:\n${this.output}`);
  }
}
