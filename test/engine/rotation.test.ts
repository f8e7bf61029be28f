import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyChain } from "../../provider/audit/verify";
import { Site } from "./site";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("pulumi up with a rotating PostgreSQL role", function () {
  this.timeout(180_000);
  let site: Site;
  beforeEach(async () => {
    site = await Site.open();
    site.program();
  });
  afterEach(async () => {
    await site.close();
  });

  async function created(): Promise<void> {
    await site.stack.mustUp();
    assert.deepEqual(await site.states(), { v1: "active" });
  }

  async function verifyTrail(): Promise<string[]> {
    const ledger = await site.ledger();
    const events = await site.trail();
    assert.deepEqual(verifyChain(events, { ...(ledger ? { expectedHead: ledger.audit } : {}) }), []);
    return events.map((event) => event?.step ?? "unreadable");
  }

  it("creates the first version, does nothing while nothing is due, rotates when it is, and retires last", async () => {
    await created();
    assert.equal(site.delivered(), 1);
    assert.match(await site.stack.mustUp(), /4 unchanged/);

    site.advance(91 * DAY);
    const preview = await site.stack.must("preview", "--diff");
    assert.match(preview, /rotation\s*: "v1: first version" => "v2: schedule, 91 days old, every 90d"/);
    assert.deepEqual(await site.states(), { v1: "active" }, "a preview has no side effect");
    const rotated = await site.stack.mustUp();
    assert.match(rotated, /v2: schedule, 91 days old, every 90d/);
    assert.match(rotated, /the grace period of v1 goes on until/);
    assert.equal(site.delivered(), 2);
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    assert.match(await site.stack.mustUp(), /4 unchanged/);

    site.advance(HOUR);
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: ["v1"] });
    site.advance(HOUR);
    assert.match(await site.stack.mustUp(), /v1 is revoked, proven dead and deleted/);
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: [] });
    assert.match(await site.stack.mustUp(), /4 unchanged/);

    const steps = await verifyTrail();
    const order = ["proposed", "staged", "issued", "verified", "promoting", "promoted", "rolled", "confirmed"];
    assert.deepEqual(
      steps.filter((step) => order.includes(step)),
      [...order, ...order],
    );
    assert.deepEqual(steps.slice(-3), ["retiring", "revoked", "retired"]);
  });

  it("rotates on demand with --replace, and hands the active version out again while another one is live", async () => {
    await created();
    const urn = (await site.stack.entries("SecretVersion"))[0]?.urn ?? "";
    await site.stack.mustUp("--replace", urn);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.match(await site.stack.mustUp("--replace", urn), /a forced rotation has to wait: the grace period of v1/);
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
  });

  it("rolls a failed rollout back in the same run, returns in the next, and retires the rejected version", async () => {
    await created();
    site.program({ secret: "memberOf: []," });
    const failed = await site.stack.up();
    assert.notEqual(failed.code, 0);
    assert.match(failed.output, /app-health.*503/);
    assert.match(failed.output, /Rolled back in this run to orders-db v1\. app: back on orders-db v1/);
    assert.equal(site.delivered(), 1);
    assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
    site.program();
    assert.match(await site.stack.mustUp(), /v1: handed out again, v2 was rejected/);
    assert.equal((await site.stack.entries("SecretVersion"))[0]?.outputs["version"], 1);
    site.advance(HOUR);
    await site.stack.mustUp();
    site.advance(HOUR);
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v1"], disabled: [] });
    await verifyTrail();
  });

  it("leaves both versions live when a resource of the program fails before the rollout, and gives up after three runs", async () => {
    writeFileSync(
      join(site.stack.folder, "native.js"),
      `const fs = require("node:fs");
const apply = (news) => { if (fs.existsSync("native-fails")) throw new Error("the native resource fails"); fs.writeFileSync("native-ref", news.ref); };
module.exports = { create: async (news) => (apply(news), { id: "native", outs: news }), diff: async (_id, olds, news) => ({ changes: olds.ref !== news.ref }), update: async (_id, _olds, news) => (apply(news), { outs: news }) };`,
    );
    const between = `class Native extends pulumi.CustomResource { constructor(name, args) { super("pulumi-nodejs:dynamic/test:Native", name, { ...args, __provider: 'exports.handler=()=>require("${site.stack.folder}/native.js")' }); } }
dependents.push(new Native("app-config", { ref: db.ref }));`;
    site.program({ between, rollout: 'evidence: "engine",' });
    await created();
    writeFileSync(join(site.stack.folder, "native-fails"), "");
    site.advance(91 * DAY);
    for (const run of [1, 2, 3]) {
      const { code, output } = await site.stack.up();
      assert.notEqual(code, 0, `run ${run}`);
      assert.match(output, /the native resource fails/);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" }, `run ${run}`);
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    }
    rmSync(join(site.stack.folder, "native-fails"));
    assert.match(await site.stack.mustUp(), /v1: return from v2, unconfirmed after 3 runs/);
    assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
    assert.equal(site.delivered(), 1);
  });

  it("keeps the superseded version when only the secret is targeted, though the engine deletes its entry", async () => {
    await created();
    site.advance(91 * DAY);
    const urn = (await site.stack.entries("SecretVersion"))[0]?.urn ?? "";
    assert.match(await site.stack.mustUp("--target", urn), /v2 is not confirmed by: rollout orders/);
    site.advance(3 * HOUR);
    await site.stack.mustUp("--target", urn);
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    await site.stack.mustUp();
    await site.stack.mustUp();
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: ["v2"], disabled: ["v1"] });
  });

  it("waits for the rollout of another stack, and refuses a teardown while that is registered", async () => {
    await created();
    const other = await Site.open({ project: "reports" });
    try {
      const store = `{ type: "file", path: "${site.stack.folder}/secrets/orders-db", key: { passphrase: rotation.secretFrom.env("STORE_KEY") } }`;
      const program = (ref: string) =>
        other.stack
          .program(`new rotation.Rollout("reports", { secrets: [{ name: "orders-db", store: ${store}, ref: "${ref}" }],
  consumers: [rotation.consumer.process({ name: "reports", file: "./app.json", adoption: { url: "${other.app.url}/adoption" } })] });`);
      program("orders-db/v1@1");
      await other.stack.mustUp();
      site.advance(91 * DAY);
      await site.stack.mustUp();
      site.advance(2 * HOUR);
      assert.match(await site.stack.mustUp(), /unchanged/);
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
      const refused = await site.stack.run("destroy", "--yes", "--skip-preview");
      assert.match(
        refused.output,
        /cannot be torn down while other stacks use it: rollout reports of organization\/reports\/dev/,
      );
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
      program("orders-db/v2@2");
      await other.stack.mustUp();
      // The refused destroy had taken this stack's own rollout away. It registers again, and as it may use anything, v1
      // has to work and has its whole grace before it.
      await site.stack.mustUp();
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
      site.advance(HOUR);
      await site.stack.mustUp();
      assert.deepEqual(await site.roles(), { live: ["v2"], disabled: ["v1"] });
    } finally {
      await other.close();
    }
  });

  it("tears the secret down when it is taken out of the program", async () => {
    await created();
    site.stack.program("");
    await site.stack.mustUp();
    assert.deepEqual(await site.roles(), { live: [], disabled: [] });
    assert.equal((await site.ledger())?.status, "torn-down");
    assert.deepEqual(await site.store().list(), []);
  });

  it("leaves nothing behind after destroy, and never uses a version number again", async () => {
    await created();
    site.advance(91 * DAY);
    await site.stack.mustUp();
    await site.stack.must("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await site.roles(), { live: [], disabled: [] });
    assert.deepEqual(await site.store().list(), []);
    await verifyTrail();
    await site.stack.mustUp();
    assert.deepEqual(await site.states(), { v3: "active" });
  });

  it("is not disturbed by refresh, with a due rotation or without", async () => {
    await created();
    await site.stack.must("refresh", "--yes", "--skip-preview");
    site.advance(91 * DAY);
    await site.stack.must("refresh", "--yes", "--skip-preview");
    assert.deepEqual(await site.states(), { v1: "active" });
    await site.stack.mustUp("--refresh");
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    await site.stack.must("destroy", "--yes", "--skip-preview", "--refresh");
    assert.deepEqual(await site.roles(), { live: [], disabled: [] });
  });

  for (const point of ["store.putVersion:after", "issuer.issue:after", "store.promote:after", "audit.record:before"]) {
    it(`resumes the rotation when the provider process was killed at ${point}`, async () => {
      await created();
      site.advance(91 * DAY);
      const killed = await site.stack.start(["up", "--yes", "--skip-preview"], { ROTATION_TEST_KILL: point }).done;
      assert.notEqual(killed.code, 0);
      assert.match(await site.stack.mustUp(), /v2: resumes the rotation that stopped/);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
      assert.equal(site.delivered(), 2);
      await verifyTrail();
    });
  }

  it("stops a provider whose engine was killed before its next side effect, and resumes after pulumi cancel", async () => {
    await created();
    site.advance(91 * DAY);
    const held = join(site.stack.folder, "held");
    const { child } = site.stack.start(["up", "--yes", "--skip-preview"], {
      ROTATION_TEST_HOLD: `issuer.issue:before=${held}`,
    });
    while (!existsSync(held)) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGKILL");
    rmSync(held);
    // What had begun comes to its end; the phase after it is not committed any more, and the lease is given back.
    while ((await site.ledger())?.lease !== null) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await site.ledger())?.rotation?.phase, "staged");
    assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    await site.stack.must("cancel", "--yes");
    assert.match(await site.stack.mustUp(), /v2: resumes the rotation that stopped staged/);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    await verifyTrail();
  });

  it("lets exactly one of two runs from two backends issue; the other stops before any side effect and names the holder", async () => {
    const twin = await Site.open();
    try {
      await created();
      // The same program and stack name, another backend and another machine's working copy; the store is shared.
      rmSync(join(twin.stack.folder, "secrets"), { recursive: true, force: true });
      const shared = `store: rotation.fileStore({ path: "${site.stack.folder}/secrets/orders-db", key: { passphrase: rotation.secretFrom.env("STORE_KEY") } }),`;
      site.advance(91 * DAY);
      site.program();
      const held = join(site.stack.folder, "held");
      const first = site.stack.start(["up", "--yes", "--skip-preview"], {
        ROTATION_TEST_HOLD: `issuer.issue:before=${held}`,
      });
      while (!existsSync(held)) await new Promise((resolve) => setTimeout(resolve, 50));
      Object.assign(twin.stack.env, {
        PGADMIN_URL: site.stack.env["PGADMIN_URL"],
        ROTATION_TEST_CLOCK: join(site.stack.folder, "clock"),
      });
      twin.stack.program(site.source({ secret: shared, rollout: null }));
      const second = await twin.stack.up();
      assert.notEqual(second.code, 0);
      assert.match(second.output, /another run holds the lease: run \w+ of .+@.+ \(process \d+\)/);
      rmSync(held);
      assert.equal((await first.done).code, 0);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      assert.deepEqual(await site.roles(), { live: ["v1", "v2"], disabled: [] });
    } finally {
      await twin.close();
    }
  });

  it("refuses a ledger written by a newer package, without touching anything", async () => {
    await created();
    const store = site.store();
    const { body, revision } = await store.load();
    await store.commit({ ...(body as object), schema: 99 }, revision);
    site.advance(91 * DAY);
    const refused = await site.stack.up();
    assert.notEqual(refused.code, 0);
    assert.match(refused.output, /has schema 99, written by a newer pulumi-rotating-secrets.*Upgrade the package/);
  });
});
