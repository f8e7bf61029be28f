import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres, type PostgresServer } from "../support/postgres";
import type { DiskReport } from "./fullDisk.child";
import { DAY, FaultSite } from "./site";
import { onSmallDisk } from "./smallDisk";

describe("a file store", function () {
  this.timeout(180_000);
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(async () => {
    await server.stop();
  });

  for (const [what, least] of [
    ["store", 15],
    ["trail", 8],
  ] as const)
    it(`whose disk is full under the ${what}, at each of its writes, fails with what to do, and the next run finishes`, async () => {
      const { host, port, adminUrl } = server;
      const child = join(__dirname, "fullDisk.child.ts");
      const report = await onSmallDisk<DiskReport>(child, [JSON.stringify({ host, port, adminUrl }), what]);
      assert.deepEqual(report.complaints, []);
      assert.ok(report.writes >= least, `${report.writes} writes`);
      const said = Object.entries(report.errors);
      assert.ok(said.length >= report.writes / 2, `${said.length} of ${report.writes} runs failed`);
      for (const [write, message] of said)
        assert.match(message, /(no space left on device|bytes could be written|KiB are free).*run again/, write);
      assert.match(report.readOnly, /read-only file system.*(Mount the filesystem writable|Make the file writable)/);
    });

  describe("that is damaged between two runs", () => {
    let site: FaultSite;
    beforeEach(async () => {
      site = await FaultSite.open(server);
      await site.withFirstVersion();
      site.clock.advance(91 * DAY);
    });
    afterEach(async () => {
      await site.close();
    });

    /** Consumers are served while it lasts, and the next run after it finishes the work. */
    async function fails(expected: RegExp): Promise<void> {
      assert.match(await site.failing(), expected);
    }

    it("by its folder being gone stops everything, and the next run with it rotates", async () => {
      renameSync(site.store.path, `${site.store.path}.away`);
      await fails(
        /the Pulumi state names a version, but the store has no ledger.*Nothing was changed\. Restore the store/,
      );
      rmSync(site.store.path, { recursive: true, force: true });
      renameSync(`${site.store.path}.away`, site.store.path);
      assert.deepEqual(await site.settled(), []);
    });

    it("by its folder being gone in the middle of a run stops that run, and the next one with it goes on", async () => {
      site.at("issuer.issue", "after", () => renameSync(site.store.path, `${site.store.path}.away`));
      await fails(/./);
      rmSync(site.store.path, { recursive: true, force: true });
      renameSync(`${site.store.path}.away`, site.store.path);
      // The run could not give its lease back, and its process lives on here.
      site.clock.advance(61_000);
      assert.deepEqual(await site.settled(), []);
    });

    it("by its key file being gone stops everything, and the next run with it rotates", async () => {
      const key = join(site.folder, "key");
      renameSync(key, `${key}.away`);
      await fails(/The key file .* does not exist.*Nothing was changed\. Restore the one that the store was made with/);
      renameSync(`${key}.away`, key);
      assert.deepEqual(await site.settled(), []);
    });

    it("by another key in its key file stops everything, and the next run with the right one rotates", async () => {
      const key = join(site.folder, "key");
      renameSync(key, `${key}.away`);
      writeFileSync(key, randomBytes(32).toString("base64"), { mode: 0o600 });
      await fails(/The key file does not open the store .*made with another one.*Nothing was changed/);
      renameSync(`${key}.away`, key);
      assert.deepEqual(await site.settled(), []);
    });

    it("by what a killed writer left in tmp/ is not disturbed, and cleans up after a while", async () => {
      const left = join(site.store.path, "tmp", "999999-half-written");
      writeFileSync(left, "half of a ledger");
      const longAgo = new Date(Date.now() - 3_600_000);
      utimesSync(left, longAgo, longAgo);
      assert.deepEqual(await site.settled(), []);
    });
  });
});
