/**
 * The main job, live: a PostgreSQL credential is rotated under load and not one query fails; then a rotation whose new
 * version is broken is rolled back, and again not one query fails. Run it with `npm run demo`.
 *
 * Nothing here is assumed: each figure of the last line is counted, and the exit code is 0 only if all of it is so.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readCredential, type Credential } from "./apps/app";
import { canLogIn, startDatabase, type Database } from "./demo/database";
import { answersBetween, Load } from "./demo/load";
import { startApp, stopProcesses, type RunningApp } from "./demo/processes";
import { Stack, type RunResult } from "./demo/pulumi";
import { momentOf, recordsOf } from "./demo/records";
import { complaintsAbout, showSummary, verdictLine, type Evidence } from "./demo/summary";
import { bold, clock, digest, dim, green, indent, red, say } from "./demo/terminal";

/** All in seconds. An interval is longer than grace, soak and bake time together. */
const EVERY = 38;
const GRACE = 30;
const SOAK = 3;
/** For the version that is rejected: nobody ever worked with it. */
const SHORT_GRACE = 8;
/** To each application, while two versions live side by side. */
const QUERIES_SIDE_BY_SIDE = 5200;
/** Of one version; each run takes one step, and may find that it is too early. */
const MOST_RUNS_TO_RETIRE = 6;

class Demo {
  private readonly folder = mkdtempSync(join(tmpdir(), "rotation-demo-"));
  private readonly stack = new Stack(this.folder);
  private readonly passphrase = randomBytes(18).toString("base64url");
  private readonly records = recordsOf(join(this.folder, "store"), this.passphrase);
  private database: Database | undefined;
  private startedAt = Date.now();
  private disposing: Promise<void> | undefined;

  async run(): Promise<boolean> {
    say(bold("Setting up: PostgreSQL, two applications, a stack of their own"));
    const database = (this.database = await startDatabase());
    const rolesBefore = await database.roles();
    const pool = await startApp("pool", "apps/pool.ts", this.folder);
    const perRequest = await startApp("per-request", "apps/perRequest.ts", this.folder);
    await this.configure(database, [pool, perRequest]);

    this.startedAt = Date.now();
    await this.chapter("The first version", () => this.up());
    const load = Load.start(pool, perRequest, join(this.folder, "load.log"));
    const first = delivered(pool);
    expect(await canLogIn(first), "the first version works");
    await this.rotate(load);
    const second = delivered(pool);
    const oldRoleGone = !(await canLogIn(first)) && !(await database.roles()).includes(first.value.username);
    await this.rotateWithMistake(database, pool);
    const report = await load.stop();
    const tookMs = Date.now() - this.startedAt;

    const records = await this.records();
    const evidence: Evidence = {
      startedAt: this.startedAt,
      tookMs,
      load: report,
      records,
      first,
      second,
      oldRoleGone,
      survivors: await connectionsThatServedAcross(pool, momentOf(records, "promoted", second.version)),
      leftOver: [
        ...(await database.roles()).filter((role) => !rolesBefore.includes(role) && role !== second.value.username),
        ...records.ledger.versions
          .filter((one) => one.version !== records.ledger.active && one.endedAt === null)
          .map((one) => `v${one.version} (${one.state})`),
        ...Array.from({ length: await this.stack.pendingDeletes() }, () => "an entry in the Pulumi state"),
      ],
      activeRoleThere: (await database.roles()).includes(second.value.username),
    };
    const complaints = complaintsAbout(evidence);
    showSummary(evidence);
    for (const complaint of complaints) say(red(`NOT SO: ${complaint}`));
    say(verdictLine(evidence));
    return complaints.length === 0;
  }

  /** A rotation as it should be, from the schedule to the end of the former role. */
  private async rotate(load: Load): Promise<void> {
    await this.chapter("Waiting until a rotation is due", async () => {
      await this.until(momentOf(await this.records(), "issued", 1) + EVERY * 1000, "v1 is due");
    });
    await this.chapter("What would happen?", async () => {
      const { code, output } = await this.pulumi("preview", "--diff");
      expect(code === 0, "pulumi preview ends well");
      const reason = /~ (rotation *: .* => "v2: schedule.*")/.exec(output)?.[1];
      expect(reason !== undefined, "the preview names the reason");
      say(`           ${bold(reason)}`);
    });
    await this.chapter("It rotates, under load", async () => {
      await this.up();
      const { ledger } = await this.records();
      const former = ledger.versions.find((one) => one.version === 1);
      expect(ledger.active === 2 && former?.state === "superseded" && former.putOff !== null, "v1 is kept");
      const until = this.at((former.leftAt ?? 0) + GRACE * 1000);
      say(`         v1 still works; its end is put off until ${until} (${former.putOff.code})`);
    });
    await this.chapter("Nothing to do", () => this.up());
    // From here on this demo decides what happens when.
    await this.config("every", "90d");
    await this.retire(1, GRACE, () => this.watch(load));
  }

  /** A rotation that must not succeed: the new version lacks a right, and only the applications can notice. */
  private async rotateWithMistake(database: Database, pool: RunningApp): Promise<void> {
    await this.chapter("Somebody removes a group from the program by mistake", async () => {
      await this.stack.must(["config", "rm", "memberOf"]);
      const { code } = await this.pulumi("up", "--yes", "--skip-preview");
      expect(code !== 0, "the run fails");
      const log = readFileSync(join(this.folder, `${pool.name}.log`), "utf8");
      say(`         ${dim("the log of the pool:")} ${log.trim().split("\n").at(-1) ?? ""}`);
      const { ledger } = await this.records();
      expect(ledger.active === 2, "v2 is active again");
    });
    await this.chapter("The mistake is mended", async () => {
      await this.config("memberOf[0]", database.readers);
      await this.config("grace", `${SHORT_GRACE}s`);
      await this.up();
    });
    await this.retire(3, SHORT_GRACE);
  }

  /** Runs `pulumi up` whenever there is a next step towards the end of a version, as a daily pipeline would. */
  private async retire(version: number, grace: number, beforeTheEnd?: () => Promise<void>): Promise<void> {
    for (let run = 1; run <= MOST_RUNS_TO_RETIRE; run++) {
      const record = (await this.records()).ledger.versions.find((one) => one.version === version);
      if (!record || record.endedAt !== null) return;
      const disabled = record.disabledAt !== null;
      await this.chapter(disabled ? `The end of v${version}` : `The grace period of v${version} ends`, async () => {
        if (disabled) await beforeTheEnd?.();
        const next = disabled ? (record.disabledAt ?? 0) + SOAK * 1000 : (record.leftAt ?? 0) + grace * 1000;
        await this.until(next, disabled ? "it was disabled long enough" : "it may be disabled");
        await this.up();
      });
    }
    throw new Error(`v${version} was not retired by ${MOST_RUNS_TO_RETIRE} runs.`);
  }

  /** Until there is enough to count. */
  private async watch(load: Load): Promise<void> {
    const promoted = momentOf(await this.records(), "promoted", 2);
    say("         watching the applications for a while, with both versions alive");
    while (Object.values(answersBetween(await load.report(), promoted)).some((sum) => sum < QUERIES_SIDE_BY_SIDE))
      await delay(1000);
  }

  private async configure(database: Database, apps: readonly RunningApp[]): Promise<void> {
    await this.stack.init(
      {
        host: database.host,
        port: String(database.port),
        database: database.name,
        owner: database.owner,
        "memberOf[0]": database.readers,
        store: join(this.folder, "store"),
        every: `${EVERY}s`,
        grace: `${GRACE}s`,
        soak: `${SOAK}s`,
        ...Object.fromEntries(
          apps.flatMap((app, index) => Object.entries(app).map(([key, value]) => [`apps[${index}].${key}`, value])),
        ),
      },
      { adminUrl: database.adminUrl, storePassphrase: this.passphrase },
    );
  }

  private async config(name: string, value: string): Promise<void> {
    say(dim(`         $ pulumi config set --path '${name}' ${value}`));
    await this.stack.must(["config", "set", "--path", name, value]);
  }

  private async up(): Promise<void> {
    const { code } = await this.pulumi("up", "--yes", "--skip-preview");
    expect(code === 0, "pulumi up ends well");
  }

  private async pulumi(...args: string[]): Promise<RunResult> {
    const started = Date.now();
    say(dim(`         $ pulumi ${args.join(" ")}`));
    const result = await this.stack.run(args);
    for (const line of digest(result.output)) say(indent(line, 11));
    const took = `${((Date.now() - started) / 1000).toFixed(1)} s`;
    say(
      `           ${result.code === 0 ? green(`done in ${took}`) : red(`failed with exit code ${result.code} in ${took}`)}`,
    );
    return result;
  }

  private async chapter(title: string, work: () => Promise<void>): Promise<void> {
    say(`\n${this.at(Date.now()).padStart(6)}   ${bold(title)}`);
    await work();
  }

  private async until(moment: number, what: string): Promise<void> {
    const ms = moment - Date.now() + 200;
    if (ms <= 200) return;
    say(`         waiting for ${clock(ms)}, until ${what}`);
    await delay(ms);
  }

  private at(moment: number): string {
    return clock(moment - this.startedAt);
  }

  get isStopped(): boolean {
    return this.disposing !== undefined;
  }

  /** Leaves nothing behind. */
  dispose(): Promise<void> {
    return (this.disposing ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    stopProcesses();
    await this.stack.stop();
    if (process.env["DEMO_KEEP"]) say(`Kept: ${this.folder}`);
    else rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    await this.database?.stop();
  }
}

/** The credential that an application was given. Its password is never printed. */
function delivered(app: RunningApp): Credential {
  return readCredential(join(app.folder, "credential.json"));
}

/** How many connections of the pool were opened before a moment and served queries after it, as the pool says. */
async function connectionsThatServedAcross(pool: RunningApp, moment: number): Promise<number> {
  const answer = await fetch(`${pool.url}/connections`);
  const connections = (await answer.json()) as { openedAt: number; lastQueryAt: number }[];
  return connections.filter(({ openedAt, lastQueryAt }) => openedAt < moment && lastQueryAt > moment).length;
}

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`It was expected that ${what}. It is not so.`);
}

async function main(): Promise<void> {
  const demo = new Demo();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => void demo.dispose().finally(() => process.exit(128 + constants.signals[name])));
  try {
    process.exitCode = (await demo.run()) ? 0 : 1;
  } catch (error) {
    if (!demo.isStopped) say(red((error as Error).message));
    process.exitCode = 1;
  } finally {
    await demo.dispose();
  }
}

void main();
