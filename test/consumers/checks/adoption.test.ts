import assert from "node:assert/strict";
import {
  adoptionCheckOptions,
  createAdoptionCheck,
  type AdoptionCheckOptions,
} from "../../../provider/checks/adoption";
import { makeContext, noSignal, problems, Servers, targetOf, version } from "./support";

describe("adoption check", () => {
  const servers = new Servers();
  afterEach(() => servers.closeAll());

  const db = version("db", 7, { password: "s3cret-password" });
  const key = version("key", 3);

  async function probe(report: unknown, secrets = [db, key], options: Partial<AdoptionCheckOptions> = {}) {
    const server = await servers.http((_request, response) =>
      response.end(typeof report === "string" ? report : JSON.stringify(report)),
    );
    const parsed = adoptionCheckOptions.parse({ type: "adoption", url: server.url, timeout: "2s", ...options });
    return createAdoptionCheck(parsed, makeContext()).probe(targetOf(...secrets), noSignal());
  }

  it("is healthy when exactly the target's fingerprints are reported, in every form", async () => {
    assert.equal((await probe({ fingerprint: "fp-db-7" }, [db])).healthy, true);
    assert.equal((await probe({ fingerprints: ["fp-db-7", "fp-key-3", "fp-db-7"] })).healthy, true);
    const byName = await probe({ fingerprints: { db: ["fp-db-7"], key: ["fp-key-3"], other: ["x"] }, pid: 1 });
    assert.deepEqual(byName, { healthy: true, detail: 'uses v7 of "db" (fp-db-7), v3 of "key" (fp-key-3)' });
  });

  it("is unhealthy when a version is missing, another one or one more than the target's", async () => {
    for (const report of [
      { fingerprint: "fp-db-7" },
      { fingerprints: [] },
      { fingerprints: ["fp-db-7", "fp-key-3", "fp-db-6"] },
      { fingerprints: { db: ["fp-db-7"] } },
      { fingerprints: { db: [], key: ["fp-key-3"] } },
      { fingerprints: { db: ["fp-db-7", "fp-db-6"], key: ["fp-key-3"] } },
      { fingerprints: { db: ["fp-key-3"], key: ["fp-db-7"] } },
    ]) {
      assert.equal((await probe(report)).healthy, false, JSON.stringify(report));
    }
  });

  it("names the fingerprints seen and wanted", async () => {
    const list = await probe({ fingerprints: ["fp-db-6"] }, [db]);
    assert.match(list.detail, /uses the fingerprints fp-db-6; wanted exactly fp-db-7/);
    const byName = await probe({ fingerprints: { db: ["fp-db-6"], key: [] } });
    assert.equal(
      byName.detail,
      'uses fp-db-6 of "db"; wanted exactly fp-db-7; uses none of "key"; wanted exactly fp-key-3',
    );
  });

  it("does not repeat a secret value that a consumer reports by mistake", async () => {
    const health = await probe({ fingerprint: "s3cret-password" }, [db]);
    assert.equal(health.healthy, false);
    assert.doesNotMatch(health.detail, /s3cret/);
  });

  it("is unhealthy for an answer that says no version", async () => {
    for (const report of ["<html>", "null", { fingerprints: 7 }, { fingerprints: { db: "fp-db-7" } }, {}]) {
      const health = await probe(report);
      assert.equal(health.healthy, false, JSON.stringify(report));
      assert.match(health.detail, /not JSON|does not say a version; allowed:/);
    }
    assert.match((await probe("z".repeat(70_000))).detail, /longer than 64 KB/);
  });

  it("is unhealthy for an error status and a refused connection", async () => {
    const failing = await servers.http((_request, response) =>
      response.writeHead(500).end('{"fingerprint":"fp-db-7"}'),
    );
    assert.match((await probe({}, [db], { url: failing.url })).detail, /answered 500/);
    const { url } = await servers.refusing();
    assert.match((await probe({}, [db], { url })).detail, /connection refused/);
  });

  it("is never healthy without a target", async () => {
    assert.equal((await probe({ fingerprints: [] }, [])).healthy, false);
  });

  it("is evidence, is no canary, and leaves consumers 60 seconds to move", () => {
    const check = createAdoptionCheck({ type: "adoption", url: "http://127.0.0.1:9/" }, makeContext());
    assert.deepEqual([check.isEvidence, check.canary, check.schedule.withinMs], [true, false, 60_000]);
    const canary = adoptionCheckOptions.safeParse({ type: "adoption", url: "http://127.0.0.1:9/", canary: true });
    assert.match(problems(canary), /canary must be left out/);
  });
});
