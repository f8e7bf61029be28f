/** The Pulumi CLI on a fresh stack with a backend in a temporary folder. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";

/** How long the CLI may take to end when it is told to. */
const PATIENCE_MS = 8000;

const ROOT = resolve(__dirname, "../../..");

export interface RunResult {
  readonly code: number;
  readonly output: string;
}

export class Stack {
  private readonly project: string;
  private readonly env: NodeJS.ProcessEnv;
  private running: ChildProcess | undefined;

  /** @param folder gets everything that Pulumi writes, the stack's configuration included. */
  constructor(private readonly folder: string) {
    this.project = join(folder, "project");
    for (const name of [this.project, join(folder, "backend"), join(folder, "home")]) mkdirSync(name);
    // This repository's own project and program; the CLI writes its files beside the project file it found.
    for (const name of ["Pulumi.yaml", "examples"]) symlinkSync(join(ROOT, name), join(this.project, name));
    this.env = {
      // Nothing of how the user works with Pulumi otherwise, such as an account or a stack.
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PULUMI_"))),
      PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
      PULUMI_HOME: join(folder, "home"),
      PULUMI_CONFIG_PASSPHRASE: randomBytes(18).toString("base64url"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // The program is checked by `npm run check`; there is no need to do it again in each run.
      PULUMI_NODEJS_TRANSPILE_ONLY: "true",
    };
  }

  /** Runs the CLI to its end, whatever the end is. */
  async run(args: readonly string[], input = ""): Promise<RunResult> {
    const child = spawn("pulumi", [...args, "--non-interactive", "--color", "never"], {
      cwd: this.project,
      env: this.env,
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own, which can be ended as a whole.
      detached: true,
    });
    this.running = child;
    child.stdin.end(input);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const code = await new Promise<number>((done, fail) => {
      child.once("error", fail);
      child.once("close", (status) => done(status ?? 1));
    });
    this.running = undefined;
    appendFileSync(join(this.folder, "pulumi.log"), `$ pulumi ${args.join(" ")}\n${output}\n`);
    return { code, output };
  }

  async must(args: readonly string[], input = ""): Promise<string> {
    const { code, output } = await this.run(args, input);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} exited with ${code}:\n${output}`);
    return output;
  }

  async init(plain: Readonly<Record<string, string>>, secrets: Readonly<Record<string, string>>): Promise<void> {
    await this.must(["stack", "init", "demo"]);
    const settings = Object.entries(plain).flatMap(([name, value]) => ["--plaintext", `${name}=${value}`]);
    await this.must(["config", "set-all", "--path", ...settings]);
    // From standard input: other users of the machine can see command lines.
    for (const [name, value] of Object.entries(secrets)) await this.must(["config", "set", "--secret", name], value);
  }

  /** Entries that wait to be deleted. */
  async pendingDeletes(): Promise<number> {
    const { deployment } = JSON.parse(await this.must(["stack", "export"])) as {
      deployment: { resources: { delete?: boolean }[] };
    };
    return deployment.resources.filter((resource) => resource.delete).length;
  }

  /** Asks a running CLI to end, so that it ends the processes that it has started itself, and then makes it end. */
  async stop(): Promise<void> {
    const child = this.running;
    if (child?.pid === undefined) return;
    const ended = once(child, "close");
    child.kill("SIGINT");
    const terminate = setTimeout(() => child.kill("SIGINT"), 1000);
    const kill = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    await ended;
    clearTimeout(terminate);
    clearTimeout(kill);
  }
}
