/** The servers that `npm test stores` makes are there, of the version that is pinned, and answer. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startKubernetes } from "../support/kubernetes";
import { freePort, serverFile } from "../support/servers";
import { VaultServer } from "./servers/vault";

const ROOT = resolve(__dirname, "../..");
/** CI machines are slow. */
const START_LIMIT_MS = 60_000;

describe("the servers of the stores' tests", function () {
  this.timeout(2 * START_LIMIT_MS + 10_000);

  let folder: string;
  const running: ChildProcess[] = [];

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "rotation-servers-"))));
  afterEach(async () => {
    await Promise.all(running.splice(0).map(end));
    rmSync(folder, { recursive: true });
  });

  /** Starts a program and asks until it answers with what is expected. @returns that answer */
  async function answerOf(program: string, args: string[], ask: () => Promise<unknown>): Promise<unknown> {
    const child = spawn(serverFile(program), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    running.push(child);
    let output = "";
    child.stdout.on("data", (text) => (output += String(text)));
    child.stderr.on("data", (text) => (output += String(text)));
    const deadline = Date.now() + START_LIMIT_MS;
    let last: unknown;
    while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
      try {
        return await ask();
      } catch (error) {
        last = error;
        await sleep(100);
      }
    }
    throw new Error(`${program} did not come up: ${String(last)}. It said:\n${output}`);
  }

  it("Vault is unsealed and of the version in go.mod", async () => {
    const vault = await VaultServer.start();
    try {
      const health = (await vault.must("GET", "sys/health")) as { sealed: boolean; version: string };
      assert.equal(health.sealed, false);
      assert.equal(health.version, pinned("vault", "github.com/hashicorp/vault"));
      const mount = (await vault.must("GET", "sys/mounts/secret")) as { data: { options: unknown } };
      assert.deepEqual(mount.data.options, { version: "2" });
    } finally {
      await vault.stop();
    }
  });

  it("etcd is healthy and of the version in go.mod", async () => {
    const [url, peers] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const health = await answerOf(
      "bin/etcd",
      [
        ...["--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
        ...["--listen-client-urls", url, "--advertise-client-urls", url],
        ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
        ...["--initial-cluster", `default=${peers}`],
      ],
      () => json(`${url}/health`),
    );
    assert.equal((health as { health: string }).health, "true");
    assert.deepEqual(await json(`${url}/version`), {
      etcdserver: pinned("etcd", "go.etcd.io/etcd/server/v3"),
      etcdcluster: "3.6.0",
      storage: "3.6.0",
    });
  });

  it("the Kubernetes API server is ready with that etcd, and of the version in go.mod", async () => {
    const kubernetes = await startKubernetes();
    try {
      const { code, body } = await kubernetes.ask("admin", "GET", "/version");
      assert.equal(code, 200);
      const { gitVersion } = body as { gitVersion: string };
      assert.equal(gitVersion, `v${pinned("kubernetes", "k8s.io/kubernetes")}`);
    } finally {
      await kubernetes.stop();
    }
  });

  it("moto answers, from an environment that holds just what is pinned", async () => {
    const port = await freePort();
    await answerOf("moto/bin/python", ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], () =>
      json(`http://127.0.0.1:${port}/moto-api/data.json`),
    );
    const script =
      "import importlib.metadata as m; print('\\n'.join(d.metadata['Name'] + '==' + d.version for d in m.distributions()))";
    const python = spawn(serverFile("moto/bin/python"), ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
    let listed = "";
    for await (const text of python.stdout) listed += String(text);
    // What makes the environment comes with Python itself.
    const installed = listed
      .trim()
      .split("\n")
      .filter((line) => !/^(pip|setuptools)==/.test(line));
    const requirements = readFileSync(join(ROOT, "test/servers/aws/requirements.txt"), "utf8");
    const wanted = requirements.split("\n").filter((line) => line.includes("==") && !line.startsWith("#"));
    const inOrder = (lines: string[]) => lines.map((line) => line.toLowerCase()).sort();
    assert.deepEqual(inOrder(installed), inOrder(wanted));
  });
});

/** The version of a module that a go.mod of test/servers requires. */
function pinned(sources: string, module: string): string {
  const text = readFileSync(join(ROOT, "test/servers", sources, "go.mod"), "utf8");
  const found = new RegExp(`^(?:require|\\t) ?${module} v(\\S+)`, "m").exec(text);
  assert.ok(found?.[1], `${sources}/go.mod requires no ${module}`);
  return found[1];
}

async function json(url: string): Promise<unknown> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await ended;
}
