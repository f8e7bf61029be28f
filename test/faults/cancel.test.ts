import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { verifyChain } from "../../provider/audit/verify";
import { processStart } from "../../provider/rotation/process";
import { Site } from "../engine/site";
import type { RunResult } from "../support/stack";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Every wait of these tests is longer than this; an interrupted run, with all that the CLI does at its end, is not. */
const PROMPT_MS = 15_000;

/** In each test a run that has rotated waits in its rollout, and is ended; each goes on from where the last one stopped. */
describe("a run that is told to end", function () {
  this.timeout(180_000);
  let site: Site;
  before(async () => {
    site = await Site.open();
    program({});
    await site.stack.mustUp();
    site.advance(91 * DAY);
  });
  after(async () => {
    await site.close();
  });

  /** The usual program, but for what its rollout waits for. */
  function program({ consumer = "", checks = "" }: { consumer?: string; checks?: string }): void {
    const { url } = site.app;
    site.program({
      secret: "unconfirmed: { attempts: 20 },",
      rollout: `consumers: [rotation.consumer.process({ name: "app", file: "./app.json", adoption: { url: "${url}/adoption" }, interval: "50ms", ${consumer} })],
  checks: [rotation.check.http({ name: "app-health", url: "${url}/health", interval: "100ms" }), ${checks}],`,
    });
  }

  interface Run {
    readonly cli: number;
    readonly provider: number;
    readonly done: Promise<RunResult>;
  }

  /** A run that has come to where `waits` is true. */
  async function waiting(waits: () => Promise<boolean> | boolean): Promise<Run> {
    const { child, done } = site.stack.start(["up", "--yes", "--skip-preview"]);
    let ended: RunResult | undefined;
    void done.then((result) => (ended = result));
    while (!(await waits())) {
      if (ended) throw new Error(`the run ended before it waited:\n${ended.output}`);
      await delay(50);
    }
    return { cli: child.pid ?? 0, provider: providerOf(child.pid ?? 0), done };
  }

  function providerOf(cli: number): number {
    const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
    const found = lines
      .map((line) => line.trim().split(/ +/))
      .find(([, parent, ...args]) => Number(parent) === cli && args.join(" ").includes("dynamic-provider"));
    return Number(found?.[0]);
  }

  async function gone(pid: number): Promise<void> {
    const until = Date.now() + PROMPT_MS;
    while (processStart(pid) !== undefined) {
      assert.ok(Date.now() < until, `process ${pid} stays`);
      await delay(50);
    }
  }

  /** Everything is as a run leaves it that has rotated and stopped before its rollout confirmed. */
  async function standsStill(): Promise<void> {
    const ledger = await site.ledger();
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.equal(ledger?.rotation?.phase, "confirming");
    assert.equal(ledger.lease, null, "the lease was given back");
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    assert.equal((await fetch(`${site.app.url}/health`)).status, 200);
  }

  async function finished(): Promise<void> {
    program({});
    await site.stack.mustUp();
    assert.equal((await site.ledger())?.rotation?.phase, "done");
    assert.equal(site.delivered(), 2);
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    const ledger = await site.ledger();
    assert.deepEqual(verifyChain(await site.trail(), ledger ? { expectedHead: ledger.audit } : {}), []);
  }

  /** Whether this run has rolled the consumer: it is asked first before the run starts. */
  function rolled(): () => Promise<boolean> {
    let before: number | undefined;
    return async () => {
      const events = (await site.trail()).filter((event) => event?.step === "rolled").length;
      before ??= events;
      return events > before;
    };
  }

  function delivered(): () => boolean {
    const before = statSync(join(site.stack.folder, "app.json")).mtimeMs;
    return () => statSync(join(site.stack.folder, "app.json")).mtimeMs !== before;
  }

  it("by Ctrl-C ends each of its waits at once, says where things stand, and the next run goes on", async () => {
    const { url } = site.app;
    const waits: {
      name: string;
      program: Parameters<typeof program>[0];
      until: () => () => Promise<boolean> | boolean;
    }[] = [
      {
        name: "for an answer of the database",
        program: { checks: `rotation.check.sql({ name: "slow", query: "SELECT pg_sleep(120)", timeout: "2m" })` },
        until: () => async () =>
          (
            await site.superuser.query(
              "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()",
            )
          ).rows.length > 0,
      },
      {
        name: "for a consumer to serve again",
        program: { consumer: `ready: { url: "${url}/health", expectStatus: 204 }, readyTimeout: "2m"` },
        until: delivered,
      },
      {
        name: "for a consumer to adopt the version",
        program: { consumer: `adoption: { url: "${url}/health" }, adoptionTimeout: "2m"` },
        until: delivered,
      },
      {
        name: "for health to hold",
        program: { checks: `rotation.check.http({ name: "baking", url: "${url}/health", bake: "2m" })` },
        until: rolled,
      },
    ];
    for (const wait of waits) {
      program(wait.program);
      const run = await waiting(wait.until());
      const at = Date.now();
      process.kill(run.cli, "SIGINT");
      const { code, output } = await run.done;
      assert.ok(Date.now() - at < PROMPT_MS, `it waits ${wait.name}: ${Date.now() - at} ms`);
      assert.notEqual(code, 0);
      assert.match(
        output,
        /The run was cancelled \(Ctrl-C, or SIGTERM to pulumi\)\. It starts nothing more, and nothing is rolled back\. Run pulumi up again/,
      );
      assert.match(output, /orders-db: v2 is active; v1 is superseded; v2 is not confirmed yet\./);
      await gone(run.provider);
      await standsStill();
    }
  });

  it("by Ctrl-C lets a restart command finish, so that the process is not left stopped", async () => {
    const at = (name: string) => join(site.stack.folder, name);
    const script = `require("fs").writeFileSync(${JSON.stringify(at("stopped"))}, ""); setTimeout(() => require("fs").writeFileSync(${JSON.stringify(at("started"))}, ""), 1500)`;
    program({ consumer: `restart: { command: [process.execPath, "-e", ${JSON.stringify(script)}] }` });
    const run = await waiting(() => existsSync(at("stopped")));
    process.kill(run.cli, "SIGINT");
    const { output } = await run.done;
    assert.match(output, /The run was cancelled/);
    assert.ok(existsSync(at("started")));
    await standsStill();
  });

  it("by Ctrl-C twice is killed with its provider, and the next run goes on without being asked", async () => {
    program({ checks: `rotation.check.http({ name: "baking", url: "${site.app.url}/health", bake: "2m" })` });
    const hold = join(site.stack.folder, "hold");
    // Held at a call, so that the first Ctrl-C cannot end it.
    Object.assign(site.stack.env, { ROTATION_TEST_HOLD: `audit.record:after=${hold}` });
    const run = await waiting(() => existsSync(hold));
    Object.assign(site.stack.env, { ROTATION_TEST_HOLD: "" });
    process.kill(run.cli, "SIGINT");
    await delay(500);
    process.kill(run.cli, "SIGINT");
    const { code } = await run.done;
    assert.notEqual(code, 0);
    await gone(run.provider);
    assert.ok((await site.ledger())?.lease, "the lease of a killed run is still there, and void");
  });

  it("by SIGTERM to the provider ends its wait, gives its lease back and leaves", async () => {
    program({ checks: `rotation.check.http({ name: "baking", url: "${site.app.url}/health", bake: "2m" })` });
    const run = await waiting(rolled());
    const at = Date.now();
    process.kill(run.provider, "SIGTERM");
    await gone(run.provider);
    const { code } = await run.done;
    assert.ok(Date.now() - at < PROMPT_MS);
    assert.notEqual(code, 0);
    await standsStill();
  });

  it("because its engine was killed leaves no process behind, and gives its lease back", async () => {
    program({ checks: `rotation.check.http({ name: "baking", url: "${site.app.url}/health", bake: "2m" })` });
    const run = await waiting(rolled());
    process.kill(run.cli, "SIGKILL");
    await run.done;
    await gone(run.provider);
    await standsStill();
    await site.stack.must("cancel", "--yes");
  });

  it("only by pulumi cancel goes on, and keeps a second run out by its lease", async () => {
    program({ checks: `rotation.check.http({ name: "baking", url: "${site.app.url}/health", bake: "15s" })` });
    const run = await waiting(rolled());
    await site.stack.must("cancel", "--yes");
    const second = await site.stack.up();
    assert.notEqual(second.code, 0);
    assert.match(second.output, /another run holds the lease: run \w+ of .* This run has done nothing/);
    await run.done;
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.equal((await site.ledger())?.rotation?.phase, "done");
    await finished();
  });
});
