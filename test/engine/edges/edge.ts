/** A test of one of the engine's sharp edges: a site whose promises are watched from the first command to the last. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { RunResult, StackOptions, StateResource } from "../../support/stack";
import { Site, type ProgramOptions } from "../site";
import { Watch } from "./watch";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const BINARY = resolve(__dirname, "../../../dist/cli/main.js");
/** A superseded version goes with the first run after its grace: fewer runs to wait for. */
const WITHOUT_SOAK = 'retirement: { grace: "1h", soak: "0s" },';

const TYPES = {
  secret: "pulumi-nodejs:dynamic/rotation:SecretVersion",
  rollout: "pulumi-nodejs:dynamic/rotation:Rollout",
  component: "rotation:index:RotatingPostgresRole",
};

/** Defines a test. It fails, too, when one of the promises was broken on the way. */
export function edge(
  title: string,
  body: (at: Edge) => Promise<void>,
  options: () => Promise<Partial<StackOptions>> = async () => ({}),
): void {
  it(title, async () => {
    const site = await Site.open(await options());
    const watch = Watch.start(site);
    try {
      const at = new Edge(site, watch);
      at.program();
      await body(at);
      await watch.assertKept();
    } finally {
      await watch.end();
      await site.close();
    }
  }).timeout(600_000);
}

export class Edge {
  constructor(
    readonly site: Site,
    private readonly watch: Watch,
  ) {}

  /** @param options as a string: options of the secret's component, as source text. */
  program(options: ProgramOptions = {}, component = "{}"): string {
    const source = this.site.source({ ...options, secret: `${WITHOUT_SOAK}${options.secret ?? ""}` });
    const text = source.replace(/\n\}\);\nexports\.ref/, `\n}, ${component});\nexports.ref`);
    this.site.stack.program(text);
    return text;
  }

  pulumi(...args: string[]): Promise<RunResult> {
    return this.site.stack.run(...args);
  }

  up(...args: string[]): Promise<string> {
    return this.site.stack.mustUp(...args);
  }

  /** A run that fails, and says why. */
  async refused(expected: RegExp, ...args: string[]): Promise<string> {
    const command = args.length > 0 ? args : ["up", "--yes", "--skip-preview"];
    const { code, output } = await this.site.stack.run(...command);
    assert.notEqual(code, 0, output);
    assert.match(output, expected);
    return output;
  }

  destroy(...args: string[]): Promise<string> {
    return this.site.stack.must("destroy", "--yes", "--skip-preview", ...args);
  }

  /** The app is switched off; from here on its credential may go. */
  consumersEnd(): void {
    this.watch.consumersEnd();
  }

  advance(ms: number): void {
    this.site.advance(ms);
  }

  /** The next rotation becomes due. */
  becomeDue(): void {
    this.advance(91 * DAY);
  }

  async rotation(...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [BINARY, ...args], {
      cwd: this.site.stack.folder,
      env: this.site.stack.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (output += String(data)));
    const code = await new Promise<number | null>((done) => child.on("close", done));
    this.site.stack.outputs.push(output);
    assert.equal(code, 0, output);
    return output;
  }

  /** The versions of the entries in the Pulumi state, the ones that are pending delete with a mark. */
  async entries(): Promise<string[]> {
    const found = await this.site.stack.entries("SecretVersion");
    return found.map((entry) => `${entry.id?.split("/")[1]}${entry.delete ? " pending delete" : ""}`);
  }

  async urn(of: keyof typeof TYPES): Promise<string> {
    const { deployment } = await this.site.stack.exported();
    const found = deployment.resources?.find(({ type }) => type === TYPES[of]);
    assert.ok(found, `the state has a ${of}`);
    return found.urn;
  }

  /** What `pulumi stack export` keeps, for {@link importState}. */
  async exportState(name: string): Promise<string> {
    const file = join(this.site.stack.folder, `${name}.json`);
    await this.site.stack.must("stack", "export", "--file", file);
    return file;
  }

  async importState(file: string): Promise<void> {
    await this.site.stack.must("stack", "import", "--file", file);
  }

  /** As somebody who edits what `pulumi stack export` gave. */
  async editState(edit: (resources: StateResource[]) => StateResource[]): Promise<void> {
    const file = await this.exportState("edited");
    const state = JSON.parse(readFileSync(file, "utf8")) as { deployment: { resources: StateResource[] } };
    state.deployment.resources = edit(state.deployment.resources);
    writeFileSync(file, JSON.stringify(state));
    await this.importState(file);
  }

  /** @param expected the versions that are not over, and their states. */
  async assertVersions(expected: Record<string, string>, message?: string): Promise<void> {
    const over = new Set(["retired", "abandoned"]);
    const states = Object.entries(await this.site.states()).filter(([, state]) => !over.has(state));
    assert.deepEqual(Object.fromEntries(states), expected, message);
  }

  /** What the rollouts in the ledger may use, and what those that left may still use. */
  async users(): Promise<{ registered: Record<string, unknown>; left: Record<string, unknown> }> {
    const ledger = await this.site.ledger();
    const sets = (all: Record<string, { mayUse: unknown }> = {}) =>
      Object.fromEntries(Object.entries(all).map(([key, { mayUse }]) => [key, mayUse]));
    return { registered: sets(ledger?.rollouts), left: sets(ledger?.residues) };
  }
}
