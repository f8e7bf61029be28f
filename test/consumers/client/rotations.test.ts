/**
 * Applications with the client, as processes of their own, work against a real PostgreSQL while the real handler rotates
 * their credential again and again, and rolls broken versions back. Not one of their requests may fail.
 */
import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, type PostgresServer } from "../../support/postgres";
import { DAY, FaultSite, HOUR } from "../../faults/site";

const ROTATIONS = 20;
/** Which of them are tried with a broken version first, and who finds out. */
const BROKEN = new Map([
  [3, "canary"],
  [7, "consumers"],
  [11, "canary"],
  [15, "consumers"],
  [18, "canary"],
]);
const NAME = "orders-db";
/** After a refusal a function is asked once, and for so long not again. Rotations are hardly ever that near. */
const WINDOW_MS = 1000;

interface Report {
  readonly served: number;
  readonly failures: string[];
  readonly roles: string[];
  /** How often a log-in was refused, which the client has cured. */
  readonly refused: number;
}

interface App {
  readonly how: string;
  readonly file: string;
  readonly url: string;
  readonly child: ChildProcess;
}

describe("applications with the client, through rotations", function () {
  this.timeout(240_000);
  let server: PostgresServer;
  let site: FaultSite;
  const apps: App[] = [];
  let movedAt = 0;

  before(async () => {
    server = await startPostgres();
    site = await FaultSite.open(server);
    for (const how of ["verify", "verify", "file", "file", "function"]) apps.push(await start(how));
  });
  after(async () => {
    for (const { child } of apps) child.kill("SIGKILL");
    await site.close();
    await server.stop();
  });

  async function start(how: string): Promise<App> {
    // The one that no rollout knows reads what its neighbour is given.
    const file = join(site.folder, `app-${apps.length - (how === "function" ? 1 : 0)}.json`);
    const child = fork(join(__dirname, "app.child.cjs"), [file, how], { execArgv: [] });
    const [port] = (await once(child, "message")) as [number];
    return { how, file, url: `http://127.0.0.1:${port}`, child };
  }

  /** Those that try a version before they take it go first: a broken one does not come to the others. */
  function rollout({ canary }: { canary: boolean }): Record<string, unknown> {
    const real = "SELECT orders.n + stock.n FROM orders CROSS JOIN stock";
    return {
      consumers: apps
        .filter(({ how }) => how !== "function")
        .map(({ how, file, url }, index) => ({
          type: "process",
          name: `app-${index}`,
          wave: how === "verify" ? 0 : 1,
          file,
          adoption: { url: `${url}/adoption` },
          // That of a broken version is waited for in vain.
          adoptionTimeout: canary ? "20s" : "3s",
          interval: "20ms",
        })),
      checks: [
        ...(canary ? [{ type: "sql", name: "canary", query: real, interval: "20ms", failureThreshold: 2 }] : []),
        { type: "http", name: "health", url: `${apps[0]!.url}/health`, interval: "20ms", failureThreshold: 2 },
      ],
    };
  }

  async function reports(): Promise<Report[]> {
    return Promise.all(apps.map(async ({ url }) => (await (await fetch(`${url}/report`)).json()) as Report));
  }

  async function adopted({ url }: App): Promise<string> {
    return (await fetch(`${url}/adoption`)).text();
  }

  async function untilAllUse(fingerprint: string | null | undefined): Promise<void> {
    const until = Date.now() + 20_000;
    const wanted = JSON.stringify({ fingerprints: { [NAME]: [fingerprint] } });
    for (const app of apps)
      while ((await adopted(app)) !== wanted) {
        if (Date.now() > until) throw new Error(`${app.how} uses ${await adopted(app)}, not ${wanted}`);
        await delay(20);
      }
  }

  /** Runs until only the active version is left. */
  async function retire(): Promise<void> {
    for (let run = 0; run < 6; run++) {
      site.clock.advance(HOUR + 1000);
      await delay(Math.max(0, movedAt + WINDOW_MS - Date.now()));
      await site.clean();
      const { versions, active } = await site.ledger();
      const live = versions.filter(({ state }) => !["retired", "abandoned"].includes(state));
      if (live.length === 1) return;
      // The one that nobody tells moves when it is refused.
      if (!versions.some(({ state }) => state === "disabled")) continue;
      await untilAllUse(versions.find(({ version }) => version === active)?.fingerprint);
      movedAt = Date.now();
    }
    throw new Error(`something is left: ${JSON.stringify(await site.states())}`);
  }

  async function rotate(): Promise<void> {
    const { active } = await site.ledger();
    site.clock.advance(91 * DAY);
    await site.clean();
    const after = await site.ledger();
    assert.notEqual(after.active, active, "it has rotated");
    await retire();
    assert.equal((await site.ledger()).active, after.active);
  }

  /** The new role loses a right before anybody gets it, as when somebody forgot a grant. */
  async function breakOne(where: string): Promise<void> {
    const { active } = await site.ledger();
    site.rollout = rollout({ canary: where === "canary" });
    site.clock.advance(91 * DAY);
    site.at("store.promote", "before", async () => {
      const role = (await site.roles()).at(-1);
      await site.superuser(`REVOKE reader_${site.id} FROM ${role} GRANTED BY admin_${site.id}`);
    });
    const message = await site.failing();
    assert.match(message, where === "canary" ? /canary.*permission denied.*Rolled back/s : /app-[01].*Rolled back/s);
    assert.equal((await site.ledger()).active, active, "it has returned");
    site.rollout = rollout({ canary: true });
    // It is tried again by itself, with a version that is whole.
    await retire();
    assert.notEqual((await site.ledger()).active, active, "it has rotated");
  }

  it("serve every request while their credential rotates 20 times, and 5 broken versions are rolled back", async () => {
    site.rollout = rollout({ canary: true });
    // Those of the rollout need requests to show what they use; the other one needs a first version.
    const [known, unknown] = [apps.slice(0, -1), apps.slice(-1)];
    for (const { child } of known) child.send("go");
    await site.clean();
    for (const { child } of unknown) child.send("go");
    let broken = 0;
    for (let rotations = 1; rotations <= ROTATIONS; rotations++) {
      const where = BROKEN.get(rotations);
      if (where === undefined) await rotate();
      else {
        await breakOne(where);
        broken++;
      }
    }
    assert.equal(broken, 5);
    const found = await reports();
    assert.deepEqual(
      found.flatMap(({ failures }) => failures),
      [],
    );
    for (const [index, { served, roles, refused }] of found.entries()) {
      const shown = `app ${index} (${apps[index]!.how}): ${served} served, ${roles.length} roles, ${refused} refused`;
      console.log(`      ${shown}`);
      assert.ok(served > 500, shown);
      assert.ok(roles.length > ROTATIONS, shown);
      if (apps[index]!.how === "function") assert.ok(refused >= ROTATIONS, shown);
    }
  });
});
