/** Rules 7 to 10, clause by clause. */
import assert from "node:assert/strict";
import { overdue } from "../../provider/lifecycle/alarm";
import { DAY, HOUR, reports, rollout, secret, Site } from "./site";

describe("retirement, clause by clause:", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  /** v2 is confirmed, and the grace of v1 is over. */
  async function rotated(args = secret()): Promise<void> {
    await site.up(args);
    site.clock.advance(91 * DAY);
    await site.up(args);
    site.clock.advance(HOUR + 1);
  }

  describe("(rule 7) a version", () => {
    it("that was rejected has its grace from the moment it was left", async () => {
      await site.rotateUnconfirmed();
      site.clock.advance(2 * HOUR);
      site.api.sickOn.add(2);
      await site.fails();
      await site.up();
      assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
      site.clock.advance(HOUR + 1);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "active", v2: "disabled" });
    });

    it("that is seen in use is kept, and the ledger says by whom", async () => {
      await rotated();
      site.credential(1).users.add("a report of the month");
      await site.up();
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      const [v1] = (await site.ledger()).versions;
      assert.match(v1?.putOff?.message ?? "", /v1 is still used by a report of the month/);
    });

    it("is kept where the issuer cannot tell who uses it, unless the program does not ask", async () => {
      site.issuer.tellsUse = false;
      await rotated();
      await site.up();
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      await site.up(secret({ retirement: { grace: "1h", soak: "1h", requireUnused: false } }));
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
    });

    it("that is disabled works again for a rollout that registers", async () => {
      await rotated();
      await site.up();
      assert.equal(site.credential(1).enabled, false);
      await site.upOther();
      assert.equal(site.credential(1).enabled, true);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("that works again has its whole grace before it", async () => {
      await rotated();
      await site.up();
      await site.upOther();
      assert.equal((await site.up()).secret, "same");
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("is said to be retiring before it is revoked, and the next run finishes that whatever has changed", async () => {
      const quick = secret({ retirement: { grace: "1h", soak: "0s" } });
      await rotated(quick);
      await site.stopAt("issuer.revoke", "before", quick);
      assert.deepEqual(await site.states(), { v1: "retiring", v2: "active" });
      site.credential(1).users.add("a late one");
      await site.upOther(reports());
      await site.up(quick);
      assert.deepEqual(site.live(), ["v1", "v2"], "a session holds the end back");
      site.credential(1).users.clear();
      await site.up(quick);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    });

    it("is retired only when a log-in with it is refused", async () => {
      const quick = secret({ retirement: { grace: "1h", soak: "0s" } });
      await rotated(quick);
      const v1 = site.credential(1);
      const survives = () => site.issuer.credentials.set(v1.name, v1);
      assert.match(await site.at("issuer.revoke", "after", survives, () => site.fails(quick)), /still accepts it/);
      assert.deepEqual(await site.states(), { v1: "retiring", v2: "active" });
      await site.up(quick);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    });

    it("is disabled by the next run when the one that began it was stopped", async () => {
      await rotated();
      await site.stopAt("issuer.disable", "before");
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
      assert.equal(site.credential(1).enabled, true);
      site.clock.advance(HOUR + 1);
      await site.up();
      assert.equal(site.credential(1).enabled, false);
      assert.equal((await site.ledger()).versions[0]?.disabledAt, site.clock.now());
    });

    it("that lives on for too long raises an alarm, but not before that, and not while it is disabled", async () => {
      const watched = secret({ retirement: { grace: "1h", soak: "1h", alarmAfter: "7d" } });
      await rotated(watched);
      site.credential(1).users.add("reports");
      site.clock.advance(6 * DAY);
      await site.up(watched);
      site.credential(1).users.clear();
      await site.up(watched);
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
      const { versions, ...ledger } = await site.ledger();
      const late = site.clock.now() + DAY;
      assert.deepEqual(overdue({ versions, ...ledger }, late), []);
      const [v1, v2] = versions;
      assert.ok(v1 && v2);
      const kept = { ...ledger, versions: [{ ...v1, state: "superseded" as const }, v2] };
      assert.deepEqual(
        overdue(kept, late).map((record) => record.version),
        [1],
      );
    });

    it("raises its alarm at the end of a run of the owning stack, and in no other stack", async () => {
      const watched = secret({ retirement: { grace: "1h", soak: "1h", alarmAfter: "7d" } });
      await site.up(watched);
      await site.upOther();
      site.clock.advance(91 * DAY);
      await site.up(watched);
      await site.upOther();
      site.credential(1).users.add("a report of the month");
      site.clock.advance(7 * DAY);
      const applied: string[] = [];
      const native = (ref: string) => void applied.push(ref);
      assert.match(await site.fails(watched, rollout(), { native }), /retirement\.alarmAfter: 7 days.*a report of the/);
      assert.deepEqual(applied, ["orders-db/v2@2"]);
      const elsewhere = await site.other.upRolloutOf(site.stack.link, reports());
      assert.deepEqual([elsewhere.error, elsewhere.rollout], [undefined, "same"]);
    });
  });

  describe("(rule 9) a version", () => {
    it("has its label moved back by a run that has nothing else to do", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      await site.up();
      const opened = await site.open();
      const { current, revision } = await opened.load();
      const first = (await opened.list()).find((ref) => ref.version === 1);
      assert.ok(first);
      await opened.promote(first, current, revision, 1);
      assert.equal((await site.up()).secret, "updated");
      assert.equal((await opened.load()).current?.version, 2);
      assert.equal((await site.up()).secret, "same");
    });

    it("is off the list of what is put off when it is active again", async () => {
      await site.rotateUnconfirmed();
      assert.equal((await site.ledger()).versions[0]?.putOff?.code, "unconfirmed");
      site.api.sickOn.add(2);
      await site.fails();
      assert.equal((await site.ledger()).versions[0]?.putOff, null);
    });

    it("is taken up though nothing says that it was put off", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      site.stack.onReturn = (call) => {
        if (call === "rollout.update") throw new Error("the engine was killed");
      };
      await site.fails();
      site.stack.onReturn = () => undefined;
      site.stack.pending = [];
      assert.equal((await site.ledger()).versions[0]?.putOff, null);
      site.clock.advance(HOUR + 1);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
    });

    it("that is active is no matter of a stale entry's deletion", async () => {
      await rotated();
      await site.up(secret(), rollout(), { force: true });
      const again = await site.up(secret(), rollout(), { force: true });
      assert.equal(site.stack.secret?.outputs["version"], 2);
      assert.doesNotMatch(again.log.join("\n"), /v2 is the active version/);
      assert.deepEqual(
        site.events("retirement-put-off").filter((event) => event.version === 2),
        [],
      );
    });
  });

  it("(rule 10) a grace is at least as long as readers keep what they have read", async () => {
    assert.match(
      await site.fails(secret({ readersCache: "61m" })),
      /retirement\.grace: 1h is shorter than readers of "current" keep/,
    );
    await site.up(secret({ readersCache: "1h" }));
    const keeps = (readersCacheMs: number) => rollout({ consumers: [{ type: "memory", name: "api", readersCacheMs }] });
    assert.match(
      await site.fails(secret(), keeps(HOUR + 1)),
      /api goes on with what it has read for .* than the grace of/,
    );
    await site.up(secret(), keeps(HOUR));
  });

  it("(rule 10) the interval of a secret is longer than its grace and its soak together", async () => {
    assert.match(await site.fails(secret({ schedule: { every: "1h" } })), /is not longer than retirement.grace \(1h\)/);
    assert.match(await site.fails(secret({ schedule: { every: "2h" } })), /is not longer than retirement.grace \(1h\)/);
    await site.up(secret({ schedule: { every: "121m" } }));
  });
});
