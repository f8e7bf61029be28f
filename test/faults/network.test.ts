import assert from "node:assert/strict";
import { LyingProxy, type Misbehaviour } from "../support/proxy";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { DAY, FaultSite } from "./site";

/** Every connection of ours names itself so. */
const OURS = (startup: string) => startup.includes("pulumi-rotating-secrets");
const VERIFY = (startup: string) => startup.includes("pulumi-rotating-secrets verify");
const CHECK = (startup: string) => startup.includes("pulumi-rotating-secrets check");
const ADMIN = (startup: string) => OURS(startup) && !VERIFY(startup) && !CHECK(startup);

/** As it is executed, not as the template of which the server makes the statement. */
const executed = (statement: string) => new RegExp(`${statement} (?!%)`);

describe("a network between the run and PostgreSQL that", function () {
  this.timeout(120_000);
  let server: PostgresServer;
  let proxy: LyingProxy;
  let site: FaultSite;
  let silent: ReturnType<typeof silentRun>;
  before(async () => {
    server = await startPostgres();
    silent = silentRun();
    silent.catch(() => undefined);
  });
  beforeEach(async () => {
    proxy = await LyingProxy.start(server);
    site = await FaultSite.open(server, { port: proxy.port, connectTimeout: "1s" });
    await site.withFirstVersion();
    site.clock.advance(91 * DAY);
  });
  afterEach(async () => {
    await site.close();
    await proxy.stop();
  });
  after(async () => {
    await server.stop();
  });

  async function finished(): Promise<void> {
    proxy.behave();
    assert.deepEqual(await site.settled(), []);
    assert.equal((await site.ledger()).active, 2);
  }

  for (const [who, concerns, says] of [
    ["the admin", ADMIN, /PostgreSQL at .* cannot be reached/],
    ["the log-in that verifies", VERIFY, /PostgreSQL at .* cannot be reached/],
    ["a check", CHECK, /Nothing was rolled back|cannot be reached/],
  ] as const) {
    it(`swallows everything of ${who}: the run ends in time, and the next one finishes it`, async () => {
      site.rollout = { checks: [{ type: "sql", name: "canary", query: "SELECT 1", timeout: "500ms" }] };
      misbehave({ how: "black-hole" }, who, concerns);
      assert.match(await site.failing(), says);
      assert.ok(proxy.done > 0);
      await finished();
    });

    it(`refuses ${who}: the run stops with nothing rolled back, and the next one finishes it`, async () => {
      misbehave({ how: "refuse" }, who, concerns);
      assert.match(await site.failing(), says);
      assert.ok(proxy.done > 0);
      await finished();
    });
  }

  /** A check that has no answer is unhealthy; whether the superseded version would do is then asked by a log-in. */
  function misbehave(how: Misbehaviour, who: string, concerns: (startup: string) => boolean): void {
    if (who === "a check") site.at("store.promote", "after", () => proxy.misbehave(how, OURS));
    else proxy.misbehave(how, concerns);
  }

  it("is slower than the time limit of a connection: the run stops, and the next one finishes it", async () => {
    proxy.misbehave({ how: "delay", ms: 1500 }, OURS);
    assert.match(await site.failing(), /cannot be reached: timeout/i);
    await finished();
  });

  it("is slow, but within the limits: the run takes longer and succeeds", async () => {
    proxy.misbehave({ how: "delay", ms: 30 }, OURS);
    await site.clean();
    assert.equal((await site.ledger()).active, 2);
    await finished();
  });

  for (const statement of ["CREATE ROLE", "ALTER ROLE", "COMMIT"])
    for (const how of ["cut", "lose-reply"] as const)
      it(`${how === "cut" ? "is cut at" : "loses the reply to"} ${statement} of the issue, twice: the run stops or goes on, and never makes a second role`, async () => {
        proxy.misbehave({ how, at: statement === "COMMIT" ? /COMMIT/ : executed(statement) }, ADMIN, 2);
        const { error } = await site.up();
        assert.equal(proxy.done, 2, "once, and once more when it was done again");
        assert.match(error?.message ?? "", /cannot be reached: .*run it again/);
        assert.ok((await site.roles()).length <= 2);
        await finished();
      });

  it("loses one reply: it is done again over a new connection, and the run succeeds", async () => {
    proxy.misbehave({ how: "lose-reply", at: /COMMIT/ }, ADMIN, 1);
    await site.clean();
    assert.equal(proxy.done, 1);
    await finished();
  });

  for (const [statement, prepare] of [
    ["ALTER ROLE", "withSupersededVersion"],
    ["DROP ROLE", "withDisabledVersion"],
  ] as const)
    for (const how of ["cut", "lose-reply"] as const)
      it(`${how === "cut" ? "is cut at" : "loses the reply to"} ${statement} of the retirement, twice: the next run finishes it`, async () => {
        await retiring(prepare);
        proxy.misbehave({ how, at: executed(statement === "DROP ROLE" ? "DROP ROLE IF EXISTS" : statement) }, ADMIN, 2);
        assert.match(await site.failing(), /cannot be reached/);
        assert.equal(proxy.done, 2);
        await finished();
      });

  /** The first version is there already. */
  async function retiring(prepare: "withSupersededVersion" | "withDisabledVersion"): Promise<void> {
    await site.clean();
    const runs = prepare === "withSupersededVersion" ? 0 : 1;
    for (let run = 0; run < runs; run++) {
      site.clock.advance(DAY / 24 + 1000);
      await site.clean();
    }
    site.clock.advance(DAY / 24 + 1000);
  }

  it("falls silent after DROP ROLE was executed: the statement has a time limit, and the run goes on", async () => {
    const { tookMs, complaints } = await silent;
    assert.ok(tookMs > 30_000, "the reply was waited for");
    assert.deepEqual(complaints, []);
  });

  /** Takes as long as the time limit, so it goes on beside the other tests. */
  async function silentRun(): Promise<{ tookMs: number; complaints: string[] }> {
    const mute = await LyingProxy.start(server);
    const own = await FaultSite.open(server, { port: mute.port });
    try {
      await own.withDisabledVersion();
      mute.misbehave({ how: "silence", at: executed("DROP ROLE IF EXISTS") }, ADMIN, 1);
      const started = Date.now();
      // Done once more over a new connection, which finds the role gone.
      await own.clean();
      const tookMs = Date.now() - started;
      assert.equal(mute.done, 1);
      return { tookMs, complaints: await own.settled() };
    } finally {
      await own.close();
      await mute.stop();
    }
  }
});
