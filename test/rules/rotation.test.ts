/** Rules 11 to 17, clause by clause. */
import assert from "node:assert/strict";
import { repairTarget } from "../../provider/lifecycle/drift";
import { UnreachableError } from "../../provider/lifecycle/errors";
import { returnTarget } from "../../provider/lifecycle/ledger";
import { decideRetirement } from "../../provider/lifecycle/retirement";
import { DAY, HOUR, MINUTE, replica, rollout, secret, Site } from "./site";

describe("a rotation, clause by clause:", () => {
  let site: Site;
  beforeEach(() => (site = new Site()));

  const event = (reason: string, at: number) => ({
    events: [{ id: "e1", reason, time: new Date(at).toISOString() }],
  });
  const revokeFirst = (at: number) => ({
    id: "e1",
    reason: "suspected-compromise",
    time: new Date(at).toISOString(),
    revokeFirst: true,
  });

  it("(rule 11) an event is not answered by a version that a rollout turned down", async () => {
    await site.up();
    site.clock.advance(DAY);
    const asked = secret(event("on-demand", site.clock.now() - HOUR));
    site.api.sickOn.add(2);
    await site.fails(asked);
    await site.up(asked);
    site.clock.advance(3 * HOUR);
    await site.up(asked);
    await site.up(asked);
    site.clock.advance(3 * HOUR);
    await site.up(asked);
    await site.up(asked);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "retired", v3: "active" });
    assert.equal((await site.up(asked)).secret, "same");
  });

  it("(rule 12) a rotation waits for a version that has to be disabled and watched first", async () => {
    await site.up();
    site.clock.advance(91 * DAY);
    await site.up();
    site.clock.advance(91 * DAY);
    const waits = await site.up();
    assert.equal(waits.secret, "updated");
    assert.match(waits.log.join("\n"), /waits: v1 has to be disabled and watched first/);
    assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
  });

  describe("(rule 14) a version", () => {
    it("is not abandoned once its promotion has begun, whatever asks for that", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      await site.stopAt("store.promote", "before");
      const compromised = secret(event("suspected-compromise", site.clock.now() + 1));
      const resumed = await site.up(compromised);
      assert.match(resumed.log.join("\n"), /resumes the rotation that stopped promoting/);
      assert.equal((await site.states())["v2"], "active");
    });

    it("is left only for one that is superseded, not for one that is disabled, retiring or rejected", async () => {
      await site.rotateUnconfirmed();
      const ledger = await site.ledger();
      assert.equal(returnTarget(ledger)?.version, 1);
      for (const state of ["disabled", "retiring", "rejected"] as const) {
        const [v1, ...others] = ledger.versions;
        assert.ok(v1);
        assert.equal(returnTarget({ ...ledger, versions: [{ ...v1, state }, ...others] }), undefined, state);
      }
    });

    it("is left only for one that is not known to be dead", async () => {
      await site.rotateUnconfirmed();
      const ledger = await site.ledger();
      const [v1, ...others] = ledger.versions;
      assert.ok(v1);
      const broken = { ...ledger, drift: { versions: [2, 1], gone: [], detail: "no such credential", at: 0 } };
      const dead = { ...ledger, versions: [{ ...v1, proof: { at: 0, detail: "refused" } }, ...others] };
      for (const target of [returnTarget, repairTarget])
        assert.deepEqual([target(ledger)?.version, target(broken), target(dead)], [1, undefined, undefined]);
    });
  });

  describe("(rule 15) a version", () => {
    it("is not left because a consumer cannot be reached", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      const away = () => {
        throw new UnreachableError("the network is down");
      };
      assert.match(await site.at("consumer.roll", "before", away, () => site.fails()), /the network is down/);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      await site.up();
      assert.equal((await site.ledger()).rotation?.phase, "done");
    });

    it("is given up when the owning stack leaves it unconfirmed for too long", async () => {
      const patient = secret({ unconfirmed: { attempts: 100, within: "2h" } });
      await site.up(patient);
      site.clock.advance(91 * DAY);
      await site.upSecretOnly(patient);
      site.clock.advance(2 * HOUR);
      const given = await site.upSecretOnly(patient);
      assert.match(given.log.join("\n"), /v1: return from v2, unconfirmed for 2 hours/);
      assert.equal(site.stack.secret?.id, "orders-db/v1#3", "under an incarnation of its own (rule 18)");
    });

    it("has no failed attempt because another stack has not run yet", async () => {
      await site.up();
      await site.upOther();
      site.clock.advance(91 * DAY);
      await site.up();
      for (const requireUnused of [false, true, false])
        assert.equal(
          (await site.up(secret({ retirement: { grace: "1h", soak: "1h", requireUnused } }))).secret,
          "updated",
        );
      assert.equal((await site.ledger()).rotation?.attempts, 1);
    });
  });

  describe("(rule 16) a compromise", () => {
    it("is not answered by a version that was issued within the allowed clock skew", async () => {
      await site.up();
      const compromised = secret(event("suspected-compromise", site.clock.now() - MINUTE / 2));
      site.clock.advance(HOUR);
      assert.match((await site.up(compromised)).log.join("\n"), /v2: suspected-compromise/);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    });

    it("abandons what was issued before it and never handed out", async () => {
      const copied = secret({ replicas: [replica] });
      await site.up(copied);
      site.clock.advance(91 * DAY);
      await site.stopAt("replica.putVersion", "before", copied);
      const compromised = { ...copied, ...event("suspected-compromise", site.clock.now()) };
      site.clock.advance(5 * MINUTE);
      await site.up(compromised);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "abandoned", v3: "active" });
      assert.deepEqual(site.live(), ["v3"]);
    });

    it("is recorded at once and only once, though its rotation has to wait", async () => {
      const patient = secret({ retirement: { grace: "3h", soak: "1h" } });
      await site.up(patient);
      site.clock.advance(91 * DAY);
      await site.up(patient);
      const asked = { ...patient, ...event("policy", site.clock.now() + HOUR) };
      await site.up(asked);
      assert.deepEqual((await site.ledger()).incidents, [], "it is yet to happen");
      site.clock.advance(HOUR);
      assert.equal((await site.up(asked)).secret, "updated");
      assert.equal((await site.up(asked)).secret, "same");
      await site.up({ ...asked, readersCache: "1m" });
      assert.deepEqual(
        (await site.ledger()).incidents.map(({ id, matched }) => [id, matched]),
        [["e1", [1, 2]]],
      );
    });

    it("is answered only when everything that it matched is gone and a later version is confirmed", async () => {
      const closed = async () => (await site.ledger()).incidents.map((incident) => incident.closedAt !== null);
      await site.up();
      site.clock.advance(1);
      const asked = secret(event("policy", site.clock.now()));
      site.clock.advance(1);
      await site.up(asked);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      assert.deepEqual(await closed(), [false], "v1 is alive");

      site = new Site();
      await site.up();
      const first = secret({ events: [revokeFirst(site.clock.now())] });
      site.clock.advance(2 * MINUTE);
      await site.upSecretOnly(first);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
      assert.deepEqual(await closed(), [false], "nobody has confirmed v2");
      await site.up(first);
      await site.up(first);
      assert.deepEqual(await closed(), [true]);
    });

    it("with revokeFirst revokes neither the active version nor anything beside an unfinished rotation", async () => {
      await site.rotateUnconfirmed();
      const ledger = await site.ledger();
      const [v1, v2] = ledger.versions;
      assert.ok(v1 && v2 && ledger.rotation);
      const now = site.clock.now();
      const policy = { graceMs: HOUR, soakMs: HOUR, canDisable: true, compromisedBefore: now, revokeFirstBefore: now };
      assert.equal(decideRetirement(ledger, v1, policy, now).step, "destroy");
      assert.equal(decideRetirement(ledger, v2, policy, now).step, "hold");
      const returning = { ...ledger, rotation: { ...ledger.rotation, phase: "returning" as const } };
      assert.equal(decideRetirement(returning, v1, policy, now).step, "hold");
    });

    it("with revokeFirst revokes in the same call what the rotation superseded", async () => {
      await site.up();
      const args = secret({ events: [revokeFirst(site.clock.now())] });
      site.clock.advance(2 * MINUTE);
      const live: string[][] = [];
      site.stack.onReturn = (call) => {
        if (call === "secret.create") live.push(site.live());
      };
      await site.up(args);
      assert.deepEqual(live, [["v2"]]);
    });

    it("with revokeFirst of this very moment is one rotation a run, until one is issued beyond the clock skew", async () => {
      await site.up();
      const args = secret({ events: [revokeFirst(site.clock.now())] });
      await site.up(args);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
      site.clock.advance(2 * MINUTE);
      await site.up(args);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "retired", v3: "active" });
      assert.equal((await site.up(args)).secret, "same");
    });

    it("with revokeFirst leaves alone what was issued after it", async () => {
      await site.up();
      const args = secret({ events: [revokeFirst(site.clock.now())] });
      site.clock.advance(2 * MINUTE);
      await site.up(args);
      site.clock.advance(91 * DAY);
      await site.up(args);
      assert.deepEqual(await site.states(), { v1: "retired", v2: "superseded", v3: "active" });
    });
  });

  describe("(rule 17) a version that does not work", () => {
    it("is not handed out when it is new: it is revoked, and the active one stays", async () => {
      await site.up();
      site.clock.advance(91 * DAY);
      site.issuer.issuesWorking = false;
      assert.match(await site.fails(), /v2 was issued but does not work/);
      assert.deepEqual(await site.states(), { v1: "active", v2: "abandoned" });
      assert.deepEqual(site.live(), ["v1"]);
    });

    it("is not handed out again", async () => {
      await site.rotateUnconfirmed();
      site.credential(2).works = false;
      // Nothing to return to, and no room for a third version.
      site.credential(1).works = false;
      assert.match(
        await site.fails(secret(), rollout(), { force: true }),
        /v2 should be handed out, but it does not work: it lacks a right; and it cannot be replaced yet/,
      );
      assert.equal((await site.ledger()).counters.incarnation, 2);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });

    it("is not rolled to any consumer", async () => {
      await site.rotateUnconfirmed();
      site.credential(2).works = false;
      const { rolls } = site.api;
      assert.match(
        await site.fails(secret(), rollout(), { targetRollout: true }),
        /v2 should be rolled out, but it does not work: .*Run the stack org\/app\/prod, which replaces it/,
      );
      assert.equal(site.api.rolls, rolls);
      assert.deepEqual((await site.ledger()).drift?.versions, [2]);
      await site.up();
      assert.deepEqual(await site.states(), { v1: "active", v2: "rejected" });
    });

    it("is not returned to", async () => {
      await site.rotateUnconfirmed();
      site.credential(1).works = false;
      site.api.sickOn.add(2);
      assert.match(await site.fails(), /v2 should be left .* but v1 does not work any more/);
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    });
  });
});
