import assert from "node:assert/strict";
import { Client } from "pg";
import { startPostgres, type PostgresServer } from "../support/postgres";
import { DAY, FaultSite, HOUR } from "./site";

describe("a database that fails", function () {
  this.timeout(90_000);
  let server: PostgresServer;
  let site: FaultSite;
  before(async () => {
    // What it has acknowledged survives its crash; what fsync is for does not happen here.
    server = await startPostgres({ settings: { synchronous_commit: "on" } });
  });
  beforeEach(async () => {
    site = await FaultSite.open(server);
  });
  afterEach(async () => {
    await site.close();
  });
  after(async () => {
    await server.stop();
  });

  async function due(): Promise<void> {
    await site.withFirstVersion();
    site.clock.advance(91 * DAY);
  }

  describe("and is down", () => {
    it("stops a rotation before it has begun, and the next run rotates", async () => {
      await due();
      await site.crash();
      const error = await site.failing();
      assert.match(error, /PostgreSQL at 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
      assert.match(error, /run it again/);
      assert.deepEqual(await site.states(), { v1: "active" });
      await site.resume();
      assert.deepEqual(await site.settled(), []);
      assert.equal((await site.ledger()).active, 2);
    });

    for (const [point, moment, phase, says] of [
      ["issuer.issue", "before", "staged", /run it again/i],
      ["issuer.issue", "after", "issued", /run it again/i],
      [
        "consumer.roll",
        "before",
        "confirming",
        /Nothing was rolled back, because the superseded version could not be tried/,
      ],
      [
        "consumer.roll",
        "after",
        "confirming",
        /check (app-health|canary): .*Nothing was rolled back.*v2 stays active and unconfirmed/,
      ],
    ] as const)
      it(`leaves a rotation where it stopped, ${moment} ${point}, and the next run finishes it`, async () => {
        await due();
        site.at(point, moment, () => site.crash());
        const error = await site.failing();
        assert.match(error, /cannot be reached|does not serve now/);
        assert.match(error, says);
        const ledger = await site.ledger();
        assert.equal(ledger.rotation?.phase, phase);
        assert.equal(ledger.versions.length, 2);
        await site.resume();
        assert.deepEqual(await site.settled(), []);
        assert.equal((await site.ledger()).active, 2);
      });

    it("stops a first creation, and the next run goes on with the same version", async () => {
      site.at("issuer.issue", "before", () => site.crash());
      assert.match(await site.failing(), /cannot be reached/);
      await server.resume();
      await site.clean();
      site.watch();
      assert.deepEqual(await site.settled(), []);
      assert.equal((await site.ledger()).active, 1);
    });

    it("stops a retirement before the version is disabled, and the next run disables it", async () => {
      await site.withSupersededVersion();
      site.at("issuer.disable", "before", () => site.crash());
      assert.match(await site.failing(), /cannot be reached/);
      await site.resume();
      // Not only by its name: what is watched for the soak time has to be switched off.
      await site.clean();
      assert.equal((await site.roles(true)).length, 1);
      assert.deepEqual(await site.settled(), []);
    });

    it("stops a retirement before the role is dropped, and the next run drops it", async () => {
      await site.withDisabledVersion();
      site.at("issuer.revoke", "before", () => site.crash());
      assert.match(await site.failing(), /cannot be reached/);
      assert.deepEqual(await site.states(), { v1: "retiring", v2: "active" });
      await site.resume();
      assert.deepEqual(await site.settled(), []);
    });
  });

  for (const [point, moment] of [
    ["issuer.issue", "before"],
    ["issuer.issue", "after"],
  ] as const)
    it(`is restarted in the middle, ${moment} ${point}, and the run goes on`, async () => {
      await due();
      site.at(point, moment, async () => {
        await site.crash();
        await site.resume();
      });
      await site.clean();
      assert.equal((await site.ledger()).active, 2);
      assert.deepEqual(await site.settled(), []);
    });

  describe("and is read-only, as a standby is", () => {
    const readOnly = async (on: boolean) => {
      await site.superuser(`ALTER SYSTEM SET default_transaction_read_only = ${on ? "on" : "off"}`);
      await site.superuser("SELECT pg_reload_conf()");
      // Every session asks for the setting by itself, a moment later.
      for (;;) {
        const [row] = await site.superuser<{ default_transaction_read_only: string }>(
          "SHOW default_transaction_read_only",
        );
        if (row?.default_transaction_read_only === (on ? "on" : "off")) return;
      }
    };
    afterEach(() => readOnly(false));

    it("stops the rotation at the issue with what to do, and the next run at a primary finishes it", async () => {
      await due();
      site.at("issuer.issue", "before", () => readOnly(true));
      const error = await site.failing();
      assert.match(error, /is read-only: .*read-only transaction.*Use the primary server, or wait for the fail-over/);
      await readOnly(false);
      assert.deepEqual(await site.settled(), []);
    });

    it("stops the retirement at the revocation, and the next run at a primary finishes it", async () => {
      await site.withDisabledVersion();
      site.at("issuer.revoke", "before", () => readOnly(true));
      assert.match(await site.failing(), /is read-only/);
      await readOnly(false);
      assert.deepEqual(await site.settled(), []);
    });
  });

  it("has no connection left for the admin: the run stops, and the next one finishes it", async () => {
    await due();
    site.at("issuer.issue", "before", () => noConnectionFor("admin"));
    assert.match(await site.failing(), /does not serve now: too many connections for role "admin_/);
    assert.deepEqual((await site.ledger()).rotation?.phase, "staged");
    await site.superuser(`ALTER ROLE admin_${site.id} CONNECTION LIMIT -1`);
    assert.deepEqual(await site.settled(), []);
  });

  /** The admin's open connection ends too: an idle one would do. */
  async function noConnectionFor(role: string): Promise<void> {
    await site.superuser(`ALTER ROLE ${role}_${site.id} CONNECTION LIMIT 0`);
    await endAdmin();
  }

  async function endAdmin(): Promise<void> {
    await site.superuser(
      `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'admin_${site.id}'`,
    );
  }

  it("has no connection left for the log-in that verifies: nothing is abandoned, and the next run finishes it", async () => {
    await due();
    site.at("issuer.issue", "after", async () => {
      // Consumers that connect at each request meet the limit as well.
      site.databaseIsDown = true;
      await site.superuser(`ALTER DATABASE db_${site.id} CONNECTION LIMIT 0`, "postgres");
    });
    assert.match(await site.failing(), /does not serve now: too many connections for database/);
    assert.equal((await site.ledger()).rotation?.phase, "issued");
    await site.superuser(`ALTER DATABASE db_${site.id} CONNECTION LIMIT -1`, "postgres");
    await site.appServes();
    site.databaseIsDown = false;
    assert.deepEqual(await site.settled(), []);
  });

  describe("whose admin loses its rights half-way", () => {
    it("stops at the issue when CREATEROLE is lost, and says what the admin needs", async () => {
      await due();
      site.at("issuer.issue", "before", () => site.superuser(`ALTER ROLE admin_${site.id} NOCREATEROLE`));
      const error = await site.failing();
      assert.match(error, /does not allow it: permission denied to create role.*The admin needs CREATEROLE/);
      await site.superuser(`ALTER ROLE admin_${site.id} CREATEROLE`);
      assert.deepEqual(await site.settled(), []);
    });

    it("finishes the rotation when CREATEROLE is lost after the issue, and stops at the retirement", async () => {
      await due();
      site.at("issuer.issue", "after", () => site.superuser(`ALTER ROLE admin_${site.id} NOCREATEROLE`));
      await site.clean();
      assert.deepEqual(await site.states(), { v1: "superseded", v2: "active" });
      site.clock.advance(HOUR + 1000);
      assert.match(
        await site.failing(),
        /does not allow it: permission denied to alter role.*The admin needs CREATEROLE/,
      );
      await site.superuser(`ALTER ROLE admin_${site.id} CREATEROLE`);
      assert.deepEqual(await site.settled(), []);
    });

    it("stops at the next issue when ADMIN on the owner is lost, and says how to grant it", async () => {
      await due();
      const { id } = site;
      const v1 = (await site.roles())[0];
      // What the admin has granted goes with its right to grant, so that consumers get theirs from somebody else.
      site.at("issuer.issue", "before", () =>
        site.superuser(
          `REVOKE ADMIN OPTION FOR owner_${id} FROM admin_${id} CASCADE; GRANT owner_${id} TO ${v1} WITH INHERIT TRUE`,
        ),
      );
      const error = await site.failing();
      assert.match(
        error,
        /does not allow it: permission denied to grant role "owner_.*GRANT "owner_\w+" TO the admin WITH ADMIN TRUE/,
      );
      await site.superuser(`GRANT owner_${id} TO admin_${id} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE`);
      assert.deepEqual(await site.settled(), []);
    });

    it("stops the retirement when ADMIN on the version's role is lost, and the next run after that drops it", async () => {
      await site.withDisabledVersion();
      const [v1] = await site.roles(true);
      site.at("issuer.revoke", "before", () => site.superuser(`REVOKE ${v1} FROM admin_${site.id} CASCADE`));
      assert.match(await site.failing(), /does not allow it: permission denied to grant role "orders_db_v1_/);
      assert.deepEqual(await site.states(), { v1: "retiring", v2: "active" });
      await site.superuser(`GRANT ${v1} TO admin_${site.id} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE`);
      assert.deepEqual(await site.settled(), []);
    });

    it("puts the retirement off where the admin is not shown who uses the version", async () => {
      await site.withDisabledVersion();
      const [v1] = await site.roles(true);
      await site.superuser(`REVOKE ${v1} FROM admin_${site.id} CASCADE`);
      assert.match((await site.clean()).log.join("\n"), /v1: the issuer cannot tell who uses it/);
      assert.deepEqual(await site.states(), { v1: "disabled", v2: "active" });
      await site.superuser(`GRANT ${v1} TO admin_${site.id} WITH ADMIN TRUE, INHERIT TRUE, SET TRUE`);
      assert.deepEqual(await site.settled(), []);
    });

    it("stops when it may no longer connect, and the next run after that finishes the rotation", async () => {
      await due();
      site.at("issuer.issue", "before", async () => {
        await site.superuser(`REVOKE CONNECT ON DATABASE adm_${site.id} FROM PUBLIC`, "postgres");
        await endAdmin();
      });
      const error = await site.failing();
      assert.match(
        error,
        /refuses the admin "admin_\w+": permission denied for database.*Check what "admin" points to/,
      );
      await site.superuser(`GRANT CONNECT ON DATABASE adm_${site.id} TO PUBLIC`, "postgres");
      assert.deepEqual(await site.settled(), []);
    });
  });

  it("is locked by somebody else: the retirement ends in time, says so, and the next run finishes it", async () => {
    await site.withFirstVersion();
    const v1 = new Client(site.delivered().url);
    await v1.connect();
    await v1.query("CREATE TABLE made_by_v1 AS SELECT 1 AS n");
    await v1.end();
    site.clock.advance(91 * DAY);
    await site.clean();
    site.clock.advance(HOUR + 1000);
    await site.clean();
    site.clock.advance(HOUR + 1000);
    const url = new URL(server.adminUrl);
    url.pathname = `/db_${site.id}`;
    const holder = new Client(url.href);
    await holder.connect();
    await holder.query("BEGIN; LOCK TABLE made_by_v1");
    try {
      assert.match(
        await site.failing(),
        /did not finish in time: .*lock timeout.*Something holds a lock; run it again later/,
      );
      assert.deepEqual(await site.states(), { v1: "retiring", v2: "active" });
    } finally {
      await holder.query("ROLLBACK");
      await holder.end();
    }
    assert.deepEqual(await site.settled(), []);
  });
});
