import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Payload, VersionRef } from "../../provider/contracts/store";
import { ConfigurationError, NotFoundError, StateError } from "../../provider/lifecycle/errors";
import { versionIdOf } from "../../provider/net/aws/versionId";
import { awsSite, makeStored, promoteNew } from "./servers/awsSite";

describe("the store in AWS Secrets Manager", function () {
  this.timeout(60_000);
  const site = awsSite();

  /** What somebody gets with GetSecretValue, in the consumer's name; the code of the error where it is one. */
  async function seen(by: { VersionStage?: string; VersionId?: string } = {}): Promise<Payload> {
    try {
      const { SecretString = "" } = await site.consumer.getSecretValue({ SecretId: site.name, ...by });
      return SecretString;
    } catch (error) {
      return (error as Error).name;
    }
  }
  const labels = async (name = site.name) => (await site.admin.describeSecret({ SecretId: name })).VersionIdsToStages;
  const labelsOf = async (ref: VersionRef) => ((await labels())?.[versionIdOf(ref)] ?? []).toSorted();
  const json = (version: number) => JSON.stringify({ password: `secret-${version}` });
  const NONE = '{"rotation":"no version is current yet"}';
  const TAKEN_DOWN = '{"rotation":"no version is current: the secret was taken down"}';

  describe("for a reader who knows nothing of it", () => {
    it("shows each step of two rotations, a return and a retirement by AWS's own labels", async () => {
      await site.fresh();
      const store = site.open();
      assert.equal(await seen(), "ResourceNotFoundException");
      const [one, two] = [makeStored(1), makeStored(2)];
      const fence = await store.commit({}, "0");
      assert.equal(await seen(), "ResourceNotFoundException", "a commit makes the companion only");

      await store.putVersion(one);
      assert.equal(await seen(), NONE, "nothing becomes current by being stored");
      assert.equal(await seen({ VersionStage: "AWSPENDING" }), json(1));
      assert.equal(await seen({ VersionId: one.ref.token }), json(1));
      assert.equal(await seen({ VersionStage: "rotation-v1" }), json(1));

      await store.promote(one.ref, null, fence, 1);
      assert.equal(await seen(), json(1));
      assert.equal(await seen({ VersionStage: "AWSPENDING" }), "ResourceNotFoundException");
      assert.equal(await seen({ VersionStage: "AWSPREVIOUS" }), NONE);

      await store.putVersion(two);
      assert.equal(await seen(), json(1));
      assert.equal(await seen({ VersionStage: "AWSPENDING" }), json(2));
      await store.promote(two.ref, one.ref, fence, 2);
      assert.equal(await seen(), json(2));
      assert.equal(await seen({ VersionStage: "AWSPREVIOUS" }), json(1));
      assert.deepEqual(await labelsOf(two.ref), ["AWSCURRENT", "rotation-v2"]);

      await store.promote(one.ref, two.ref, fence, 3);
      assert.equal(await seen(), json(1), "returned");
      assert.equal(await seen({ VersionStage: "AWSPREVIOUS" }), json(2));
      assert.equal(await seen({ VersionStage: "rotation-v2" }), json(2));

      await store.retire(two.ref);
      assert.deepEqual(await labelsOf(two.ref), []);
      assert.equal(await seen({ VersionStage: "AWSPREVIOUS" }), "ResourceNotFoundException");
      assert.equal(await seen({ VersionStage: "rotation-v2" }), "ResourceNotFoundException");
      assert.equal(await seen({ VersionId: two.ref.token }), json(2), "until AWS collects it, as the page says");
      assert.equal(await seen(), json(1));
    });

    it("says after a teardown that nothing is current, and then is scheduled for deletion", async () => {
      await site.fresh();
      const store = site.open({ recoveryWindowDays: 7 });
      const ref = await promoteNew(store, 1);
      await store.clearCurrent((await store.load()).revision);
      assert.equal(await seen(), TAKEN_DOWN);
      await store.retire(ref);
      assert.equal(await seen(), "InvalidRequestException");
      const { DeletedDate } = await site.admin.describeSecret({ SecretId: site.name });
      const days = (DeletedDate!.getTime() - Date.now()) / 86_400_000;
      assert.ok(days > 6.9 && days < 7.1, `${days} days`);
      assert.deepEqual((await site.open().load()).body, { version: 1 }, "the ledger and its counters stay");
      await assert.rejects(store.readPayload(), (error: Error) => {
        assert.ok(error instanceof NotFoundError);
        assert.match(error.message, /is scheduled for deletion .* restored when a version is stored/);
        return true;
      });
    });

    it("comes back from there with the next version, and says so", async () => {
      await site.fresh();
      const store = site.open();
      const ref = await promoteNew(store, 1);
      await store.clearCurrent((await store.load()).revision);
      await store.retire(ref);
      await promoteNew(site.open(), 2);
      assert.equal(await seen(), json(2));
      assert.match(site.lines.warnings.join(), /was scheduled for deletion \(.*\)\. It is restored/);
    });

    it("keeps a secret that somebody else made after a teardown, with a text that says so", async () => {
      await site.fresh();
      await site.admin.createSecret({ Name: site.name, Tags: [{ Key: "made", Value: "by hand" }] });
      const store = site.open();
      const pending = await store.putVersion(makeStored(1));
      assert.equal(await seen(), NONE, "AWS would have made the first version current");
      await store.retire(pending);
      const ref = await promoteNew(store, 2);
      await store.clearCurrent((await store.load()).revision);
      await store.retire(ref);
      assert.equal(await seen(), TAKEN_DOWN);
      assert.deepEqual(await store.list(), []);
    });

    it("gives the payload in the format that is asked for", async () => {
      await site.fresh();
      const value = { host: "db", port: "5432", username: "u", password: 'p"w', database: "orders" };
      await promoteNew(site.open({ format: "rds" }), 1, value);
      const rds = { engine: "postgres", host: "db", port: "5432", username: "u", password: 'p"w', dbname: "orders" };
      assert.equal(await seen(), JSON.stringify(rds));
      assert.deepEqual(await site.open().readPayload(), rds);
      await promoteNew(site.open({ format: { text: "postgres://${username}:${password:uri}@${host}" } }), 2, value);
      assert.equal(await seen(), "postgres://u:p%22w@db");
    });

    it("takes no more than AWS does, and stores nothing of what it refuses", async () => {
      await site.fresh();
      const store = site.open({ format: { text: "${password}" } });
      await promoteNew(store, 1, { password: "x".repeat(65_536) });
      for (const password of ["x".repeat(65_537), ""])
        await assert.rejects(store.putVersion(makeStored(2, { password })), (error: Error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, /would be (65537|0) bytes for readers.*from 1 to 65536/);
          return true;
        });
      assert.equal((await store.list()).length, 1);
    });
  });

  describe("where somebody else has a hand in it", () => {
    it("knows no current version where a value was put by hand, and can promote over it", async () => {
      await site.fresh();
      const store = site.open();
      const one = await promoteNew(store, 1);
      await site.admin.putSecretValue({ SecretId: site.name, SecretString: "by hand" });
      assert.equal((await store.load()).current, null);
      assert.equal(await store.readPayload(), "by hand");
      await assert.rejects(store.read("current"), NotFoundError);
      await store.promote(one, null, (await store.load()).revision, 2);
      assert.equal(await seen(), json(1));
      assert.deepEqual((await store.load()).current, one);
    });

    it("begins in a secret that has a value already, which stays current until the first promotion", async () => {
      await site.fresh();
      await site.admin.createSecret({ Name: site.name, SecretString: "from before" });
      const store = site.open();
      const fence = await store.commit({}, "0");
      const ref = await store.putVersion(makeStored(1));
      assert.equal(await seen(), "from before");
      await store.promote(ref, null, fence, 1);
      assert.equal(await seen(), json(1));
      assert.equal(await seen({ VersionStage: "AWSPREVIOUS" }), "from before");
    });

    it("makes the secret again when it was deleted for good, from what the companion holds", async () => {
      await site.fresh();
      const store = site.open();
      const ref = await promoteNew(store, 1);
      await site.admin.deleteSecret({ SecretId: site.name, ForceDeleteWithoutRecovery: true });
      const { current, revision } = await site.open().load();
      assert.equal(current, null);
      await site.open().promote(ref, null, revision, 2);
      assert.equal(await seen(), json(1));
    });

    it("puts back the label that keeps a version when it was taken off", async () => {
      await site.fresh();
      const store = site.open();
      const ref = await promoteNew(store, 1);
      await site.admin.updateSecretVersionStage({
        SecretId: site.name,
        VersionStage: "rotation-v1",
        RemoveFromVersionId: versionIdOf(ref),
      });
      await site.open().promote(ref, ref, (await store.load()).revision, 1);
      assert.deepEqual(await labelsOf(ref), ["AWSCURRENT", "rotation-v1"]);
    });

    it("refuses a secret that AWS rotates itself", async () => {
      await site.fresh();
      await promoteNew(site.open(), 1);
      await site.admin.rotateSecret({
        SecretId: site.name,
        RotationRules: { AutomaticallyAfterDays: 30 },
        RotateImmediately: false,
      });
      const expected = (error: Error) =>
        error instanceof ConfigurationError && /cannot have two who rotate.*cancel-rotate-secret/.test(error.message);
      await assert.rejects(site.open().load(), expected);
      await assert.rejects(site.open().putVersion(makeStored(2)), expected);
    });

    it("refuses a copy in another region, and takes the original that has copies", async () => {
      await site.fresh();
      const store = site.open();
      await promoteNew(store, 1);
      await site.admin.replicateSecretToRegions({ SecretId: site.name, AddReplicaRegions: [{ Region: "eu-north-1" }] });
      await promoteNew(store, 2);
      assert.equal(await seen(), json(2));
      await site.moto.allow("pipeline", {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: "secretsmanager:*", Resource: "*" }],
      });
      await assert.rejects(site.open({ region: "eu-north-1" }).load(), (error: Error) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, /in eu-north-1 is a copy .* in eu-west-1.*Set `region` to "eu-west-1"/);
        return true;
      });
    });

    it("warns where a teardown cannot schedule the deletion, because the secret has copies", async () => {
      await site.fresh();
      const store = site.open();
      const ref = await promoteNew(store, 1);
      await site.admin.replicateSecretToRegions({ SecretId: site.name, AddReplicaRegions: [{ Region: "eu-north-1" }] });
      await store.clearCurrent((await store.load()).revision);
      await store.retire(ref);
      assert.match(site.lines.warnings.join(), /could not be scheduled for deletion.*copies in other regions/);
      assert.equal(await seen(), TAKEN_DOWN);
    });

    it("says of a ledger that is scheduled for deletion how to get it back", async () => {
      await site.fresh();
      const store = site.open();
      const ref = await promoteNew(store, 1);
      await site.admin.deleteSecret({ SecretId: `${site.name}-rotation`, RecoveryWindowInDays: 7 });
      const expected = (error: Error) => {
        assert.ok(error instanceof StateError);
        assert.match(error.message, /-rotation, which holds the ledger, is scheduled for deletion.*restore-secret/);
        return true;
      };
      await assert.rejects(site.open().load(), expected);
      await assert.rejects(store.read(ref), expected);
      await assert.rejects(store.read("current"), expected);
      await assert.rejects(store.list(), expected);
      await site.admin.restoreSecret({ SecretId: `${site.name}-rotation` });
      assert.deepEqual((await store.load()).current, ref);
    });

    it("refuses to keep its ledger in a secret that is used for something else", async () => {
      await site.fresh();
      await site.admin.createSecret({ Name: `${site.name}-rotation`, SecretString: "something else" });
      const expected = (error: Error) =>
        error instanceof ConfigurationError && /-rotation is used for something else/.test(error.message);
      await assert.rejects(site.open().load(), expected);
      await assert.rejects(site.open().commit({}, "0"), expected);
      await assert.rejects(site.open().putVersion(makeStored(1)), expected);
    });

    it("says of a ledger that was tampered with that it cannot be read, and not what is in it", async () => {
      await site.fresh();
      const store = site.open();
      await promoteNew(store, 1);
      await site.admin.putSecretValue({
        SecretId: `${site.name}-rotation`,
        SecretString: "hunter2",
        VersionStages: ["rotation-ledger"],
      });
      await assert.rejects(site.open().load(), (error: Error) => {
        assert.ok(error instanceof StateError);
        assert.match(error.message, /the ledger cannot be read/);
        assert.ok(!String(error.stack).includes("hunter2"));
        return true;
      });
    });
  });

  describe("within AWS's limits", () => {
    it("leaves no labels behind, however many versions there were", async () => {
      await site.fresh();
      const store = site.open();
      let before: VersionRef | undefined;
      for (let version = 1; version <= 12; version++) {
        const ref = await promoteNew(store, version);
        if (before !== undefined) await store.retire(before);
        before = ref;
      }
      const count = async (name: string) => Object.values((await labels(name)) ?? {}).flat().length;
      assert.equal(await count(site.name), 3, "AWSCURRENT, rotation-v12, rotation-none");
      assert.equal(await count(`${site.name}-rotation`), 5, "AWSCURRENT, rotation-none, ledger, candidate, document");
    });

    it("keeps a ledger of 150 KB", async () => {
      await site.fresh();
      const body = { records: Array.from({ length: 1000 }, (_, n) => ({ n, id: randomUUID(), state: "retired" })) };
      const grown = { ...body, trail: "x".repeat(80_000) };
      assert.ok(JSON.stringify(grown).length > 150_000);
      const store = site.open();
      const revision = await store.commit(grown, "0");
      assert.deepEqual(await site.open().load(), { revision, body: grown, current: null });
    });

    it("says of a ledger that is too large even compressed that another store has to keep it", async () => {
      await site.fresh();
      const body = { noise: Array.from({ length: 6000 }, () => randomUUID()) };
      await assert.rejects(site.open().commit(body, "0"), (error: Error) => {
        assert.ok(error instanceof StateError);
        assert.match(error.message, /The ledger has \d+ bytes, compressed, .* at most 65536\. Nothing was changed/);
        return true;
      });
    });

    it("says which quota it is when AWS keeps no more versions today", async () => {
      await site.fresh();
      // The SDK takes it for throttling, and tries for some seconds.
      const store = site.open({ timeout: "60s" });
      let { revision } = await store.load();
      await assert.rejects(
        async () => {
          for (let n = 0; n <= 100; n++) revision = await store.commit({ n }, revision);
        },
        (error: Error) => {
          assert.ok(error instanceof StateError);
          assert.match(error.message, /100 versions, of which none that is younger than 24 hours is removed/);
          return true;
        },
      );
      assert.equal((await store.load()).revision, revision, "the ledger is as it was");
      assert.deepEqual((await store.load()).body, { n: 98 });
    }).timeout(180_000);

    it("stores tokens that are no version ids of AWS", async () => {
      await site.fresh();
      const store = site.open();
      const tokens = ["token-1", "ü/漢 🔑", "x".repeat(150)];
      const refs: VersionRef[] = [];
      for (const [index, token] of tokens.entries()) {
        const version = { ...makeStored(index), ref: { version: index, token } };
        refs.push(await store.putVersion(version));
        assert.deepEqual(await site.open().read(version.ref), version);
      }
      assert.deepEqual(await store.list(), refs);
      await assert.rejects(
        store.putVersion({ ...makeStored(9), ref: { version: 9, token: "x".repeat(300) } }),
        /label made of both at most 256 characters/,
      );
      for (const ref of refs) await store.retire(ref);
      assert.deepEqual(await store.list(), []);
    });
  });
});
