/**
 * A real Pulumi stack for a test: its own file backend, its own program folder, the real CLI. The program is plain
 * JavaScript and gets the built package from a link in its node_modules, as a user's program would.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");

export interface RunResult {
  readonly code: number | null;
  /** Standard output and error, in the order in which they came. */
  readonly output: string;
}

export interface StackOptions {
  /** The body of the program; `pulumi` and `rotation` are there. */
  readonly program: string;
  readonly project?: string;
  readonly stack?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The `node_modules` with another version of `@pulumi/pulumi`; the package is a copy then, so that it uses that too. */
  readonly sdk?: string;
  /** Shares the program folder's parent, for secrets that two stacks use. */
  readonly folder?: string;
}

const HEADER = `const pulumi = require("@pulumi/pulumi");\nconst rotation = require("pulumi-rotating-secrets");\n`;

export class PulumiStack {
  readonly folder: string;
  readonly name: string;
  readonly env: Record<string, string>;
  /** What every run of the CLI printed so far. */
  readonly outputs: string[] = [];
  private readonly children = new Set<ChildProcess>();

  constructor(options: StackOptions) {
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), "rotation-stack-"));
    this.name = options.stack ?? "dev";
    for (const part of ["backend", "home", "node_modules/@pulumi"])
      mkdirSync(join(this.folder, part), { recursive: true });
    if (options.sdk === undefined) symlinkSync(ROOT, join(this.folder, "node_modules/pulumi-rotating-secrets"));
    else copyPackage(join(this.folder, "node_modules"));
    const modules = options.sdk ?? join(ROOT, "node_modules");
    symlinkSync(join(modules, "@pulumi/pulumi"), join(this.folder, "node_modules/@pulumi/pulumi"));
    writeFileSync(
      join(this.folder, "Pulumi.yaml"),
      `name: ${options.project ?? "shop"}\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n`,
    );
    writeFileSync(join(this.folder, "package.json"), JSON.stringify({ name: "program", main: "index.js" }));
    this.program(options.program);
    this.env = {
      ...(process.env as Record<string, string>),
      PULUMI_BACKEND_URL: `file://${join(this.folder, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_HOME: join(this.folder, "home"),
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "1",
      CI: "true",
      ...options.env,
    };
  }

  /** Replaces the program. */
  program(body: string): void {
    writeFileSync(join(this.folder, "index.js"), HEADER + body);
  }

  async init(): Promise<this> {
    await this.must("stack", "init", this.name);
    return this;
  }

  /** Starts the CLI and leaves it running. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    stdin: "ignore" | "pipe" = "ignore",
  ): { child: ChildProcess; done: Promise<RunResult> } {
    const child = spawn("pulumi", [...args, "--non-interactive"], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: [stdin, "pipe", "pipe"],
    });
    this.children.add(child);
    let output = "";
    child.stdout?.on("data", (data) => (output += String(data)));
    child.stderr?.on("data", (data) => (output += String(data)));
    const done = new Promise<RunResult>((resolveDone) => {
      child.on("close", (code) => {
        this.children.delete(child);
        this.outputs.push(output);
        resolveDone({ code, output });
      });
    });
    return { child, done };
  }

  async run(...args: string[]): Promise<RunResult> {
    return this.start(args).done;
  }

  /** @param input what the CLI reads from its standard input. */
  async answer(input: string, ...args: string[]): Promise<RunResult> {
    const { child, done } = this.start(args, {}, "pipe");
    child.stdin?.end(input);
    return done;
  }

  /** @throws when the CLI fails, with all it printed. */
  async must(...args: string[]): Promise<string> {
    const { code, output } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} exited with ${code}:\n${output}`);
    return output;
  }

  up(...args: string[]): Promise<RunResult> {
    return this.run("up", "--yes", "--skip-preview", ...args);
  }

  mustUp(...args: string[]): Promise<string> {
    return this.must("up", "--yes", "--skip-preview", ...args);
  }

  /** The checkpoint as it is on disk. */
  checkpoint(): string {
    return readFileSync(
      join(this.folder, "backend/.pulumi/stacks", readProject(this.folder), `${this.name}.json`),
      "utf8",
    );
  }

  async exported(): Promise<{ deployment: { resources?: StateResource[] } }> {
    return JSON.parse(await this.must("stack", "export")) as { deployment: { resources?: StateResource[] } };
  }

  /** The entries of one of our types, pending deletes included. */
  async entries(type: "SecretVersion" | "Rollout"): Promise<StateResource[]> {
    const { deployment } = await this.exported();
    return (deployment.resources ?? []).filter((entry) => entry.type === `pulumi-nodejs:dynamic/rotation:${type}`);
  }

  async dispose(): Promise<void> {
    for (const child of this.children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly delete?: boolean;
  readonly inputs: Record<string, unknown>;
  readonly outputs: Record<string, unknown>;
}

/** As npm would install it. */
function copyPackage(modules: string): void {
  const target = join(modules, "pulumi-rotating-secrets");
  mkdirSync(target);
  for (const part of ["dist", "package.json"]) cpSync(join(ROOT, part), join(target, part), { recursive: true });
  for (const dependency of ["commander", "croner", "luxon", "pg", "zod"])
    symlinkSync(join(ROOT, "node_modules", dependency), join(modules, dependency));
}

function readProject(folder: string): string {
  return /^name: (.*)$/m.exec(readFileSync(join(folder, "Pulumi.yaml"), "utf8"))?.[1] ?? "";
}
