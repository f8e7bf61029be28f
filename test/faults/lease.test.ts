import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { Lease, LedgerState } from "../../provider/lifecycle/ledger";
import { processStart, whoAmI } from "../../provider/rotation/process";
import { LEASE_MS, Session } from "../../provider/rotation/session";
import { Runtime } from "../../provider/runtime";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { DAY, FaultSite, HOUR, MachineClock } from "./site";

describe("a lease whose holder", function () {
  this.timeout(60_000);
  let server: PostgresServer;
  let site: FaultSite;
  before(async () => {
    server = await startPostgres();
  });
  beforeEach(async () => {
    site = await FaultSite.open(server);
    await site.withFirstVersion();
    site.clock.advance(91 * DAY);
  });
  afterEach(async () => {
    await site.close();
  });
  after(async () => {
    await server.stop();
  });

  /** As a run leaves it that was killed, or writes it while it lives. */
  async function leased(lease: Partial<Lease>): Promise<void> {
    const runtime = new Runtime(() => undefined, site.clock);
    const store = await runtime.store(site.store);
    const { body, revision } = await store.load();
    const now = site.clock.now();
    const whole: Lease = { run: "another", ...whoAmI(), acquiredAt: now, expiresAt: now + LEASE_MS, ...lease };
    await store.commit({ ...(body as LedgerState), lease: whole }, revision);
    await runtime.close();
  }

  const ELSEWHERE = { host: "elsewhere", user: "ci", scope: "another machine", pid: 4711, processStart: "1" };

  it("is dead on this machine is void at once", async () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    assert.equal(processStart(pid), undefined);
    await leased({ pid, processStart: "1" });
    await site.clean();
    assert.equal((await site.ledger()).active, 2);
    assert.deepEqual(await site.settled(), []);
  });

  it("is dead, and whose process number was given to another one, is void at once", async () => {
    await leased({ pid: process.pid, processStart: "1" });
    await site.clean();
    assert.deepEqual(await site.settled(), []);
  });

  it("lives on this machine stops a run before it does anything", async () => {
    await leased({});
    const before = await site.ledger();
    assert.match(await site.failing(), /another run holds the lease: run another of .* \(process \d+\)/);
    assert.deepEqual(await site.ledger(), before);
  });

  it("works with a store that asks for fewer writes has it for longer", async () => {
    const runtime = new Runtime(() => undefined, site.clock);
    const { name, kind, store } = site.secretArgs as unknown as Parameters<Runtime["parts"]>[0];
    const parts = await runtime.parts({ name, kind, store, replicas: [] }, "org/app/prod");
    const slow = Object.assign(Object.create(parts.store) as typeof parts.store, { leaseMs: 600_000 });
    await Session.run({ ...parts, store: slow }, async (session) => {
      const { acquiredAt = 0, expiresAt = 0 } = session.ledger.lease ?? {};
      assert.equal(expiresAt - acquiredAt, 600_000);
    });
    await runtime.close();
  });

  it("may live on another machine is waited out, and the error says until when", async () => {
    await leased(ELSEWHERE);
    const until = new Date((await site.ledger()).lease?.expiresAt ?? 0).toISOString();
    const error = await site.failing();
    assert.match(error, /run another of ci@elsewhere \(process 4711\)/);
    assert.ok(error.includes(`until ${until} unless it renews it. This run has done nothing.`), error);
    site.clock.advance(LEASE_MS + 1000);
    assert.deepEqual(await site.settled(), []);
  });

  describe("has a clock that is an hour ahead", () => {
    let slept: number[];
    beforeEach(async () => {
      await leased({ ...ELSEWHERE, expiresAt: site.clock.now() + HOUR });
      slept = [];
    });
    /** What happens while the run watches the lease. */
    function watched(meanwhile: () => Promise<void>): void {
      const { sleep } = MachineClock.prototype;
      site.clock.sleep = async (ms, signal) => {
        if (ms !== LEASE_MS) return sleep.call(site.clock, ms, signal);
        slept.push(ms);
        await meanwhile();
      };
    }

    it("is watched, and taken for dead when it does not renew: nothing blocks for an hour", async () => {
      watched(async () => undefined);
      const { log } = await site.clean();
      assert.deepEqual(slept, [LEASE_MS]);
      assert.match(
        log.join("\n"),
        /by a clock ahead of this machine's\. Watching for 60 seconds whether it is renewed/,
      );
      assert.match(log.join("\n"), /run another of ci@elsewhere has not renewed its lease and is taken for dead/);
      Reflect.deleteProperty(site.clock, "sleep");
      assert.deepEqual(await site.settled(), []);
    });

    it("is watched, and stops the run when it renews", async () => {
      watched(() => leased({ ...ELSEWHERE, expiresAt: site.clock.now() + HOUR + 20_000 }));
      assert.match(await site.failing(), /another run holds the lease.*This run has done nothing/);
      assert.deepEqual(await site.states(), { v1: "active" });
    });

    it("is watched until the run is cancelled", async () => {
      const runtime = new Runtime(() => undefined, site.clock, { info: () => undefined, warn: () => undefined });
      const where = { ...site.secretArgs, replicas: [] } as unknown as Parameters<Runtime["parts"]>[0];
      const parts = await runtime.parts(where, "org/app/prod");
      const running = Session.run(parts, async () => "worked");
      setTimeout(() => runtime.cancel("a test"), 200);
      await assert.rejects(running, /The run was cancelled \(a test\).*orders-db: v1 is active\./);
      await runtime.close();
    });
  });

  it("has a clock that is an hour behind loses it to a run that cannot know, and stops before it commits anything", async () => {
    // The lease of the run under way looks as if it had ended long ago; somebody else takes it.
    site.at("issuer.issue", "before", () => leased({ ...ELSEWHERE }));
    assert.match(await site.failing(), /somebody else changed it meanwhile/);
    const ledger = await site.ledger();
    assert.equal(ledger.rotation?.phase, "staged");
    assert.equal(ledger.lease?.host, "elsewhere", "it does not give back what is not its own");
    site.clock.advance(LEASE_MS + 1000);
    assert.deepEqual(await site.settled(), []);
    assert.equal((await site.ledger()).active, 2);
  });
});
