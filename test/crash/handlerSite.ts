/** A site whose runs are calls of the real handler, in the engine's order. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MiniStack } from "../support/miniEngine";
import type { PostgresServer } from "../support/postgres";
import { registerMintedRole } from "./mintedRole";
import { registerNamedFile } from "./namedFile";
import { perform, type Run } from "./runs";
import { makeParts, OLD_PASSWORD, Site, type Parts, type State } from "./site";
import type { Report, Stop } from "./victim";
import type { Victims } from "./victims";

registerMintedRole();
registerNamedFile();

export class HandlerSite extends Site {
  private stack = new MiniStack(this.clock);
  private savedState = "{}";

  protected constructor(
    parts: Parts,
    private readonly victims: Victims,
  ) {
    super(parts);
    process.env[`PGADMIN_${this.facts.id}`] = this.roles.adminUrl;
    process.env["OLD_PASSWORD"] = OLD_PASSWORD;
  }

  static async open(server: PostgresServer, victims: Victims): Promise<HandlerSite> {
    return new HandlerSite(await makeParts(server), victims);
  }

  attempt(run: Run): Promise<Error | undefined> {
    return perform(this.stack, this.facts, run);
  }

  async stop(run: Run, stop: Stop, hurry?: number): Promise<void> {
    const { stopped, killed } = await this.obey(run, stop, hurry);
    if (!stopped) throw new Error(`the run never came to ${JSON.stringify(stop)}`);
    if (killed !== (stop.moment !== "lost")) throw new Error(`the process was ${killed ? "" : "not "}killed`);
  }

  /** The run in a process of its own; what it called, and what it failed with. */
  async obey(run: Run, stop: Stop | null, hurry = 1): Promise<Report & { killed: boolean }> {
    const report = join(this.facts.folder, "report.json");
    const env = { [`PGADMIN_${this.facts.id}`]: this.roles.adminUrl, OLD_PASSWORD };
    const orders = { site: this.facts, run, env, ahead: this.clock.ahead, state: this.entries() };
    const killed = await this.victims.obey({ ...orders, stop, hurry, report });
    const found = JSON.parse(readFileSync(report, "utf8")) as Report;
    Object.assign(this.stack, found.state);
    return { ...found, killed };
  }

  private entries(): Partial<MiniStack> {
    const { secret, pending, rollout } = this.stack;
    return { secret, pending, rollout };
  }

  state(): State {
    return { secret: this.stack.secret?.outputs ?? null, pending: this.stack.pending.length };
  }

  override async save(): Promise<void> {
    await super.save();
    this.savedState = JSON.stringify(this.entries());
  }

  override async restore(): Promise<void> {
    await super.restore();
    this.stack = Object.assign(new MiniStack(this.clock), JSON.parse(this.savedState) as Partial<MiniStack>);
  }
}
