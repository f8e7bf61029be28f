/** Rules 7 to 9, 17 and 24 where somebody changed or removed a version outside. */
import assert from "node:assert/strict";
import { DAY, rollout, secret, Site } from "./site";

/** Retired as soon as everybody has confirmed. */
const quick = secret({ retirement: { grace: "0s", soak: "0s" } });

describe("a version that does not work any more", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  async function rotated(args = secret()): Promise<void> {
    await site.up(args);
    site.clock.advance(91 * DAY);
    await site.up(args);
  }

  async function refresh(): Promise<string> {
    const { error, log } = await site.stack.refresh();
    assert.equal(error, undefined);
    return log.join("\n");
  }

  it("keeps its predecessor alive in delete() too", async () => {
    await site.up(quick);
    site.clock.advance(91 * DAY);
    site.stack.onReturn = (call) => {
      if (call === "rollout.update") site.credential(2).works = false;
    };
    await site.up(quick);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    site.stack.onReturn = () => undefined;
    await site.up(quick);
    assert.deepEqual(await site.states(), { v1: "active", v2: "retired" });
  });

  it("keeps its predecessor alive in create() too", async () => {
    await rotated(secret({ retirement: { grace: "1h", soak: "0s" } }));
    site.clock.advance(91 * DAY);
    site.credential(2).works = false;
    const { log } = await site.up(secret({ retirement: { grace: "1h", soak: "0s" } }));
    assert.match(log.join("\n"), /v3: schedule/, "what diff() saw");
    assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
  });

  it("is replaced though its predecessor is gone as well, and that is cleared away", async () => {
    await rotated();
    for (const version of [1, 2]) site.issuer.credentials.delete(site.credential(version).name);
    await refresh();
    await site.up();
    assert.deepEqual(await site.states(), { v1: "retired", v2: "superseded", v3: "active" });
  });

  it("is not taken for gone where it was adopted", async () => {
    const legacy = { name: "legacy", identity: "nobody", rotationId: "none", password: "old" };
    site.issuer.credentials.set("legacy", { ...legacy, enabled: true, works: true, users: new Set() });
    process.env["ROTATION_TEST_LEGACY"] = "old";
    const args = secret({ adopt: { username: "legacy", password: { from: "env", name: "ROTATION_TEST_LEGACY" } } });
    await site.up(args);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    site.issuer.credentials.delete(site.credential(2).name);
    site.issuer.credentials.get("legacy")!.password = "changed by hand";
    await refresh();
    assert.match(await site.fails(args), /v2 should be handed out, but it does not work: no such credential/);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
  });

  it("is not rolled where it was revoked on purpose", async () => {
    await site.up();
    await site.change((ledger) => {
      ledger.versions[0]!.proof = { at: site.clock.now(), detail: "refused" };
    });
    const { rolls } = site.api;
    const again = rollout({ consumers: [{ type: "memory", name: "api", wave: 1 }] });
    assert.match(await site.fails(secret(), again), /v1 should be rolled out, but it does not work: refused/);
    assert.equal(site.api.rolls, rolls);
  });

  it("is not the only thing that a refresh finds: the next run puts a label in a replica right", async () => {
    const replica = { type: "memory", name: "replica" };
    const args = secret({ replicas: [replica] });
    await site.up(args);
    const opened = await site.open(replica);
    await opened.clearCurrent((await opened.load()).revision);
    assert.match(await refresh(), /"current" points to nothing in .*replica.*The next pulumi up puts it right/);
    assert.equal((await site.up(args)).secret, "updated");
    assert.equal((await opened.load()).current?.version, 1);
    assert.equal((await site.up(args)).secret, "same");
  });

  it("is only looked for in a refresh, which changes nothing", async () => {
    await rotated();
    const opened = await site.open();
    const { current, revision } = await opened.load();
    const first = (await opened.list()).find((ref) => ref.version === 1);
    assert.ok(first);
    await opened.promote(first, current, revision, 1);
    const before = await opened.load();
    const { credentials, calls } = site.issuer;
    const there = structuredClone([...credentials]);
    const asked = calls.length;
    assert.match(await refresh(), /"current" points to v1/);
    assert.deepEqual(await opened.load(), before);
    assert.deepEqual([...credentials], there);
    assert.deepEqual([...new Set(calls.slice(asked))], ["verify"]);
  });

  it("is no reason for a refresh to forget the entry, not even where the store was lost", async () => {
    await site.up();
    const entry = site.stack.secret!;
    const { outputs } = entry;
    entry.outputs = { ...outputs, store: { type: "memory", name: "lost" } };
    assert.equal(await refresh(), "");
    entry.outputs = outputs;
    site.credential(1).works = false;
    assert.match(await refresh(), /v1: it lacks a right/);
    assert.equal(entry.id, site.stack.secret?.id);
  });
});
