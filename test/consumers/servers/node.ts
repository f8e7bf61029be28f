/**
 * A real node: kubelet, containerd and runc on this machine, which runs the pods that the API server gives it. Needs
 * Linux and root. Everything that it makes is below one folder.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readlink, readdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ServerProcess, untilServed } from "../../support/serverProcess";
import { freePort, serverFile } from "../../support/servers";

const run = promisify(execFile);

/** As of every node with one machine's name; pods that name no node get there. */
export const NODE_NAME = "localhost";
/** An image with this machine's Node.js as `/bin/node` and a shell as `/bin/busybox`. */
export const NODE_IMAGE = "localhost/node:1";
const PAUSE_IMAGE = "localhost/pause:1";
const READY_WITHIN_MS = 60_000;
const ENDED_WITHIN_MS = 20_000;

export interface RealNode {
  /** Ends every container and takes away everything that was made. The pods should have been deleted before. */
  stop(): Promise<void>;
}

/** @param kubeconfig of a user who may do everything. */
export async function startNode(kubeconfig: string): Promise<RealNode> {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    throw new Error("The tests of real pods need Linux and root: they start containerd and a kubelet.");
  // Short, since the path of a socket has at most 107 bytes.
  const folder = await mkdtemp(join(tmpdir(), "rot-node-"));
  const node = new Node(folder);
  try {
    await node.start(kubeconfig);
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

class Node implements RealNode {
  private readonly programs = join(serverFile("containerd/usr"), "..");
  private readonly socket: string;
  private containerd: ServerProcess | undefined;
  private kubelet: ServerProcess | undefined;

  constructor(private readonly folder: string) {
    this.socket = join(folder, "c.sock");
  }

  async start(kubeconfig: string): Promise<void> {
    await this.write("cni/10-lo.conflist", { cniVersion: "1.0.0", name: "lo", plugins: [{ type: "loopback" }] });
    await this.write("containerd.toml", this.containerdConfig());
    this.containerd = this.spawn(join(this.programs, "usr/bin/containerd"), [
      "-c",
      join(this.folder, "containerd.toml"),
    ]);
    await untilServed(
      "containerd answers",
      [this.containerd],
      READY_WITHIN_MS,
      async () => (await this.ctr("version")) !== "",
    );
    await this.import(PAUSE_IMAGE, ["/bin/busybox", "sleep", "2147483647"], []);
    await this.import(NODE_IMAGE, ["/bin/node"], await nodeAndItsLibraries());

    const health = await freePort();
    await this.write("kubelet.yaml", await this.kubeletConfig(health));
    this.kubelet = this.spawn(serverFile("bin/kubelet"), [
      `--config=${join(this.folder, "kubelet.yaml")}`,
      `--kubeconfig=${kubeconfig}`,
      `--root-dir=${join(this.folder, "kubelet")}`,
      `--cert-dir=${join(this.folder, "pki")}`,
      `--hostname-override=${NODE_NAME}`,
    ]);
    await untilServed("the kubelet is well", [this.kubelet], READY_WITHIN_MS, () => isWell(health));
  }

  async stop(): Promise<void> {
    await this.kubelet?.end(ENDED_WITHIN_MS);
    if (this.containerd !== undefined) {
      const tasks = await this.ctr("tasks", "ls", "-q").catch(() => "");
      for (const task of tasks.split("\n").filter(Boolean))
        await this.ctr("tasks", "rm", "-f", task).catch(() => undefined);
      await this.containerd.end(ENDED_WITHIN_MS);
    }
    // Those that outlived their containerd know its socket by this folder's name.
    await killWhere((command) => command.includes("containerd-shim") && command.includes(this.socket));
    await this.unmount();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @throws where something stays mounted: what is removed then would be somebody else's files. */
  private async unmount(): Promise<void> {
    for (let attempt = 1; attempt <= 5; attempt++) {
      const mounts = await mountsBelow(this.folder);
      if (mounts.length === 0) return;
      for (const mount of mounts) await run("umount", [mount]).catch(() => undefined);
    }
    const left = await mountsBelow(this.folder);
    if (left.length > 0) throw new Error(`These stay mounted, so ${this.folder} is not removed: ${left.join(", ")}`);
  }

  private ctr(...args: string[]): Promise<string> {
    const ctr = join(this.programs, "usr/bin/ctr");
    return run(ctr, ["-a", this.socket, "-n", "k8s.io", ...args], { timeout: 60_000 }).then(({ stdout }) => stdout);
  }

  private spawn(file: string, args: string[]): ServerProcess {
    // containerd looks for its shim and for runc there.
    const path = [join(this.programs, "usr/bin"), join(this.programs, "usr/sbin"), process.env["PATH"]].join(":");
    return new ServerProcess(file, args, { ...process.env, PATH: path });
  }

  private async write(path: string, content: unknown): Promise<void> {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
  }

  /** A one-layer image in the format of `docker save`. @param files path in the image, and what is copied there. */
  private async import(name: string, command: string[], files: readonly (readonly [string, string])[]): Promise<void> {
    const place = await mkdtemp(join(this.folder, "image-"));
    const root = join(place, "root");
    for (const folder of ["tmp", "etc", "bin", "proc", "sys", "dev"])
      await mkdir(join(root, folder), { recursive: true });
    for (const [path, source] of [["/bin/busybox", join(this.programs, "bin/busybox")] as const, ...files]) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await cp(source, join(root, path), { dereference: true });
    }
    const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX"];
    await run("tar", [...owner, "-cf", join(place, "layer.tar"), "-C", root, "."]);
    const { stdout: digest } = await run("sha256sum", [join(place, "layer.tar")]);
    const config = {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: command, Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${digest.split(" ")[0]}`] },
    };
    const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
    await writeFile(join(place, "config.json"), JSON.stringify(config));
    await writeFile(join(place, "manifest.json"), JSON.stringify(manifest));
    await run("tar", ["-cf", join(place, "image.tar"), "-C", place, "config.json", "layer.tar", "manifest.json"]);
    await this.ctr("images", "import", join(place, "image.tar"));
    await rm(place, { recursive: true });
  }

  private containerdConfig(): string {
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    return `version = 2
root = "${this.folder}/root"
state = "${this.folder}/state"
[grpc]
  address = "${this.socket}"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [${cri}.cni]
    bin_dir = "${this.programs}/usr/lib/cni"
    conf_dir = "${this.folder}/cni"
  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;
  }

  private async kubeletConfig(health: number): Promise<object> {
    return {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      address: "127.0.0.1",
      port: await freePort(),
      healthzPort: health,
      readOnlyPort: 0,
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: "AlwaysAllow" },
      containerRuntimeEndpoint: `unix://${this.socket}`,
      cgroupDriver: "cgroupfs",
      cgroupsPerQOS: false,
      enforceNodeAllocatable: [],
      failCgroupV1: false,
      failSwapOn: false,
      makeIPTablesUtilChains: false,
      localStorageCapacityIsolation: false,
      resolvConf: "/etc/resolv.conf",
      syncFrequency: "5s",
      configMapAndSecretChangeDetectionStrategy: "Watch",
      nodeStatusUpdateFrequency: "5s",
      shutdownGracePeriod: "0s",
      evictionHard: { "memory.available": "1Mi" },
    };
  }
}

function isWell(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path: "/healthz", timeout: 5000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on("error", reject);
    sent.end();
  });
}

/** This process's own program and the shared libraries that it loads, by their paths. */
async function nodeAndItsLibraries(): Promise<(readonly [string, string])[]> {
  const program = await readlink("/proc/self/exe");
  const { stdout } = await run("ldd", [program]);
  const libraries = stdout.match(/\/\S+(?= \(0x)/g) ?? [];
  return [["/bin/node", program], ...libraries.map((path) => [path, path] as const)];
}

/** The deepest first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const points = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => point.startsWith(`${folder}/`)).sort((a, b) => b.length - a.length);
}

async function killWhere(matches: (command: string) => boolean): Promise<void> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const id of ids) {
    const command = await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "");
    if (id === process.pid || !matches(command)) continue;
    try {
      process.kill(id, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}
