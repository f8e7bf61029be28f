/** Rules 21 to 24, clause by clause. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Lease } from "../../provider/lifecycle/ledger";
import { whoAmI } from "../../provider/rotation/process";
import { release } from "../../provider/rotation/release";
import { Runtime } from "../../provider/runtime";
import { DAY, HOUR, MINUTE, replica, REPORTS, reports, rollout, secret, Site, store } from "./site";

describe("concurrency and restored backups, clause by clause:", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  const lease = (more: Partial<Lease> = {}): Lease => ({
    ...whoAmI(),
    run: "r-77",
    host: "elsewhere",
    scope: "another boot",
    acquiredAt: site.clock.now(),
    expiresAt: site.clock.now() + MINUTE,
    ...more,
  });

  describe("(rule 21) a run", () => {
    it("holds the lease from its first side effect on, for 60 seconds, and gives it back", async () => {
      const first = await site.ledgerAt("issuer.issue", () => site.up());
      assert.ok(first.lease);
      assert.equal(first.lease.pid, process.pid);
      assert.equal(first.lease.expiresAt, first.lease.acquiredAt + MINUTE);
      assert.equal((await site.ledger()).lease, null);
      const start = site.clock.now();
      site.clock.advance(91 * DAY);
      const second = await site.ledgerAt("store.putVersion", () => site.up());
      assert.ok(second.lease);
      assert.equal(second.lease.acquiredAt, start + 91 * DAY);
      assert.equal(second.lease.expiresAt, start + 91 * DAY + MINUTE);
      assert.equal((await site.ledger()).lease, null);
    });

    describe("that takes long", () => {
      const { setInterval } = globalThis;
      let every: Map<number, () => void>;
      beforeEach(() => {
        every = new Map();
        globalThis.setInterval = ((act: () => void, ms: number) => {
          every.set(ms, act);
          return { unref: () => undefined };
        }) as never;
      });
      afterEach(() => (globalThis.setInterval = setInterval));

      /** 20 seconds go by in the middle of a run, with all that they set off. */
      async function wait(): Promise<void> {
        site.clock.advance(20_000);
        every.get(20_000)?.();
        for (let turn = 0; turn < 20; turn++) await nextTurn();
      }

      it("renews its lease every 20 seconds", async () => {
        let seen: Lease | null = null;
        let at = 0;
        const look = async () => {
          await wait();
          at = site.clock.now();
          seen = (await site.ledger()).lease;
        };
        await site.at("issuer.issue", "before", look, () => site.up());
        assert.equal((seen as Lease | null)?.expiresAt, at + MINUTE);
      });

      it("stops before its next side effect when it has lost its lease", async () => {
        const second = { type: "memory", name: "copy2" };
        const copied = secret({ replicas: [replica, second] });
        await site.up(copied);
        site.clock.advance(91 * DAY);
        const lose = async () => {
          await site.change((ledger) => void (ledger.lease = lease()));
          await wait();
        };
        const failed = await site.at("replica.putVersion", "before", lose, () => site.fails(copied));
        assert.match(failed, /this run lost its lease/);
        assert.equal((await (await site.open(second)).list()).length, 1);
      });
    });

    it("takes the lease of a run whose process is known to be dead", async () => {
      await site.up();
      const { pid } = spawnSync(process.execPath, ["--version"]);
      const { scope, host } = whoAmI();
      await site.change((ledger) => void (ledger.lease = lease({ scope, host, pid, processStart: "1" })));
      assert.equal((await site.up(secret(), rollout(), { force: true })).secret, "replaced");
      assert.equal((await site.ledger()).lease, null);
    });

    it("takes a lease that was not renewed in time", async () => {
      await site.up();
      await site.change((ledger) => void (ledger.lease = lease()));
      site.clock.advance(91 * DAY);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("stops before its next side effect when its engine is gone", async () => {
      await site.up();
      await site.upOther();
      await site.other.destroy();
      const silent = { info: () => undefined, warn: () => undefined };
      const where = { name: "orders-db", store, kind: { type: "memory", name: "issuer" }, replicas: [] };
      const parts = await new Runtime(() => undefined, site.clock, silent).parts(where, site.stack.name);
      const before = await site.ledger();
      const gone = () => Promise.reject(new Error("the engine is gone"));
      const { outputs } = site.stack.secret!;
      const order = {
        owner: before.owner,
        entry: outputs as never,
        inState: new Set<string>(),
        reason: "it is over",
      };
      await assert.rejects(
        release({ ...parts, parentLives: gone }, order, () => Promise.resolve(true)),
        /the engine is gone/,
      );
      assert.deepEqual(await site.ledger(), before);
    });
  });

  it("(rule 22) a promotion is committed only when every replica has it", async () => {
    const copied = secret({ replicas: [replica] });
    await site.up(copied);
    site.clock.advance(91 * DAY);
    await site.stopAt("replica.promote", "before", copied);
    const { active, rotation } = await site.ledger();
    assert.deepEqual([active, rotation?.phase], [1, "promoting"]);
    await site.up(copied);
    assert.equal((await (await site.open(replica)).read("current")).ref.version, 2);
  });

  describe("(rule 23) at an issuer that chooses the value,", () => {
    beforeEach(async () => {
      site.issuer.minted = true;
      await site.up();
      site.clock.advance(91 * DAY);
    });

    it("what is there is written down before minting", async () => {
      const { rotation } = await site.ledgerAt("issuer.issue", () => site.up());
      assert.deepEqual(rotation?.inventory?.rotationIds, [site.credential(1).rotationId]);
    });

    it("a credential whose value was lost is found, revoked and made anew", async () => {
      await site.stopAt("issuer.issue", "after");
      const lost = site.credential(2);
      await site.up();
      assert.ok(site.issuer.calls.includes(`revoke ${lost.name}`));
      assert.notEqual(site.credential(2), lost);
      assert.equal(site.events("orphan-revoked").length, 1);
      assert.deepEqual(site.live(), ["v1", "v2"]);
    });

    it("nothing is touched where there is more than the one that was lost", async () => {
      await site.stopAt("issuer.issue", "after");
      const lost = site.credential(2);
      site.issuer.credentials.set("twin", { ...lost, name: "twin" });
      assert.match(await site.fails(), /2 credentials that were not there before minting v2.*None was touched/);
      assert.equal(site.issuer.credentials.size, 3);
    });
  });

  describe("(rule 24) a ledger that is older than the state", () => {
    const older = /the ledger is older than the Pulumi state/;

    it("is noticed by its versions, its incarnations or its promotions alone", async () => {
      await site.up();
      const { outputs } = site.stack.secret!;
      for (const counter of ["version", "incarnation", "epoch"]) {
        site.stack.secret!.outputs = { ...outputs, [counter]: 2 };
        assert.match(await site.fails(), older, counter);
      }
    });

    it("stops a destroy", async () => {
      await site.up(secret({ confirmation: "none" }), null);
      site.stack.secret!.outputs["incarnation"] = 2;
      assert.match(String((await site.stack.destroy()).error?.message), older);
      assert.deepEqual(site.live(), ["v1"]);
    });

    it("stops a rollout before it touches a consumer", async () => {
      await site.up();
      const { rolls } = site.api;
      const newer = { ...site.stack.link, ref: "orders-db/v1@9" };
      const { error } = await site.other.upRolloutOf(newer, rollout({ name: "reports" }));
      assert.match(String(error?.message), older);
      assert.equal(site.api.rolls, rolls);
    });

    it("lets no rollout leave", async () => {
      await site.up();
      await site.upOther();
      const opened = await site.open();
      await opened.putVersion({ ...(await opened.read("current")), ref: { version: 7, token: "stray" } });
      const { error } = await site.other.destroy();
      assert.match(String(error?.message), /versions that the ledger does not know \(v7\)/);
      assert.deepEqual(await site.mayUse(REPORTS), [1]);
    });

    it("stops everybody where the store has a version that it does not know", async () => {
      await site.up();
      const opened = await site.open();
      const current = await opened.read("current");
      await opened.putVersion({ ...current, ref: { version: 7, token: "stray" } });
      const { error } = await site.other.upRolloutOf(site.stack.link, reports());
      assert.match(String(error?.message), /versions that the ledger does not know \(v7\)/);
      site.clock.advance(91 * DAY + HOUR);
      assert.match(await site.fails(), /versions that the ledger does not know \(v7\).*Nothing was changed/);
      assert.deepEqual(site.live(), ["v1"]);
    });
  });
});
