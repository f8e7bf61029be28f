/** A real Prometheus on loopback, which scrapes an endpoint of the test five times a second. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, serverFile } from "../../support/servers";

const READY_WITHIN_MS = 60_000;

/** What an application shows of itself, in the text format of Prometheus. */
export class Metrics {
  /** Such as `errors{instance="a"} 3`, one line for each. */
  lines: string[] = [];
  /** It answers with an error, as one that is down behind a load balancer. */
  down = false;
  private readonly server = http.createServer((_request, response) => {
    response.statusCode = this.down ? 503 : 200;
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end(this.down ? "" : `${this.lines.join("\n")}\n`);
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export interface PrometheusOptions {
  /** Serves by TLS, and asks for a user and password. */
  readonly guarded?: {
    readonly certificate: string;
    readonly key: string;
    readonly user: string;
    /** The password by bcrypt. */
    readonly hash: string;
  };
}

export class Prometheus {
  private constructor(
    readonly url: string,
    readonly metrics: Metrics,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  static async start({ guarded }: PrometheusOptions = {}): Promise<Prometheus> {
    const program = serverFile("prometheus/usr/bin/prometheus");
    const metrics = new Metrics();
    const target = await metrics.listen();
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), "rotation-prometheus-"));
    const write = async (name: string, content: unknown) => {
      // JSON is YAML.
      await writeFile(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
      return join(folder, name);
    };
    const config = await write("prometheus.yml", {
      global: { scrape_interval: "200ms", scrape_timeout: "200ms" },
      scrape_configs: [{ job_name: "orders", static_configs: [{ targets: [`127.0.0.1:${target}`] }] }],
    });
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    if (guarded) {
      await write("cert.pem", guarded.certificate);
      await write("key.pem", guarded.key);
      const web = await write("web.yml", {
        tls_server_config: { cert_file: "cert.pem", key_file: "key.pem" },
        basic_auth_users: { [guarded.user]: guarded.hash },
      });
      args.push(`--web.config.file=${web}`);
    }
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-8000));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const scheme = guarded ? "https" : "http";
    const prometheus = new Prometheus(`${scheme}://127.0.0.1:${port}`, metrics, child, folder);
    try {
      await prometheus.until(
        async () => (await prometheus.status(guarded ? "/" : "/-/ready")) === (guarded ? 401 : 200),
      );
      // The first look at the target comes some seconds after the start.
      if (!guarded) await prometheus.until(async () => (await prometheus.ask("up")).length === 1);
    } catch (error) {
      await prometheus.stop();
      throw new Error(`Prometheus did not come up: ${(error as Error).message}. It said:\n${output}`);
    }
    return prometheus;
  }

  /** Exposes these lines, and waits until Prometheus has seen them. */
  async expose(...lines: string[]): Promise<void> {
    const seen = `seen_${Math.random().toString(36).slice(2)}`;
    this.metrics.lines = [...lines, `${seen} 1`];
    await this.until(async () => (await this.ask(seen)).length === 1);
  }

  /** What the query gives, without the check. */
  async ask(query: string): Promise<unknown[]> {
    const answer = await fetch(`${this.url}/api/v1/query?query=${encodeURIComponent(query)}`);
    return ((await answer.json()) as { data: { result: unknown[] } }).data.result;
  }

  async until(is: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await is().catch(() => false))) {
      if (Date.now() > deadline || this.child.exitCode !== null) throw new Error("it did not come to that");
      await sleep(50);
    }
  }

  /** It accepts connections and answers nobody, until it is told to go on. */
  hang(): void {
    this.child.kill("SIGSTOP");
  }

  goOn(): void {
    this.child.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    await this.metrics.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Without verifying who it is: only to see that it is there. */
  private status(path: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const get = this.url.startsWith("https") ? https.get : http.get;
      get(`${this.url}${path}`, { rejectUnauthorized: false, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
  }
}
