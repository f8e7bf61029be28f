/** 100,000 ciphertexts are encrypted anew while they are read and written, by the real handler and a program it runs. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Keyring } from "../../examples/keys/keyring";
import { SEAM_HOOK } from "../../provider/rotation/effects";
import { MiniStack, TestClock, type Properties } from "../support/miniEngine";
import { type PostgresServer, startPostgres } from "../support/postgres";
import { Records } from "./records";
import { storedKeys } from "./storedKeys";
import { Site, SLOW_MS } from "./support";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const COUNT = 100_000;
const KEY_MAX_AGE_MS = 200;

describe("an encryption key whose ciphertexts are encrypted anew", function () {
  this.timeout(6 * SLOW_MS);
  const clock = new TestClock();
  const stack = new MiniStack(clock);
  let site: Site;
  let server: PostgresServer;
  let records: Records;
  let app: Keyring;
  let store: { type: string; path: string; key: { keyFile: string } };

  before(async () => {
    site = new Site();
    server = await startPostgres();
    const keyFile = site.path("store.key");
    writeFileSync(keyFile, randomBytes(32).toString("base64"), { mode: 0o600 });
    store = { type: "file", path: site.path("secret"), key: { keyFile } };
  });
  after(async () => {
    Reflect.deleteProperty(globalThis, SEAM_HOOK);
    await records.close();
    await server.stop();
    site.dispose();
  });

  const pidFile = () => site.path("rewrap.pid");
  const secret = (): Properties => ({
    name: "records",
    kind: {
      type: "encryptionKey",
      rewrap: {
        command: [process.execPath, "--import", "tsx", join(__dirname, "rewrap.child.ts")],
        env: {
          STORE_PATH: store.path,
          KEY_FILE: store.key.keyFile,
          DATABASE_URL: { from: "env", name: "REWRAP_DATABASE_URL" },
          PID_FILE: pidFile(),
        },
        timeout: "5m",
      },
    },
    store,
    schedule: { every: "90d" },
    readersCache: "1s",
    retirement: { grace: "1h", soak: "0s" },
    confirmation: "none",
  });
  const up = async () => {
    const result = await stack.up(secret(), null);
    assert.ifError(result.error);
    return result;
  };
  const states = async () =>
    Object.fromEntries((await stack.ledger(store)).versions.map((record) => [`v${record.version}`, record.state]));
  const keyIds = async () => (await stack.ledger(store)).versions.map((record) => record.issued?.["keyId"] ?? "");
  const storedVersions = async () => (await stack.stored(store)).map((ref) => ref.version);

  /** Runs while the program is at work, and kills it when so many are left. */
  async function upWithKill(keyId: string, whenLeft: number) {
    rmSync(pidFile(), { force: true });
    const run = up();
    while (!existsSync(pidFile()) || (await records.encryptedWith(keyId)) > whenLeft) await delay(10);
    process.kill(Number(readFileSync(pidFile(), "utf8")), "SIGKILL");
    return run;
  }

  it("loses none of 100,000 when killed twice, and the old key goes only after the last", async () => {
    process.env["REWRAP_DATABASE_URL"] = server.adminUrl;
    await up();
    app = new Keyring(await storedKeys(store.path, store.key.keyFile), KEY_MAX_AGE_MS);
    records = new Records(server.adminUrl, app, COUNT);
    await records.fill();
    const [v1 = ""] = await keyIds();
    assert.equal(await records.encryptedWith(v1), COUNT);
    records.begin(4, 2);

    clock.advance(91 * DAY);
    assert.equal((await up()).secret, "replaced");
    const [, v2 = ""] = await keyIds();
    while ((await app.encryptsWith()) !== v2) await delay(10);
    assert.ok((await records.encryptedWith(v1)) > COUNT / 2);
    assert.deepEqual(await states(), { v1: "superseded", v2: "active" });

    clock.advance(HOUR + 1);
    let left = COUNT;
    for (const whenLeft of [70_000, 35_000]) {
      const { log } = await upWithKill(v1, whenLeft);
      assert.match(log.join("\n"), /how many ciphertexts of v1-\w+ are left is not known: .* was ended by SIGKILL/);
      const now = await records.encryptedWith(v1);
      assert.ok(now > 0 && now < left, `${now} are left, which were ${left}`);
      left = now;
      assert.deepEqual(await states(), { v1: "superseded", v2: "active" });
      assert.deepEqual(await storedVersions(), [1, 2]);
    }

    const leftWhenDeleted: number[] = [];
    Reflect.set(globalThis, SEAM_HOOK, async (point: string, moment: string) => {
      if (point === "store.retire" && moment === "before") leftWhenDeleted.push(await records.encryptedWith(v1));
    });
    const { log } = await up();
    assert.deepEqual(leftWhenDeleted, [0]);
    assert.match(log.join("\n"), /v1 is revoked, proven dead and deleted/);
    assert.deepEqual(await states(), { v1: "retired", v2: "active" });
    assert.deepEqual(await storedVersions(), [2]);
    assert.equal(await records.encryptedWith(v1), 0);
    const [retired] = (await stack.ledger(store)).versions;
    assert.match(retired?.proof?.detail ?? "", /its value is no longer in the store/);

    await records.stop();
    assert.deepEqual(records.wrong, []);
    assert.ok(records.reads > 1_000 && records.writes > 500, `${records.reads} reads, ${records.writes} writes`);
    const fresh = new Keyring(await storedKeys(store.path, store.key.keyFile), KEY_MAX_AGE_MS);
    assert.equal(await records.readable(fresh), COUNT);
  });
});
