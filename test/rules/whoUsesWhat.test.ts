/** Rules 1 to 6, clause by clause. */
import assert from "node:assert/strict";
import { isConfirmed } from "../../provider/lifecycle/confirmation";
import { MiniStack, type Properties } from "../support/miniEngine";
import { DAY, HOUR, ORDERS, REPORTS, reports, rollout, secret, Site } from "./site";

const ORDERS_2 = "org/app/prod::orders-2";

const readsByItself = (name: string) => ({ consumers: [{ type: "memory", name, pinned: false }] });

describe("who uses what", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  describe("(rule 1) a rollout", () => {
    it("may be using any version from its registration until it has confirmed", async () => {
      await site.up();
      site.api.sickOn.add(1);
      const failed = await site.other.upRolloutOf(
        site.stack.link,
        reports({ checks: [{ type: "memory", name: "health", workload: "api" }] }),
      );
      assert.match(String(failed.error?.message), /sick on v1/);
      assert.deepEqual(await site.mayUse(REPORTS), ["unknown", 1]);
    });

    it("may be using a version from its promotion on, in whatever stack, unless it is pinned", async () => {
      await site.up(secret(), rollout(readsByItself("api")));
      await site.upOther();
      site.clock.advance(91 * DAY);
      await site.upSecretOnly();
      assert.deepEqual(await site.mayUse(ORDERS), [1, 2]);
      assert.deepEqual(await site.mayUse(REPORTS), [1]);
    });

    it("may be using a version again from the return to it on", async () => {
      await site.up();
      await site.upOther(reports(readsByItself("reports")));
      site.clock.advance(91 * DAY);
      await site.upSecretOnly();
      await site.upOther(reports(readsByItself("reports")));
      assert.deepEqual(await site.mayUse(REPORTS), [2]);
      site.api.sickOn.add(2);
      assert.match(await site.fails(), /Rolled back in this run/);
      assert.deepEqual(await site.mayUse(REPORTS), [2, 1]);
    });

    it("is not pinned where resources of the program follow the secret", async () => {
      const follows = rollout({ dependents: 1, evidence: "engine" });
      await site.up(secret(), follows);
      site.clock.advance(91 * DAY);
      await site.up(secret(), follows, { targetSecret: true });
      assert.deepEqual(await site.mayUse(ORDERS), [1, 2]);
    });

    it("is said to be using a version before it touches a consumer", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      const { rollouts } = await site.ledgerAt("consumer.roll", () => site.up());
      assert.deepEqual(rollouts[ORDERS]?.mayUse, [1, 2]);
    });

    it("that is gone goes on reading where it was not pinned, and stays where it was where it was", async () => {
      await site.up();
      await site.upOther(reports(readsByItself("reports")));
      await site.other.destroy();
      const batch = new MiniStack(site.clock, "org/batch/prod");
      assert.ifError((await batch.upRolloutOf(site.stack.link, reports({ name: "batch" }))).error);
      await batch.destroy();
      site.clock.advance(91 * DAY);
      await site.up();
      const { residues } = await site.ledger();
      assert.deepEqual(residues[REPORTS]?.mayUse, [1, 2]);
      assert.deepEqual(residues["org/batch/prod::batch"]?.mayUse, [1]);
    });
  });

  describe("(rule 3) the owning stack", () => {
    it("counts as a user until one of its own rollouts has confirmed, whoever else has", async () => {
      await site.up(secret(), null);
      await site.upOther();
      assert.equal(isConfirmed(await site.ledger()), false);
      site.clock.advance(91 * DAY);
      const waits = await site.up(secret(), null);
      assert.match(waits.log.join("\n"), /waits: not confirmed by the stack org\/app\/prod itself/);
      await site.up();
      assert.equal((await site.ledger()).ownerUnconfirmed, false);
    });

    it("needs no rollout where nobody has to confirm, but waits for those that are registered", async () => {
      const alone = secret({ confirmation: "none" });
      await site.up(alone, null);
      await site.upOther();
      site.clock.advance(91 * DAY);
      await site.up(alone, null);
      site.clock.advance(5 * HOUR);
      await site.up(alone, null);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });
  });

  describe("(rule 4) what a rollout leaves behind", () => {
    it("is its own again when it registers again", async () => {
      await site.up();
      await site.upOther();
      await site.other.destroy();
      assert.deepEqual((await site.ledger()).residues[REPORTS]?.mayUse, [1]);
      await site.upOther();
      assert.deepEqual((await site.ledger()).residues, {});
      assert.deepEqual(await site.mayUse(REPORTS), [1]);
    });

    it("goes on under the new name where an alias says that it is the same rollout", async () => {
      await site.rotateUnconfirmed();
      const renamed = await site.ledgerAt("consumer.roll", () => site.up(secret(), rollout({ name: "orders-2" })));
      assert.deepEqual(renamed.rollouts[ORDERS_2]?.mayUse, [1, 2]);
      const { residues, rollouts } = await site.ledger();
      assert.deepEqual(residues, {});
      assert.deepEqual(Object.keys(rollouts), [ORDERS_2]);
    });

    it("stays on record when the rollout gets another name without an alias", async () => {
      await site.up();
      // Without an alias it is another entry to the engine, and the former one is deleted at the end of the run.
      const former = site.stack.rollout;
      site.stack.rollout = null;
      await site.up(secret(), rollout({ name: "orders-2" }));
      assert.deepEqual(Object.keys((await site.ledger()).rollouts), [ORDERS, ORDERS_2]);
      site.stack.rollout = former;
      await site.up(secret(), null);
      const { residues, rollouts } = await site.ledger();
      assert.deepEqual(residues[ORDERS]?.mayUse, [1]);
      assert.deepEqual(Object.keys(rollouts), [ORDERS_2]);
    });

    it("stays on record when the rollout takes the name of another one", async () => {
      await site.up();
      const second = new MiniStack(site.clock);
      assert.ifError((await second.upRolloutOf(site.stack.link, reports({ name: "orders-2" }))).error);
      const { registeredAt } = (await site.ledger()).rollouts[ORDERS_2] ?? {};
      site.clock.advance(HOUR);
      await site.up(secret(), rollout({ name: "orders-2" }));
      const { residues, rollouts } = await site.ledger();
      assert.deepEqual(residues[ORDERS]?.mayUse, [1]);
      assert.deepEqual(Object.keys(rollouts), [ORDERS_2]);
      assert.equal(rollouts[ORDERS_2]?.registeredAt, registeredAt);
    });

    /** v1 is superseded, and a rollout that has left may still use it. */
    async function leftBehind(): Promise<void> {
      await site.up();
      await site.upOther();
      site.clock.advance(91 * DAY);
      await site.up();
      await site.other.destroy();
    }

    it("lets a version go only after grace and soak of the issuer's record that nothing used it", async () => {
      site.issuer.recordsUse = true;
      await leftBehind();
      site.credential(1).lastUsedAt = site.clock.now() - DAY;
      site.clock.advance(2 * HOUR - 1);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      site.clock.advance(1);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
    });

    it("holds a version where the issuer keeps no record of its use, and no run comes by to look", async () => {
      await leftBehind();
      await site.up();
      site.clock.advance(2 * HOUR + 1);
      assert.equal((await site.up()).secret, "same");
      const other = secret({ retirement: { grace: "30m", soak: "1h" } });
      assert.equal((await site.up(other)).secret, "updated");
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("stays on record when a secret is taken out of the rollout", async () => {
      await site.up();
      const second = new MiniStack(site.clock);
      const store = { type: "memory", name: "second" };
      const args = { name: "second", kind: { type: "memory", name: "issuer-2" }, store };
      assert.ifError((await second.up(secret(args), null)).error);
      const both = (link: Properties) => ({ ...reports()(link), secrets: [link, second.link] });
      await site.upOther(both);
      await site.upOther(reports());
      assert.deepEqual((await site.ledger(store)).residues[REPORTS]?.mayUse, [1]);
      assert.deepEqual((await site.ledger()).residues, {});
    });
  });

  it("(rule 5) a reference is handed out once: a promotion and a return each make a new one", async () => {
    const refs: string[] = [];
    const native = (ref: string) => void refs.push(ref);
    await site.up(secret(), rollout(), { native });
    site.clock.advance(91 * DAY);
    site.api.sickOn.add(2);
    await site.fails(secret(), rollout(), { native });
    await site.up(secret(), rollout(), { native });
    assert.deepEqual(refs, ["orders-db/v1@1", "orders-db/v2@2", "orders-db/v1@3"]);
  });

  describe("(rule 6) a confirmation", () => {
    it("is refused in check() where nothing shows what is used, unless the program says so", async () => {
      const blind = {
        type: "process",
        name: "blind",
        file: "/run/blind.json",
        signal: { pidFile: "/run/blind.pid", name: "SIGHUP" },
      };
      assert.match(
        await site.fails(secret(), rollout({ consumers: [blind] })),
        /blind has no way to show which version/,
      );
      assert.match(
        await site.fails(secret(), rollout({ dependents: 2 })),
        /nothing shows which version the 2 resources/,
      );
      const moved = [{ type: "memory", name: "api" }];
      assert.match(
        await site.fails(secret(), rollout({ dependents: 2, consumers: moved })),
        /nothing shows which version the 2 resources/,
      );
      assert.match(await site.fails(secret(), rollout({ consumers: [] })), /there is nothing to roll and nothing that/);
      await site.up(secret(), rollout({ dependents: 2, evidence: "engine" }));
    });

    it("rests on a consumer that looks at what the program declares", async () => {
      const looked = [{ type: "memory", name: "api", declared: true }];
      await site.up(secret(), rollout({ dependents: 2, consumers: looked }));
      assert.match(site.events("confirmed")[0]?.reason ?? "", /evidence: adoption/);
      assert.deepEqual((await site.ledger()).rollouts[ORDERS]?.pinned, false);
    });

    it("says in the trail what it rests on", async () => {
      await site.up(secret(), rollout({ dependents: 1, evidence: "engine" }));
      assert.match(site.events("confirmed")[0]?.reason ?? "", /evidence: engine/);
    });

    it("by the issuer needs the active version to be in use, and no other", async () => {
      const seen = rollout({ evidence: "issuer" });
      assert.match(await site.fails(secret(), seen), /the issuer sees no use of orders-db v1/);
      site.credential(1).users.add("api");
      await site.up(secret(), seen);
      site.clock.advance(91 * DAY);
      const moves = () => site.credential(2).users.add("api");
      const failed = await site.at("consumer.roll", "after", moves, () => site.fails(secret(), seen));
      assert.match(failed, /the issuer sees orders-db v1 in use by api/);
    });

    it("is not given by a consumer that uses another version than it was rolled to", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      const clings = () => site.api.uses.set("orders-db", "another");
      const failed = await site.at("consumer.roll", "after", clings, () => site.fails());
      assert.match(failed, /consumer api does not use orders-db v2/);
    });
  });
});
