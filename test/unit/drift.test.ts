import assert from "node:assert/strict";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { verifyChain } from "../../provider/audit/verify";
import { Runtime } from "../../provider/runtime";
import { memoryIssuer, type MemoryCredential } from "../../testing/memoryKind";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const store = { type: "memory", name: "db" };

const secret = (more: Properties = {}): Properties => ({
  name: "orders-db",
  kind: { type: "memory", name: "issuer" },
  store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1h" },
  ...more,
});

const rollout = (link: Properties): Properties => ({
  name: "orders",
  secrets: [link],
  consumers: [{ type: "memory", name: "api" }],
});

describe("drift", () => {
  let clock: TestClock;
  let stack: MiniStack;
  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    clock = new TestClock();
    stack = new MiniStack(clock);
  });
  afterEach(async () => {
    const { audit } = await stack.ledger(store);
    assert.deepEqual(verifyChain(memoryAuditTrail("db").events, { expectedHead: audit }), []);
  });

  const up = async (options = {}) => {
    const result = await stack.up(secret(), rollout, options);
    if (result.error) throw result.error;
    return result;
  };
  const refresh = async () => {
    const result = await stack.refresh();
    if (result.error) throw result.error;
    return result.log.join("\n");
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(store)).versions.map((one) => [`v${one.version}`, one.state]));
  const credential = (number: number): MemoryCredential => {
    const found = [...memoryIssuer("issuer").credentials.values()].find((one) => one.name.includes(`-v${number}-`));
    assert.ok(found, `v${number}`);
    return found;
  };
  const remove = (number: number) => memoryIssuer("issuer").credentials.delete(credential(number).name);
  const issued = () => memoryIssuer("issuer").calls.filter((call) => call.startsWith("issue"));
  const opened = () => new Runtime(() => undefined, clock).store(store);

  async function twoVersions(): Promise<void> {
    await up();
    clock.advance(91 * DAY);
    await up();
  }

  it("is not there when nothing has changed: a refresh leaves the state as it was, and asks for nothing", async () => {
    await twoVersions();
    const before = structuredClone(stack.secret?.outputs);
    assert.equal(await refresh(), "");
    assert.deepEqual(stack.secret?.outputs, before);
    assert.equal((await up()).secret, "same");
  });

  it("of a version that was removed is noticed by a refresh, told by the next run and repaired by rotating", async () => {
    await up();
    remove(1);
    assert.match(await refresh(), /orders-db: v1: no such credential\. The next pulumi up replaces it/);
    assert.match(String(stack.secret?.outputs["rotation"]), /^v1: first version \(drift: no such credential\)$/);
    const result = await up();
    assert.equal(result.secret, "replaced");
    assert.match(result.log.join("\n"), /v2: drift, v1 does not work any more: no such credential/);
    assert.match(String(stack.secret?.inputs["rotation"]), /^v2: drift/);
    assert.equal((await states())["v2"], "active");
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 2);
  });

  it("of a changed password is repaired with a new one: no former value is written back", async () => {
    await up();
    const former = credential(1).password;
    credential(1).password = "changed by hand";
    await refresh();
    await up();
    assert.deepEqual(issued(), ["issue v1", "issue v2"]);
    assert.equal(credential(1).password, "changed by hand");
    assert.notEqual(credential(2).password, former);
    // What was tampered with goes like any other superseded version.
    for (let run = 0; run < 3; run++) {
      clock.advance(HOUR + 1);
      await up();
    }
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
  });

  it("of a value that is gone from the store is repaired by rotating", async () => {
    await up();
    const [ref] = await (await opened()).list();
    const memory = await opened();
    await memory.clearCurrent((await memory.load()).revision);
    await memory.retire(ref!);
    assert.match(await refresh(), /its value is no longer in the store/);
    await up();
    assert.equal((await states())["v2"], "active");
  });

  it("that was mended by hand before the next run needs no new version", async () => {
    await up();
    credential(1).enabled = false;
    await refresh();
    credential(1).enabled = true;
    await up();
    assert.deepEqual(await states(), { v1: "active" });
    assert.equal(await refresh(), "");
  });

  it("of the active version, while its predecessor works, is repaired by a return to that", async () => {
    await twoVersions();
    remove(2);
    await refresh();
    const result = await up();
    assert.match(result.log.join("\n"), /v1: return from v2, which does not work any more/);
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 1);
  });

  it("enables a predecessor that is only disabled, and returns to it", async () => {
    await twoVersions();
    clock.advance(HOUR + 1);
    await up();
    assert.equal((await states())["v1"], "disabled");
    remove(2);
    await refresh();
    await up();
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
    assert.equal(credential(1).enabled, true);
  });

  it("keeps the predecessor alive, also where no refresh has noticed and its retirement is due", async () => {
    await twoVersions();
    clock.advance(HOUR + 1);
    remove(2);
    const failed = await stack.up(secret(), rollout);
    assert.match(failed.error?.message ?? "", /v2 does not work any more: no such credential.*Run pulumi up again/s);
    assert.equal((await states())["v1"], "superseded");
    await up();
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
  });

  it("of both versions: what is gone is cleared away, and one new version takes their place", async () => {
    await twoVersions();
    remove(1);
    remove(2);
    await refresh();
    await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "superseded", v3: "active" });
    assert.equal(memoryWorkload("api").versions.get("orders-db"), 3);
  });

  it("of a disabled predecessor that is gone as well is no way back: one new version takes their place", async () => {
    await twoVersions();
    clock.advance(HOUR + 1);
    await up();
    remove(1);
    remove(2);
    await refresh();
    await up();
    assert.deepEqual(await states(), { v1: "retired", v2: "superseded", v3: "active" });
  });

  it("of a disabled predecessor shows when it is enabled: the run fails, and the next one does not try it again", async () => {
    await twoVersions();
    clock.advance(HOUR + 1);
    await up();
    credential(1).password = "changed by hand";
    remove(2);
    await refresh();
    assert.match((await stack.up(secret(), rollout)).error?.message ?? "", /but v1 does not work any more/);
    assert.match(
      (await stack.up(secret(), rollout)).error?.message ?? "",
      /v2 (should be handed out|does not work any more)/,
    );
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    credential(1).password =
      (await (await opened()).read({ version: 1, token: credential(1).rotationId })).value["password"] ?? "";
    // Mended by hand: the next run sees it, and the one after that goes back to it.
    assert.match((await stack.up(secret(), rollout)).error?.message ?? "", /Run pulumi up again/);
    await up();
    assert.deepEqual(await states(), { v1: "active", v2: "rejected" });
  });

  it("of both versions, one of which somebody may still be let in with, stops with the reason and removes nothing", async () => {
    await twoVersions();
    credential(1).password = "changed by hand";
    remove(2);
    await refresh();
    const { error } = await stack.up(secret(), rollout);
    assert.match(error?.message ?? "", /v2 does not work any more/);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    assert.deepEqual(issued(), ["issue v1", "issue v2"]);
  });

  it("is what a rollout of another stack finds and records, so that the owner's next run replaces the version", async () => {
    await up();
    const other = new MiniStack(clock, "org/app/other");
    remove(1);
    const { error } = await other.upRolloutOf(stack.link, (link) => ({ ...rollout(link), name: "reports" }));
    assert.match(error?.message ?? "", /v1 should be rolled out, but it does not work.*Run the stack org\/app\/prod/s);
    await up();
    assert.equal((await states())["v2"], "active");
  });

  it("of a label is noticed without a refresh and put right", async () => {
    await twoVersions();
    const memory = await opened();
    const { current, revision } = await memory.load();
    const first = (await memory.list()).find((ref) => ref.version === 1);
    await memory.promote(first!, current, revision, 1);
    assert.match(await refresh(), /"current" points to v1 in .*The next pulumi up puts it right/);
    const result = await up();
    assert.equal(result.secret, "updated");
    assert.equal((await (await opened()).load()).current?.version, 2);
    assert.equal(await refresh(), "");
  });

  it("cannot be told while the issuer does not answer: the refresh says so and changes nothing", async () => {
    await up();
    const before = structuredClone(stack.secret?.outputs);
    memoryIssuer("issuer").down = true;
    assert.match(await refresh(), /whether v1 still works cannot be told: The issuer issuer does not answer/);
    assert.deepEqual(stack.secret?.outputs, before);
  });

  it("never makes a refresh forget the entry, not even where the store was lost", async () => {
    await up();
    const kept = stack.secret?.id;
    const { outputs } = stack.secret ?? { outputs: {} };
    stack.secret!.outputs = { ...outputs, store: { type: "memory", name: "lost" } };
    await refresh();
    assert.equal(stack.secret?.id, kept);
    stack.secret!.outputs = outputs;
  });
});
