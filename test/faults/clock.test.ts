import assert from "node:assert/strict";
import { runClock } from "../../provider/clock";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { DAY, FaultSite, HOUR } from "./site";

describe("the clock of a run", () => {
  it("goes on from where it began when the machine's clock is set, forward or back", () => {
    let wall = 1_000_000;
    let passed = 5;
    const clock = runClock(
      () => wall,
      () => passed,
    );
    assert.equal(clock.now(), 1_000_000);
    passed += 250;
    wall += DAY;
    assert.equal(clock.now(), 1_000_250);
    wall -= 2 * DAY;
    assert.equal(clock.now(), 1_000_250);
  });

  it("rejects a sleep with the reason why the run was ended", async () => {
    const abort = new AbortController();
    const sleeping = runClock().sleep(60_000, abort.signal);
    abort.abort(new Error("ended by somebody"));
    await assert.rejects(sleeping, /^Error: ended by somebody$/);
  });
});

describe("a machine's clock that is set in the middle of a run", function () {
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

  it("a day forward ends no grace period in that run, and the next runs settle", async () => {
    site.at("consumer.roll", "after", () => site.clock.set(DAY));
    assert.match((await site.clean()).log.join("\n"), /the grace period of v1 goes on until/);
    assert.deepEqual(await site.roles(), (await site.roles()).slice(0, 2));
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    assert.equal((await site.ledger()).lease, null);
    assert.deepEqual(await site.settled(), []);
  });

  it("a day forward while a version is disabled ends no soak time in that run", async () => {
    await site.clean();
    site.clock.advance(HOUR + 1000);
    site.at("issuer.disable", "after", () => site.clock.set(DAY));
    await site.clean();
    assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
    assert.deepEqual(await site.settled(), []);
  });

  it("an hour back retires nothing too early, and delays by no more than that hour", async () => {
    site.at("consumer.roll", "after", () => site.clock.set(-HOUR));
    await site.clean();
    // By the machine's clock the version was superseded an hour from now.
    site.clock.advance(HOUR + 60_000);
    assert.match((await site.clean()).log.join("\n"), /^orders-db: v2, next rotation \S+Z \(every 90d\)$/);
    assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
    site.clock.advance(HOUR);
    await site.clean();
    assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
    site.clock.advance(HOUR + 1000);
    assert.deepEqual(await site.settled(), []);
  });

  it("back to before the first version rotates nothing, and the schedule goes on when that time has come again", async () => {
    await site.clean();
    site.clock.advance(3 * HOUR);
    await site.clean();
    site.clock.advance(3 * HOUR);
    await site.clean();
    site.clock.advance(-200 * DAY);
    const { log } = await site.clean();
    assert.equal(log.length, 1);
    assert.match(
      log.join(),
      /v2 was issued at .*, and it is .* by the clock of this machine.* Nothing is rotated twice/,
    );
    assert.deepEqual(await site.states(), { v1: "retired", v2: "active" });
    site.clock.advance(200 * DAY + 91 * DAY);
    await site.clean();
    assert.equal((await site.ledger()).active, 3);
    site.clock.advance(HOUR + 1000);
    assert.deepEqual(await site.settled(), []);
  });
});
