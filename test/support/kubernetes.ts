/** A real Kubernetes API server with its etcd, on loopback: RBAC on, users by token, and what else a test starts with it. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "./selfSigned";
import { ServerProcess, untilServed } from "./serverProcess";
import { freePort, serverFile } from "./servers";

const READY_WITHIN_MS = 90_000;
/** Name and token; `admin` may do everything, the others what a test's Role allows. */
const USERS = { admin: "admin-token", pipeline: "pipeline-token", app: "app-token", nobody: "nobody-token" } as const;

export type User = keyof typeof USERS;

export interface KubernetesServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Where the certificate and the key of the user "test" are: client.crt, client.key. */
  readonly folder: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
  token(user: User): string;
  /** The path of a kubeconfig for this user, at this server or at another address. */
  kubeconfig(user: User, url?: string): Promise<string>;
  /** One request as this user; the parsed answer. A text is sent as YAML. */
  ask(user: User, method: string, path: string, body?: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

export interface Answer {
  readonly code: number;
  readonly body: any;
}

/** Started when the API server is ready, ended before it. */
export interface Program {
  readonly file: string;
  readonly flags: readonly string[];
}

/** @param more the programs to start with it, and until when to wait for them. */
export async function startKubernetes(
  more: (server: KubernetesServer) => Promise<readonly Program[]> = () => Promise.resolve([]),
  isReady: (server: KubernetesServer) => Promise<boolean> = () => Promise.resolve(true),
): Promise<KubernetesServer> {
  const folder = await mkdtemp(join(tmpdir(), "rotation-kubernetes-"));
  const processes: ServerProcess[] = [];
  const stop = async () => {
    // The API server first: it complains for long when its etcd is gone.
    for (const running of processes.reverse()) await running.kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const etcdPort = await freePort();
    const etcd = new ServerProcess(serverFile("bin/etcd"), etcdFlags(folder, etcdPort, await freePort()));
    processes.push(etcd);
    const port = await freePort();
    await writeCredentials(folder);
    const api = new ServerProcess(serverFile("bin/kube-apiserver"), apiFlags(folder, etcdPort, port));
    processes.push(api);
    const server = connectTo(folder, port, stop);
    await untilServed("the API server is ready", processes, READY_WITHIN_MS, async () => {
      await server.load();
      return (await server.ask("admin", "GET", "/readyz")).code === 200;
    });
    for (const { file, flags } of await more(server)) processes.push(new ServerProcess(file, flags));
    await untilServed("what was started with it is ready", processes, READY_WITHIN_MS, () => isReady(server));
    return server;
  } catch (error) {
    await stop();
    throw error;
  }
}

function connectTo(
  folder: string,
  port: number,
  stop: () => Promise<void>,
): KubernetesServer & { load(): Promise<void> } {
  const host = "127.0.0.1";
  const url = `https://${host}:${port}`;
  let authority = "";
  return {
    host,
    port,
    url,
    folder,
    get authority() {
      return authority;
    },
    async load() {
      authority = await readFile(join(folder, "certs", "apiserver.crt"), "utf8");
    },
    token: (user) => USERS[user],
    async kubeconfig(user, at = url) {
      const path = join(folder, `${user}-${new URL(at).port}.kubeconfig`);
      await writeFile(path, kubeconfigFor(at, authority, USERS[user]), { mode: 0o600 });
      return path;
    },
    ask: (user, method, path, body) => ask({ host, port, authority, token: USERS[user] }, method, path, body),
    stop,
  };
}

export function kubeconfigFor(url: string, authority: string, token: string, more = ""): string {
  const ca = Buffer.from(authority).toString("base64");
  return `apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "${url}", certificate-authority-data: ${ca}}}]
users: [{name: test, user: {token: ${token}}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
${more}`;
}

function etcdFlags(folder: string, client: number, peer: number): string[] {
  const [clients, peers] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

function apiFlags(folder: string, etcd: number, port: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    // It writes a certificate of its own there, and the authority's behind it.
    `--cert-dir=${join(folder, "certs")}`,
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${join(folder, "sa.key")}`,
    `--service-account-signing-key-file=${join(folder, "sa.key")}`,
    `--token-auth-file=${join(folder, "tokens.csv")}`,
    // Whoever has the key of this certificate is the user "test" that it names.
    `--client-ca-file=${join(folder, "client.crt")}`,
    "--authorization-mode=RBAC",
    "--disable-admission-plugins=ServiceAccount",
  ];
}

async function writeCredentials(folder: string): Promise<void> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const options = { mode: 0o600 };
  await writeFile(join(folder, "sa.key"), privateKey.export({ type: "pkcs1", format: "pem" }), options);
  const client = selfSigned("client.test", { commonName: "test" });
  await writeFile(join(folder, "client.crt"), client.certificate, options);
  await writeFile(join(folder, "client.key"), client.key, options);
  const lines = Object.entries(USERS).map(
    ([user, token]) => `${token},${user},${user},"${user === "admin" ? "system:masters" : "testers"}"`,
  );
  await writeFile(join(folder, "tokens.csv"), lines.join("\n"), options);
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly token: string;
}

function ask({ host, port, authority, token }: Target, method: string, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": contentType(method, body) };
    const options = { host, port, path, method, headers, ca: authority, timeout: 10_000, agent: false };
    const sent = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ code: response.statusCode ?? 0, body: parse(text) }));
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    sent.on("error", reject);
    sent.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
  });
}

function contentType(method: string, body: unknown): string {
  if (Array.isArray(body)) return "application/json-patch+json";
  if (typeof body === "string") return "application/yaml";
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
