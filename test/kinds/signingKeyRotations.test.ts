/** Tokens are signed and checked at every moment of rotations by the real handler: none may be rejected. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { MiniStack, resetMemory, registerMemoryAdapters, type Properties } from "../support/miniEngine";
import { Site, SLOW_MS } from "./support";
import { World, WorldClock, type Limits } from "./tokens";

const MINUTE = 60_000;
const DAY = 86_400_000;
const STORE = { type: "memory", name: "signing" };
const LIMITS: Limits = {
  cacheMs: 5 * MINUTE,
  tokenLifetimeMs: 10 * MINUTE,
  readersCacheMs: 30_000,
  stepMs: 10_000,
};

describe("signing keys under load", function () {
  this.timeout(4 * SLOW_MS);
  let site: Site;
  let clock: WorldClock;
  let stack: MiniStack;
  let world: World;

  const secret = (kind: Properties = {}, more: Properties = {}): Properties => ({
    name: "tokens",
    kind: {
      type: "signingKey",
      jwksFile: site.path("jwks.json"),
      cacheTime: "5m",
      tokenLifetime: "10m",
      ...kind,
    },
    store: STORE,
    schedule: { every: "30d" },
    readersCache: "30s",
    retirement: { grace: "16m", soak: "2m", requireUnused: false },
    confirmation: "none",
    ...more,
  });
  const up = async (args = secret()) => {
    const result = await stack.up(args, null);
    assert.ifError(result.error);
    return result;
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(STORE)).versions.map((record) => [`v${record.version}`, record.state]));
  const published = () =>
    (JSON.parse(readFileSync(site.path("jwks.json"), "utf8")) as { keys: { kid: string }[] }).keys.map(
      ({ kid }) => kid,
    );

  before(registerMemoryAdapters);
  beforeEach(async () => {
    resetMemory();
    site = new Site();
    clock = new WorldClock();
    stack = new MiniStack(clock);
  });
  afterEach(async () => {
    Reflect.deleteProperty(globalThis, SEAM_HOOK);
    await world.stop();
    site.dispose();
  });

  /** Something signs and checks before and after each side effect, too. */
  async function begin(kind: Properties = {}): Promise<void> {
    await up(secret(kind));
    world = new World(clock, STORE.name, site.path("jwks.json"), LIMITS, 4);
    await world.start();
    Reflect.set(globalThis, SEAM_HOOK, () => world.load());
  }

  /** From the moment when it is due until the superseded one is gone, with a run each minute of the time of the world. */
  async function rotate(args: Properties): Promise<void> {
    clock.advance(31 * DAY);
    await world.pass(LIMITS.tokenLifetimeMs + LIMITS.cacheMs);
    assert.equal((await up(args)).secret, "replaced");
    for (
      let run = 0;
      run < 30 && Object.values(await states()).filter((state) => state !== "retired").length > 1;
      run++
    ) {
      await world.pass(MINUTE);
      await up(args);
    }
  }

  it("go through 10 rotations of all algorithms with no rejected token, and with two keys at most", async () => {
    await begin();
    const first = published();
    for (let rotation = 1; rotation <= 10; rotation++) {
      const algorithm = ["ES256", "EdDSA", "RS256"][rotation % 3];
      await rotate(secret({ algorithm }));
      assert.deepEqual((await states())[`v${rotation}`], "retired");
      assert.equal(published().length, 1);
      assert.deepEqual(world.rejected, []);
    }
    assert.equal(world.kidsUsed.size, 11);
    assert.deepEqual([...world.algorithmsUsed].sort(), ["ES256", "EdDSA", "RS256"]);
    assert.notDeepEqual(published(), first);
    assert.ok(world.accepted > 10_000, `${world.accepted} tokens were accepted`);
    assert.ok(world.fetches > 100, `the JWKS was fetched ${world.fetches} times`);
  });

  it("would have tokens rejected if a key signed before the caches had it: this load notices", async () => {
    await begin({ publishWait: "0s" });
    await rotate(secret({ publishWait: "0s" }));
    assert.ok(world.rejected.some((line) => line.includes("unknown key")));
  });

  it("wait out the cache time when killed on the way, and no longer than that from the publication", async () => {
    await begin();
    clock.advance(31 * DAY);
    await world.pass(LIMITS.tokenLifetimeMs + LIMITS.cacheMs);
    let stepsLeft = 12;
    clock.onStep = () => {
      if (--stepsLeft === 0) throw new Error("killed while it waits");
    };
    const started = clock.now();
    const killed = await stack.up(secret(), null);
    assert.match(String(killed.error), /killed while it waits/);
    assert.equal(published().length, 2);
    assert.equal(clock.now() - started, 2 * MINUTE);
    clock.onStep = () => undefined;
    await world.pass(MINUTE);
    const { log } = await up();
    assert.match(log.join("\n"), /tokens: v2 \(.*\) is in .*; signing waits 2 minutes more, until every cache has it/);
    assert.equal(clock.now() - started, LIMITS.cacheMs);
    assert.equal(published().length, 2);
    await world.pass(2 * LIMITS.cacheMs);
    assert.deepEqual(world.rejected, []);
    assert.equal(world.kidsUsed.size, 2);
  });
});
