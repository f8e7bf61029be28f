/** Rules 18 to 20, clause by clause. */
import assert from "node:assert/strict";
import { versionedRoleName } from "../../provider/kinds/postgres/naming";
import { fingerprintOf } from "../../provider/rotation/fingerprint";
import { DAY, HOUR, rollout, secret, Site, store } from "./site";

describe("identity and teardown, clause by clause:", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  const moved = { type: "memory", name: "db2" };
  const toMoved = secret({ store: moved, migrateFrom: store });

  describe("(rule 18) two rotations", () => {
    it("never give a role the same name, however long the secret's is", () => {
      for (const prefix of ["orders", "o".repeat(60)])
        assert.notEqual(versionedRoleName(prefix, 7, "aaaaaaaa"), versionedRoleName(prefix, 7, "bbbbbbbb"));
    });

    it("have fingerprints of their own, even where the value is the same", () => {
      const value = { username: "orders_a", password: "the same" };
      assert.notEqual(fingerprintOf("a2V5", value, "r1"), fingerprintOf("a2V5", value, "r2"));
    });
  });

  describe("(rule 19) a secret", () => {
    it("is not torn down by a deletion that comes in a run that saw the program declare it", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      site.stack.onReturn = (call) => {
        if (call === "rollout.update") throw new Error("the engine was killed");
      };
      await site.fails();
      site.stack.onReturn = () => undefined;
      assert.equal(site.stack.pending.length, 1);
      assert.equal((await site.up()).secret, "same");
      assert.equal(site.stack.pending.length, 0);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("is not torn down by an entry of another identity", async () => {
      await site.up();
      site.stack.secret!.outputs["identity"] = "another";
      assert.ifError((await site.stack.destroy()).error);
      assert.deepEqual(site.live(), ["v1"]);
      assert.equal((await site.ledger()).status, "live");
    });

    it("that moves is readable in its new store first", async () => {
      await site.up();
      const before = (await (await site.open()).read("current")).value;
      await site.up(toMoved, rollout(), { targetSecret: true });
      assert.deepEqual((await (await site.open(moved)).read("current")).value, before);
    });

    it("that moves stays in its former store until everybody has confirmed from the new one", async () => {
      await site.up();
      await site.up(toMoved, rollout(), { targetSecret: true });
      site.clock.advance(5 * HOUR);
      await site.up(toMoved, rollout(), { targetSecret: true });
      assert.equal((await (await site.open()).list()).length, 1);
      await site.up(toMoved);
      await site.up(toMoved);
      assert.deepEqual(await (await site.open()).list(), []);
    });

    it("that moves stays in its former store until its grace is over", async () => {
      await site.up();
      await site.up(toMoved);
      await site.up(toMoved);
      assert.equal((await (await site.open()).list()).length, 1);
      site.clock.advance(HOUR);
      await site.up(toMoved);
      assert.deepEqual(await (await site.open()).list(), []);
    });
  });

  describe("(rule 20) a teardown", () => {
    it("is announced in the ledger before anything is revoked", async () => {
      await site.up();
      const { status } = await site.ledgerAt("issuer.revoke", () => site.up(null, null));
      assert.equal(status, "tearing-down");
      assert.equal((await site.ledger()).status, "torn-down");
    });

    it("lets no rollout register from then on", async () => {
      await site.up();
      await site.change((ledger) => void (ledger.status = "tearing-down"));
      const { error } = await site.other.upRolloutOf(site.stack.link, rollout({ name: "reports" }));
      assert.match(String(error?.message), /it is tearing-down; rollout reports cannot use it/);
      assert.equal((await site.ledger()).rollouts["org/reports/prod::reports"], undefined);
    });

    it("that was interrupted is finished by an up, which then creates", async () => {
      await site.up();
      const v1 = site.credential(1).name;
      await site.change((ledger) => void (ledger.status = "tearing-down"));
      site.clock.advance(DAY);
      await site.up();
      assert.equal(site.issuer.credentials.has(v1), false);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    });
  });
});
