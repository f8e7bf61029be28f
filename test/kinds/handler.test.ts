/** Keys through the real handler: what `check()` refuses, how versions end, and what holds an encryption key. */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { memoryAuditTrail } from "../../provider/audit/memory";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { memoryStoreContents } from "../../provider/stores/memory";
import { memoryWorkload } from "../../testing/memoryWorkload";
import { MiniStack, registerMemoryAdapters, resetMemory, TestClock, type Properties } from "../support/miniEngine";
import { Site, SLOW_MS } from "./support";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STORE = { type: "memory", name: "keys" };

describe("kinds of keys in a program", function () {
  this.timeout(2 * SLOW_MS);
  let site: Site;
  let clock: TestClock;
  let stack: MiniStack;

  before(registerMemoryAdapters);
  beforeEach(() => {
    resetMemory();
    site = new Site();
    clock = new TestClock();
    stack = new MiniStack(clock);
  });
  afterEach(() => {
    Reflect.deleteProperty(globalThis, SEAM_HOOK);
    site.dispose();
  });

  const secret = (kind: Properties, more: Properties = {}): Properties => ({
    ...{ name: "keys", kind, store: STORE, schedule: { every: "90d" }, confirmation: "none" },
    retirement: { grace: "1h", soak: "0s", requireUnused: false },
    ...more,
  });
  const up = async (args: Properties | null, roll: ((link: Properties) => Properties) | null = null) => {
    const result = await stack.up(args, roll);
    assert.ifError(result.error);
    return result;
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(STORE)).versions.map((record) => [`v${record.version}`, record.state]));
  const refused = async (args: Properties) => String((await stack.up(args, null)).error);

  /** A program that answers with how many ciphertexts are left. */
  const rewrap = () => ({
    command: site.program(
      "rewrap",
      `const { appendFileSync, readFileSync } = require("node:fs");
       appendFileSync(folder + "/asked", JSON.stringify(request) + "\\n");
       console.log(readFileSync(folder + "/left", "utf8"));`,
    ),
  });
  const leaves = (left: number) => writeFileSync(site.path("left"), JSON.stringify({ left }));
  const asked = () =>
    existsSync(site.path("asked"))
      ? readFileSync(site.path("asked"), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as { step: string; key: Record<string, string> })
      : [];

  const encryption = (more: Properties = {}) =>
    secret({ type: "encryptionKey", rewrap: rewrap() }, { retirement: { grace: "1h", soak: "0s" }, ...more });

  it("are refused with terms of retirement that they cannot work with, before anything is changed", async () => {
    const byDefault = { retirement: {} };
    for (const kind of [{ type: "randomSecret" }, { type: "hmacKey" }])
      assert.match(
        await refused(secret(kind, byDefault)),
        /retirement.requireUnused: true \(the default\) needs evidence/,
      );
    const tells = { command: ["orders-ctl", "key-usage"] };
    const withUsage = await stack.up(secret({ type: "hmacKey", usage: tells }, byDefault), null);
    assert.ifError(withUsage.error);
    resetMemory();
    stack = new MiniStack(clock);
    const no = await refused(encryption({ retirement: { requireUnused: false, terminateSessions: true } }));
    assert.match(no, /retirement.requireUnused: must not be false: an encryption key goes only on proof/);
    assert.match(no, /retirement.terminateSessions: must not be true/);
    const signing = { type: "signingKey", jwksFile: site.path("jwks.json"), cacheTime: "5m", tokenLifetime: "1h" };
    const terms = (grace: string) => ({ readersCache: "1m", retirement: { grace, requireUnused: false } });
    assert.match(
      await refused(secret(signing, terms("65m"))),
      /retirement.grace: of 65 minutes is shorter than 66 minutes: cacheTime \(5m\), tokenLifetime \(1h\) and readersCache/,
    );
    assert.ok(!existsSync(site.path("jwks.json")));
    assert.equal(memoryStoreContents(STORE.name).body, undefined);
    await up(secret(signing, terms("66m")));
  });

  it("end with the stores: a version is retired when no store has it, and the trail says so", async () => {
    const args = secret({ type: "randomSecret", atLeast: { digits: 3 } });
    await up(args);
    const [first] = [...memoryStoreContents(STORE.name).versions.values()];
    clock.advance(91 * DAY);
    await up(args);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    clock.advance(HOUR + 1);
    await up(args);
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    const [second] = [...memoryStoreContents(STORE.name).versions.values()];
    assert.equal(second?.ref.version, 2);
    assert.notEqual(second.value["secret"], first?.value["secret"]);
    const { events: trail } = memoryAuditTrail(STORE.name);
    const end = trail.flatMap((event) => (event?.version === 1 ? [`${event.step}: ${event.reason}`] : []));
    assert.ok(end.includes("revoked: no store has it any more"), end.join("\n"));
    assert.ok(
      !JSON.stringify([trail, stack.secret, await stack.ledger(STORE)]).includes(second.value["secret"] ?? "-"),
    );
  });

  it("are finished by the next run when a run was killed before or after a store deleted the version", async () => {
    for (const moment of ["before", "after"]) {
      resetMemory();
      stack = new MiniStack(clock);
      const args = secret({ type: "hmacKey" });
      await up(args);
      clock.advance(91 * DAY);
      await up(args);
      clock.advance(HOUR + 1);
      Reflect.set(globalThis, SEAM_HOOK, (point: string, when: string) => {
        if (point === "store.retire" && when === moment) throw new Error(`killed ${moment}`);
      });
      assert.match(String((await stack.up(args, null)).error), new RegExp(`killed ${moment}`));
      Reflect.deleteProperty(globalThis, SEAM_HOOK);
      assert.deepEqual(await states(), { v1: "retiring", v2: "active" });
      await up(args);
      assert.deepEqual(await states(), { v1: "retired", v2: "active" });
      assert.notEqual((await stack.ledger(STORE)).versions[0]?.proof, null);
    }
  });

  it("are replaced when somebody has changed the value in the store", async () => {
    const args = secret({ type: "randomSecret" });
    await up(args);
    const { versions } = memoryStoreContents(STORE.name);
    for (const [token, stored] of versions) versions.set(token, { ...stored, value: { secret: "changed-by-hand" } });
    await stack.refresh();
    const { log } = await up(args);
    assert.match(log.join("\n"), /does not work any more: it is another value than the one that was drawn/);
    assert.equal((await stack.ledger(STORE)).active, 2);
  });

  it("let a webhook's verifier have the new key before its signer uses it, by waves: none is rejected", async () => {
    const rejected: string[] = [];
    let sent = 0;
    const ring = new Map<string, string>();
    const keyOf = (version: number | undefined) =>
      [...memoryStoreContents(STORE.name).versions.values()].find(({ ref }) => ref.version === version)?.value;
    /** The verifier keeps what it was given; the signer signs with what it was given, at each moment of the rotations. */
    const exchange = () => {
      const given = keyOf(memoryWorkload("verifier").versions.get("keys"));
      if (given) ring.set(given["keyId"] ?? "", given["key"] ?? "");
      const signer = keyOf(memoryWorkload("signer").versions.get("keys"));
      if (!signer) return;
      const mac = (key: string) => createHmac("sha256", Buffer.from(key, "base64")).update(String(++sent)).digest();
      const known = ring.get(signer["keyId"] ?? "");
      const message = sent;
      const signature = mac(signer["key"] ?? "");
      sent = message;
      if (known === undefined || !timingSafeEqual(signature, mac(known)))
        rejected.push(`${sent} of ${signer["keyId"]}`);
    };
    Reflect.set(globalThis, SEAM_HOOK, exchange);
    const waves = (verifier: number, signer: number) => (link: Properties) => ({
      name: "webhooks",
      secrets: [link],
      consumers: [
        { type: "memory", name: "signer", wave: signer },
        { type: "memory", name: "verifier", wave: verifier },
      ],
    });
    const args = secret({ type: "hmacKey" }, { confirmation: "required" });
    for (let rotation = 0; rotation <= 10; rotation++) {
      await up(args, waves(0, 1));
      clock.advance(HOUR + 1);
      await up(args, waves(0, 1));
      clock.advance(91 * DAY);
    }
    assert.deepEqual(rejected, []);
    assert.equal(ring.size, 11);
    assert.ok(sent > 300, `${sent} were sent`);
    // The other way round this exchange notices.
    await up(args, waves(1, 0));
    assert.ok(rejected.length > 0);
  });

  it("keep an encryption key while ciphertexts are left, whatever time has passed", async () => {
    leaves(3);
    await up(encryption());
    clock.advance(91 * DAY);
    await up(encryption());
    clock.advance(89 * DAY);
    const { log } = await up(encryption());
    assert.match(log.join("\n"), /v1 \(v1-\w{8}\) is still used by 3 ciphertexts that are left/);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    // Due by now, and it waits.
    clock.advance(30 * DAY);
    await up(encryption());
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    leaves(0);
    const gone = await up(encryption());
    assert.match(gone.log.join("\n"), /v1 is revoked, proven dead and deleted|v3/);
    assert.equal((await states())["v1"], "retired");
    const lines = asked();
    assert.ok(lines.every(({ step, key }) => step === "rewrap" && key["version"] === "1"));
    const stored = [...memoryStoreContents(STORE.name).versions.values()].map(({ value }) => value["key"] ?? "-");
    assert.ok(stored.every((key) => !JSON.stringify(lines).includes(key)));
  });

  it("keep an encryption key whose program fails, or answers something else", async () => {
    leaves(0);
    await up(encryption());
    clock.advance(91 * DAY);
    await up(encryption());
    clock.advance(HOUR + 1);
    for (const [answer, said] of [
      ["{}", /its answer has no "left" that is a whole number/],
      ['{"left":-1}', /its answer has no "left" that is a whole number/],
      ["done", /wrote no line of JSON/],
    ] as const) {
      writeFileSync(site.path("left"), answer);
      assert.match((await up(encryption())).log.join("\n"), said);
      assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
    }
    rmSync(site.path("left"));
    assert.match((await up(encryption())).log.join("\n"), /ended with exit code 1; 0 is success/);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
  });

  it("keep a compromised encryption key too, until nothing of it is left", async () => {
    leaves(5);
    await up(encryption());
    clock.advance(DAY);
    const time = new Date(clock.now()).toISOString();
    const compromised = encryption({ events: [{ id: "leak", reason: "suspected-compromise", time }] });
    clock.advance(HOUR);
    await up(compromised);
    const { log } = await up(compromised);
    assert.match(
      log.join("\n"),
      /v1 cannot be revoked yet: 5 ciphertexts of v1-\w{8} are left, which nobody could read/,
    );
    assert.ok([...memoryStoreContents(STORE.name).versions.values()].some(({ ref }) => ref.version === 1));
    leaves(0);
    await up(compromised);
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
  });

  it("do not tear an encryption key down: not while it is protected, and not while ciphertexts are left", async () => {
    leaves(5);
    await up(encryption({ protect: true }));
    assert.match(String((await stack.up(null, null)).error), /it is protected, so it is not torn down/);
    assert.notEqual(memoryStoreContents(STORE.name).current, null);
    await up(encryption());
    assert.match(String((await stack.up(null, null)).error), /5 ciphertexts of v1-\w{8} are left/);
    assert.equal(memoryStoreContents(STORE.name).versions.size, 1);
    leaves(0);
    await up(null);
    assert.equal(memoryStoreContents(STORE.name).versions.size, 0);
  });
});
