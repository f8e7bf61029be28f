import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { statusOf } from "../../cli/statusReport";
import { statusText } from "../../cli/statusText";
import { readTrailOrSayWhyNot } from "../../cli/trail";
import { appendEvent } from "../../provider/audit/chain";
import { AUDIT_BUFFER_LIMIT } from "../../provider/lifecycle/auditOutage";
import type { LedgerState } from "../../provider/lifecycle/ledger";
import { Runtime } from "../../provider/runtime";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { DAY, FaultSite } from "./site";

describe("an audit trail that cannot be written", function () {
  this.timeout(90_000);
  let server: PostgresServer;
  let site: FaultSite;
  let folder: string;
  let path: string;
  before(async () => {
    server = await startPostgres();
  });
  beforeEach(async () => {
    site = await FaultSite.open(server);
    folder = join(site.folder, "trail");
    path = join(folder, "audit.jsonl");
    mkdirSync(folder);
    site.secret = { audit: { type: "file", path } };
    await site.withFirstVersion();
    site.clock.advance(91 * DAY);
  });
  afterEach(async () => {
    await site.close();
  });
  after(async () => {
    await server.stop();
  });

  /** Where its folder was, there is something else, as when a disk is not mounted. */
  function down(): void {
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, "");
  }

  function back(): void {
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
  }

  function buffering(): void {
    site.secret = { ...site.secret, auditOutage: "buffer" };
  }

  const written = () => readFileSync(existsSync(`${folder}.away`) ? `${folder}.away/audit.jsonl` : path, "utf8");

  it("lets nothing start: the run stops before its first side effect, and the next one rotates", async () => {
    const before = await site.ledger();
    down();
    const error = await site.failing();
    assert.match(
      error,
      /orders-db: Could not write to the audit trail file:.*No step is taken that cannot be recorded/,
    );
    assert.match(error, /Make the file writable .*Nothing was changed\. .*declare auditOutage: "buffer"/);
    assert.deepEqual(await site.ledger(), before);
    back();
    assert.deepEqual(await site.settled(path), []);
    assert.equal((await site.ledger()).active, 2);
  });

  it("stops a run that is under way before its next side effect, loses no event, and the next run goes on", async () => {
    site.at("issuer.issue", "before", down);
    assert.match(await site.failing(), /Could not write event \d+ of the secret "orders-db"/);
    const ledger = await site.ledger();
    assert.equal(ledger.rotation?.phase, "issued");
    assert.equal(ledger.lease, null);
    assert.deepEqual(
      ledger.outbox.map((event) => event.step),
      ["issued"],
    );
    back();
    assert.match((await site.clean()).log.join("\n"), /1 event that waited in the ledger is in the audit trail file:/);
    assert.deepEqual(await site.settled(path), []);
    assert.equal((await site.ledger()).active, 2);
  });

  it("is written by the next run also where that has nothing else to do", async () => {
    await site.clean();
    site.at("issuer.disable", "after", down);
    site.clock.advance(DAY / 12);
    assert.match(await site.failing(), /Could not write event/);
    assert.equal((await site.ledger()).outbox.length, 1);
    assert.match(await site.failing(), /Nothing was changed/, "fail closed, though nothing is due");
    back();
    assert.match((await site.clean()).log.join("\n"), /to do: 1 event waits in the ledger for the audit trail/);
    assert.equal((await site.ledger()).outbox.length, 0);
    assert.deepEqual(await site.settled(path), []);
  });

  describe("and whose events may wait", () => {
    beforeEach(buffering);

    it("lets the rotation go on with a warning in each run, and gets every event in order when it is back", async () => {
      const before = written();
      down();
      const { log } = await site.clean();
      assert.match(log.join("\n"), /the audit trail is down, and the run goes on, as auditOutage: "buffer" says/);
      const ledger = await site.ledger();
      assert.equal(ledger.active, 2);
      assert.equal(ledger.rotation?.phase, "done");
      assert.ok(ledger.outbox.length > 10);
      assert.equal(written(), before);
      const again = (await site.clean()).log.join("\n");
      assert.match(again, new RegExp(`to do: ${ledger.outbox.length} events wait in the ledger`));
      assert.match(
        again,
        new RegExp(`${ledger.outbox.length} events wait in the ledger \\(at most ${AUDIT_BUFFER_LIMIT} may\\)`),
      );
      assert.match(
        await status(),
        /audit +DOWN: Could not .*; \d+ more are in the ledger and are written by the next run/,
      );
      back();
      const waiting = (await site.ledger()).outbox;
      assert.match((await site.clean()).log.join("\n"), /\d+ events that waited in the ledger are in the audit trail/);
      const trail = await site.trail(path);
      const at = trail.findIndex((event) => event?.hash === waiting[0]?.hash);
      assert.deepEqual(trail.slice(at, at + waiting.length), waiting);
      assert.deepEqual(await site.settled(path), []);
    });

    it("lets a run go on when it goes down under way, and says so once", async () => {
      site.at("issuer.issue", "before", down);
      const { log } = await site.clean();
      const said = log.filter((line) => line.includes("the audit trail went down under way"));
      // Once by the secret's call; the rollout and the delete are calls of their own.
      assert.equal(said.length, 1);
      assert.equal((await site.ledger()).active, 2);
      back();
      assert.deepEqual(await site.settled(path), []);
    });

    it("stops like any other when as many wait as may, and still loses none", async () => {
      await site.clean();
      down();
      await alreadyWaiting(AUDIT_BUFFER_LIMIT - 3);
      // A rollout that rolls again is recorded with each of its steps.
      const adoption = { url: `${site.app.url}/adoption` };
      site.rollout = { consumers: [{ type: "process", name: "other", file: join(site.folder, "app.json"), adoption }] };
      assert.equal((await site.up()).error, undefined, "a run that was let start is not stopped by the limit");
      const error = await site.failing();
      assert.match(
        error,
        /\d+ events wait in the ledger, and no more than 200 may, so this run stops.*Nothing was changed/,
      );
      const { outbox } = await site.ledger();
      assert.ok(outbox.length >= AUDIT_BUFFER_LIMIT && outbox.length < AUDIT_BUFFER_LIMIT + 30, `${outbox.length}`);
      back();
      assert.deepEqual(await site.settled(path), []);
    });
  });

  /** As earlier runs would have left it. */
  async function alreadyWaiting(count: number): Promise<void> {
    const runtime = new Runtime(() => undefined, site.clock);
    const store = await runtime.store(site.store);
    const { body, revision } = await store.load();
    const ledger = body as LedgerState;
    while (ledger.outbox.length < count) {
      const { hash, seq } = ledger.audit;
      const { identity, secret } = ledger;
      const actor = { user: "ci", host: "elsewhere", stack: "org/app/prod", run: "earlier" };
      const said = {
        step: "retirement-put-off",
        version: 1,
        result: "put-off" as const,
        reason: "an earlier run",
        detail: {},
      };
      const event = appendEvent(hash, {
        identity,
        seq: seq + 1,
        time: "2026-01-01T00:00:00.000Z",
        secret,
        ...said,
        actor,
      });
      ledger.audit = { seq: event.seq, hash: event.hash };
      ledger.outbox.push(event);
    }
    await store.commit(ledger, revision);
    await runtime.close();
  }

  async function status(): Promise<string> {
    const runtime = new Runtime(() => undefined, site.clock);
    const where = { ...site.secretArgs, replicas: [] } as unknown as Parameters<Runtime["parts"]>[0];
    const parts = await runtime.parts(where, "org/app/prod");
    const trail = await readTrailOrSayWhyNot(parts.audit, () => site.ledger());
    assert.ok(trail.ledger);
    const text = statusText(statusOf(parts, trail.ledger, trail, undefined));
    await runtime.close();
    return text;
  }
});
