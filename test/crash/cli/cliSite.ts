/** A site whose runs are those of the real Pulumi CLI. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Properties } from "../../support/miniEngine";
import type { PostgresServer } from "../../support/postgres";
import { PulumiStack, type RunResult, type StateResource } from "../../support/stack";
import { SECRET, type Program, type SiteFacts } from "../program";
import { CHECKED } from "../roles";
import type { Run } from "../runs";
import { makeParts, OLD_PASSWORD, Site, type Parts, type State } from "../site";
import type { Stop } from "../victim";

/** Who is killed: the process of the provider, or the CLI, which is the engine. */
export type Column = "provider" | "engine";

const NOTICE_MS = 60_000;

export class CliSite extends Site {
  /** Who is killed by {@link stop}. */
  column: Column = "provider";
  private readonly stack: PulumiStack;
  private readonly clockFile: string;

  private constructor(parts: Parts) {
    super(parts);
    const { folder } = this.facts;
    this.clockFile = join(folder, "../clock");
    const home = join(folder, "../home");
    mkdirSync(home);
    this.stack = new PulumiStack({
      program: "",
      folder,
      env: {
        PULUMI_HOME: home,
        PGADMIN_URL: this.roles.adminUrl,
        OLD_PASSWORD,
        ROTATION_TEST_CLOCK: this.clockFile,
        NODE_OPTIONS: `--require ${resolve(__dirname, "../../support/preload.cjs")}`,
        NODE_COMPILE_CACHE: join(folder, "../compiled"),
      },
    });
  }

  static async open(server: PostgresServer): Promise<CliSite> {
    const site = new CliSite(await makeParts(server));
    await site.stack.init();
    return site;
  }

  async attempt(run: Run): Promise<Error | undefined> {
    const { code, output } = await this.start(run).done;
    return code === 0 ? undefined : new Error(`pulumi ${run.do}: ${complaintOf(output)}`);
  }

  private start(run: Run, env: Readonly<Record<string, string>> = {}) {
    writeFileSync(this.clockFile, String(this.clock.ahead));
    this.stack.program(sourceOf(this.facts, run));
    const only = run.onlySecret ? ["--target", this.resources().find(isCurrentSecret)?.urn ?? ""] : [];
    return this.stack.start([run.do, "--yes", "--skip-preview", ...only], env);
  }

  async stop(run: Run, stop: Stop): Promise<void> {
    const file = join(this.facts.folder, "../stopped");
    rmSync(file, { force: true });
    const { column } = this;
    const { child, done } = this.start(run, {
      ROTATION_TEST_STOP: JSON.stringify({ ...stop, column, file }),
      ...(column === "engine" ? { ROTATION_TEST_HURRY: "10" } : {}),
    });
    let ended: RunResult | undefined;
    void done.then((result) => (ended = result));
    while (!existsSync(file) && !ended) await pause(10);
    if (!existsSync(file))
      throw new Error(`the run never came to ${JSON.stringify(stop)}: ${complaintOf(ended?.output)}`);
    if (column === "provider") {
      await done;
      return;
    }
    await pause(10);
    const provider = Number(readFileSync(file, "utf8"));
    child.kill("SIGKILL");
    await done;
    rmSync(file);
    await this.seeItEnd(provider);
    await this.stack.must("cancel", "--yes");
  }

  /** Nobody tells the provider that its engine is gone. */
  private async seeItEnd(pid: number): Promise<void> {
    const until = Date.now() + NOTICE_MS;
    while (Date.now() < until) {
      if (!isRunning(pid)) return;
      await pause(20);
    }
    process.kill(pid, "SIGKILL");
    throw new Error("the provider did not notice that its engine was killed");
  }

  state(): State {
    const ours = this.resources().filter((resource) => resource.type.endsWith("rotation:SecretVersion"));
    return {
      secret: (ours.find((resource) => !resource.delete)?.outputs as Properties | undefined) ?? null,
      pending: ours.filter((resource) => resource.delete).length,
    };
  }

  private resources(): StateResource[] {
    const { checkpoint } = JSON.parse(this.stack.checkpoint()) as {
      checkpoint: { latest?: { resources?: StateResource[] } };
    };
    return checkpoint.latest?.resources ?? [];
  }

  override async close(): Promise<void> {
    await this.stack.dispose();
    await super.close();
  }
}

function isCurrentSecret(resource: StateResource): boolean {
  return resource.type.endsWith("rotation:SecretVersion") && !resource.delete;
}

/** The same program as the handler's sites have, as a user would write it. */
function sourceOf(site: SiteFacts, program: Program): string {
  const adopt = `adopt: { username: "app_${site.id}", password: rotation.secretFrom.env("OLD_PASSWORD") },`;
  return `
const db = new rotation.RotatingPostgresRole("${SECRET}", {
  connection: { host: "${site.host}", port: ${site.port}, database: "${site.database}", admin: rotation.secretFrom.env("PGADMIN_URL") },
  owner: "owner_${site.id}",
  memberOf: ["reader_${site.id}"${program.brokenGrants ? "" : `, "auditor_${site.id}"`}],
  assumeOwner: false,
  store: rotation.fileStore({ path: "./store", key: { keyFile: "./key" } }),
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "${program.soak ?? "1h"}" },
  ${program.adoptRole ? adopt : ""}
});
new rotation.Rollout("orders", {
  secrets: [db],
  consumers: [rotation.consumer.process({ name: "app", file: "./app.json", adoption: { url: "${site.appUrl}/adoption" }, adoptionTimeout: "5s", interval: "10ms" })],
  checks: [rotation.check.http({ name: "app-health", url: "${site.appUrl}/health", interval: "20ms", failureThreshold: 2 }),
    rotation.check.sql({ name: "books", query: "${CHECKED}", canary: false, interval: "20ms", failureThreshold: 2 })],
});
`;
}

function complaintOf(output = ""): string {
  const lines = output.split("\n").filter((line) => /error|Exception|refused/i.test(line));
  return (lines.length > 0 ? lines : output.split("\n")).slice(0, 4).join(" ").slice(0, 600);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolveAfter) => setTimeout(resolveAfter, ms));
}
