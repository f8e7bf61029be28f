import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { createAdapter } from "../../provider/adapters";
import {
  ConfigurationError,
  ConflictError,
  NotFoundError,
  StateError,
  UnreachableError,
} from "../../provider/lifecycle/errors";
import { stores } from "../../provider/registry";
import { gcpSecretManagerOptions } from "../../provider/stores/gcpSecretManager";
import { crc32c } from "../../provider/stores/gcpSecretManager/crc32c";
import { addressOf } from "../../provider/stores/gcpSecretManager/options";
import { storeConformance } from "../../testing/storeConformance";
import { errorOf } from "../support/errors";
import { contextOf, gcpSite, makeVersion, payloadOf, promoteNew, SECRET_MARK } from "./gcpSite";
import { codeOf, PROJECT } from "./servers/gcp";

describe("the store in Google Cloud Secret Manager", () => {
  const site = gcpSite();
  const companion = () => site.emulator.secret(`${site.name}-rotation`);
  const native = () => site.emulator.secret(site.name);
  const enabledOf = (secret: ReturnType<typeof native>) =>
    (secret?.versions ?? []).filter(({ state }) => state === "ENABLED").map(({ number }) => number);
  const parent = `projects/${PROJECT}`;
  const nameOf = (id: string) => `${parent}/secrets/${id}`;
  const create = (id: string, more: object = {}) =>
    site.client.createSecret({ parent, secretId: id, secret: { replication: { automatic: {} }, ...more } });
  const addByHand = (text: string) =>
    site.client.addSecretVersion({ parent: nameOf(site.name), payload: { data: Buffer.from(text) } });

  describe("like every store", () => {
    const harness = {
      capabilities: { fencedLabel: false, maxPayloadBytes: 65_536 },
      fresh: async () => site.fresh(),
      open: async () => site.open(),
      readByNumber: async (ref: { version: number; token: string }) =>
        site.readNative(site.nativesOf(ref).at(-1) ?? "none"),
    };
    for (const c of storeConformance(harness)) it(c.name, c.run);
  });

  describe("for readers who know nothing of this package", () => {
    it("is empty until a version is promoted", async () => {
      const store = site.open();
      await store.commit({}, "0");
      await store.putVersion(makeVersion(1));
      assert.deepEqual(native()?.versions, [], "a pending version is elsewhere");
      assert.equal(await codeOf(site.readNative("latest")), status.NOT_FOUND);
      assert.equal(await codeOf(site.readNative("current")), status.NOT_FOUND);
    });

    it("shows the same by latest and by the alias current, and follows promotions and returns", async () => {
      const store = site.open();
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      for (const by of ["latest", "current", 1]) assert.equal(await site.readNative(by), payloadOf(first), `${by}`);
      const fence = await promoteNew(store, second);
      for (const by of ["latest", "current", 2]) assert.equal(await site.readNative(by), payloadOf(second), `${by}`);
      assert.equal(await site.readNative(1), payloadOf(first), "who is pinned to a number keeps it");
      await store.promote(first.ref, second.ref, fence, 3);
      for (const by of ["latest", "current", 3]) assert.equal(await site.readNative(by), payloadOf(first), `${by}`);
      assert.deepEqual(site.nativesOf(first.ref), [1, 3]);
    });

    it("takes a disabled version away by every number that holds it, and gives all of them back", async () => {
      const store = site.open();
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      const fence = await promoteNew(store, second);
      await store.promote(first.ref, second.ref, fence, 3);
      await store.promote(second.ref, first.ref, fence, 4);
      await store.disable(first.ref);
      for (const number of [1, 3])
        assert.equal(await codeOf(site.readNative(number)), status.FAILED_PRECONDITION, `${number}`);
      assert.equal(await site.readNative("latest"), payloadOf(second));
      await store.enable(first.ref);
      for (const number of [1, 3]) assert.equal(await site.readNative(number), payloadOf(first), `${number}`);
      await store.disable(first.ref);
      await store.promote(first.ref, second.ref, fence, 5);
      for (const number of [1, 3, 5, "latest"]) assert.equal(await site.readNative(number), payloadOf(first));
    });

    it("destroys a retired version by every number, and leaves nothing of it", async () => {
      const store = site.open();
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      const fence = await promoteNew(store, second);
      await store.promote(first.ref, second.ref, fence, 3);
      await store.promote(second.ref, first.ref, fence, 4);
      await store.retire(first.ref);
      for (const number of [1, 3]) assert.equal(native()?.versions[number - 1]?.state, "DESTROYED");
      assert.deepEqual(enabledOf(native()), [2, 4]);
      assert.equal(await site.readNative("current"), payloadOf(second));
      assert.equal(enabledOf(companion()).length, 2, "the ledger and the document of the second");
      const left = [...(native()?.versions ?? []), ...(companion()?.versions ?? [])].map(({ data }) =>
        data?.toString(),
      );
      assert.ok(!left.some((text) => text?.includes(`${SECRET_MARK}-1`)));
    });

    it("gives them nothing after a teardown, and less and less of the numbers", async () => {
      const store = site.open();
      const version = makeVersion(1);
      const fence = await promoteNew(store, version);
      await store.clearCurrent(fence);
      assert.equal(await codeOf(site.readNative("latest")), status.FAILED_PRECONDITION);
      assert.equal(await codeOf(site.readNative("current")), status.NOT_FOUND);
      await store.retire(version.ref);
      assert.deepEqual(enabledOf(native()), []);
      assert.deepEqual(await store.list(), []);
    });

    it("holds the format that was asked for, and a changed one is promoted anew", async () => {
      const format = { text: "postgres://${username}:${password:uri}@db/orders" };
      const version = makeVersion(1, { password: "a/b" });
      const store = site.open({ format });
      const fence = await promoteNew(store, version);
      assert.equal(await site.readNative("current"), "postgres://orders_v1:a%2Fb@db/orders");
      assert.equal(await store.readPayload(), "postgres://orders_v1:a%2Fb@db/orders");
      const other = site.open();
      await other.promote(version.ref, version.ref, fence, 1);
      assert.equal(await site.readNative("current"), payloadOf(version));
      assert.deepEqual(await other.readPayload(), version.value);
    });

    it("keeps aliases, annotations and labels of others", async () => {
      await create(site.name, { labels: { team: "shop" }, annotations: { owner: "shop" } });
      await addByHand("by hand");
      await site.client.updateSecret({
        secret: { name: nameOf(site.name), versionAliases: { canary: 1 } },
        updateMask: { paths: ["version_aliases"] },
      });
      await promoteNew(site.open(), makeVersion(1));
      assert.deepEqual(native()?.aliases, { canary: 1, current: 2 });
      assert.deepEqual([native()?.labels, native()?.annotations], [{ team: "shop" }, { owner: "shop" }]);
    });
  });

  describe("what somebody else wrote", () => {
    it("is not current for us, is what readers get, and is followed by the next promotion", async () => {
      const store = site.open();
      const version = makeVersion(1);
      const fence = await promoteNew(store, version);
      await addByHand("by hand");
      assert.equal((await store.load()).current, null);
      assert.equal(await store.readPayload(), "by hand");
      await assert.rejects(store.promote(version.ref, makeVersion(2).ref, fence, 1), ConflictError);
      await store.promote(version.ref, null, fence, 1);
      assert.deepEqual((await store.load()).current, version.ref);
      assert.equal(await site.readNative("latest"), payloadOf(version));
      assert.equal(await site.readNative(2), "by hand", "it is not ours to destroy");
    });

    it("is current for nobody when it disabled the newest version", async () => {
      const store = site.open();
      const version = makeVersion(1);
      const fence = await promoteNew(store, version);
      await site.client.disableSecretVersion({ name: `${nameOf(site.name)}/versions/1` });
      assert.equal((await store.load()).current, null);
      await assert.rejects(store.readPayload(), NotFoundError);
      await store.promote(version.ref, null, fence, 1);
      assert.equal(await site.readNative("latest"), payloadOf(version));
    });

    it("is disabled in a teardown, with a warning, and not destroyed", async () => {
      const store = site.open();
      const fence = await promoteNew(store, makeVersion(1));
      await addByHand("by hand");
      await store.clearCurrent(fence);
      assert.equal(native()?.versions[1]?.state, "DISABLED");
      assert.equal(await codeOf(site.readNative("latest")), status.FAILED_PRECONDITION);
      assert.match(
        site.log.join("\n"),
        /warn .*version 2 of the secret .* was added by somebody else; it was disabled/,
      );
    });

    it("does not matter when the native secret was deleted and made anew", async () => {
      const store = site.open();
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      const fence = await promoteNew(store, second);
      await site.client.deleteSecret({ name: nameOf(site.name) });
      assert.equal((await site.open().load()).current, null);
      await create(site.name);
      const again = site.open();
      await again.promote(second.ref, null, fence, 1);
      assert.deepEqual((await again.load()).current, second.ref);
      assert.equal(await site.readNative("current"), payloadOf(second));
      await again.retire(first.ref);
      assert.equal(await site.readNative("current"), payloadOf(second), "the former numbers are not the new ones");
    });

    it("is an error where it is in our own metadata or documents", async () => {
      const store = site.open();
      const version = makeVersion(1);
      await promoteNew(store, version);
      const [ledger] = Object.values(companion()!.aliases);
      const name = nameOf(`${site.name}-rotation`);
      const set = (annotations: Record<string, string>) =>
        site.client.updateSecret({ secret: { name, annotations }, updateMask: { paths: ["annotations"] } });
      const good = companion()?.annotations ?? {};
      const key = Object.keys(good).find((other) => other.startsWith("rotation.version.")) ?? "";
      await set({ ...good, [key]: "{}" });
      await assert.rejects(
        site.open().load(),
        (error: Error) => error instanceof StateError && error.message.includes(key),
      );
      await set(good);
      await site.client.addSecretVersion({ parent: name, payload: { data: Buffer.from(SECRET_MARK) } });
      const foreign = companion()?.versions.length ?? 0;
      await site.client.updateSecret({
        secret: { name, versionAliases: { ledger: foreign } },
        updateMask: { paths: ["version_aliases"] },
      });
      const error = await errorOf(site.open().load());
      assert.ok(error instanceof StateError && /content of the ledger is damaged/.test(error.message), error.message);
      assert.ok(!error.message.includes(SECRET_MARK));
      assert.ok((ledger ?? 0) > 0);
    });
  });

  describe("what is kept where", () => {
    it("makes both secrets at the first write, labelled and replicated as asked, and looks without making any", async () => {
      const store = site.open({ replication: ["europe-west3", "europe-west4"] });
      await store.load();
      await store.list();
      assert.equal(native(), undefined);
      await store.commit({}, "0");
      for (const secret of [native(), companion()]) {
        assert.deepEqual(secret?.labels, { "managed-by": "pulumi-rotating-secrets" });
        assert.match(JSON.stringify(secret.replication), /europe-west3.*europe-west4/);
      }
      site.fresh();
      await site.open().commit({}, "0");
      assert.match(JSON.stringify(native()?.replication), /automatic/);
    });

    it("makes and uses regional secrets, at the endpoint of their region", async () => {
      const store = site.open({ location: "europe-west3" });
      const version = makeVersion(1);
      await promoteNew(store, version);
      const name = `${parent}/locations/europe-west3/secrets/${site.name}/versions/current`;
      const [answer] = await site.client.accessSecretVersion({ name });
      assert.equal(Buffer.from(answer.payload?.data ?? []).toString(), payloadOf(version));
      assert.equal(await codeOf(site.readNative("current")), status.NOT_FOUND, "there is no global one");
      const options = { type: "gcpSecretManager" as const, project: "shop-prod", name: "orders" };
      assert.deepEqual(addressOf({ ...options, location: "europe-west3" }), {
        host: "secretmanager.europe-west3.rep.googleapis.com",
        port: 443,
      });
      assert.equal(addressOf(options), undefined);
    });

    it("has a location that names project, region and secret", async () => {
      assert.equal(site.open({ name: "orders" }).location, "gcp:shop-prod/orders");
      assert.equal(
        site.open({ name: "orders", location: "europe-west3" }).location,
        "gcp:shop-prod/europe-west3/orders",
      );
    });

    it("keeps a document that is larger than a payload may be, and a ledger of 150 KB", async () => {
      const store = site.open({ format: { text: "${username}" } });
      // Compresses to three quarters, so that it takes two payloads.
      let state = 7;
      const random = Buffer.from(
        Array.from({ length: 90_000 }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff),
      );
      const version = makeVersion(1, { blob: random.toString("base64") });
      await store.putVersion(version);
      assert.deepEqual(await site.open().read(version.ref), version);
      assert.equal(companion()?.versions.length, 2);
      const body = {
        events: Array.from({ length: 1200 }, (_, i) => ({ at: i, what: "promoted", by: `run ${i}`, ok: true })),
      };
      body.events.push(
        ...body.events.map((event) => ({ ...event, what: "a rollout confirmed the version that it uses" })),
      );
      assert.ok(JSON.stringify(body).length > 150_000);
      const revision = await store.commit(body, "0");
      assert.deepEqual(await site.open().load(), { revision, body, current: null });
      await store.retire(version.ref);
      assert.equal(enabledOf(companion()).length, 1, "both parts are gone");
    });

    it("says so when the ledger is too large even when compressed, and keeps the former one", async () => {
      const store = site.open();
      const revision = await store.commit({ small: true }, "0");
      let state = 7;
      const noise = Array.from({ length: 90_000 }, () => (state = (state * 48_271) % 2_147_483_647)).join("");
      const error = await errorOf(store.commit({ noise }, revision));
      assert.ok(error instanceof StateError, String(error));
      assert.match(error.message, /ledger of gcp:.* has \d+ bytes, compressed; .* at most 65536/);
      assert.deepEqual(await store.load(), { revision, body: { small: true }, current: null });
    });

    it("refuses what readers could not get before it is stored: nothing, or more than 64 KiB", async () => {
      const store = site.open();
      const large = makeVersion(1, { blob: "x".repeat(65_536) });
      await assert.rejects(store.putVersion(large), /as version 1 has 65\d{3} bytes; Secret Manager keeps 1 to 65536/);
      const empty = site.open({ format: { text: "${blob}" } });
      await assert.rejects(empty.putVersion(makeVersion(1, { blob: "" })), ConfigurationError);
      const missing = site.open({ format: { text: "${token}" } });
      await assert.rejects(missing.putVersion(makeVersion(1)), ConfigurationError);
      assert.equal(companion(), undefined, "nothing was made");
    });

    it("keeps one version of the ledger, and destroys what a stopped run has left behind after a day", async () => {
      const store = site.open();
      let revision = await store.commit({ n: 1 }, "0");
      revision = await store.commit({ n: 2 }, revision);
      assert.deepEqual(enabledOf(companion()), [2]);
      const leave = () =>
        site.client.addSecretVersion({
          parent: nameOf(`${site.name}-rotation`),
          payload: { data: Buffer.from("left behind") },
        });
      await leave();
      site.emulator.advance(25 * 3_600_000);
      await leave();
      const version = makeVersion(1);
      await store.putVersion(version);
      await site.open().commit({ n: 3 }, revision);
      assert.deepEqual(enabledOf(companion()), [4, 5, 6], "the young one may be another run's");
      assert.deepEqual(await site.open().read(version.ref), version);
    });

    it("says when it cannot destroy what is not needed any more, and commits all the same", async () => {
      const store = site.open();
      const revision = await store.commit({ n: 1 }, "0");
      site.emulator.fail({ method: "DestroySecretVersion", code: "PERMISSION_DENIED", times: 9 });
      await store.commit({ n: 2 }, revision);
      assert.match(site.log.join("\n"), /warn .* could not be destroyed \(destroySecretVersion: PERMISSION_DENIED\)/);
      assert.deepEqual((await store.load()).body, { n: 2 });
    });

    it("loads with one read of the small quota, and two accesses of the large one", async () => {
      const store = site.open();
      await promoteNew(store, makeVersion(1));
      const before = site.emulator.calls.length;
      await site.open().load();
      const asked = site.emulator.calls.slice(before).map(({ method }) => method);
      assert.deepEqual(asked.sort(), ["AccessSecretVersion", "AccessSecretVersion", "GetSecret"]);
    });
  });

  describe("settings of the secrets", () => {
    it("that delete it by themselves are refused before anything is written", async () => {
      await create(site.name, { ttl: { seconds: 86_400 } });
      const error = await errorOf(site.open().commit({}, "0"));
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, new RegExp(`secret ${site.name} .*deletes itself on \\d{4}-.*--remove-expiration`));
      assert.equal(companion(), undefined);
      await assert.rejects(site.open().putVersion(makeVersion(1)), ConfigurationError);
    });

    it("that delay destruction are told once, and a retired version is gone for us and scheduled there", async () => {
      await create(site.name, { versionDestroyTtl: { seconds: 7 * 86_400 } });
      const store = site.open();
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      await promoteNew(store, second);
      assert.equal(
        site.log.filter((line) => /warn .*delays the destruction of its versions by 7 days/.test(line)).length,
        1,
      );
      await store.retire(first.ref);
      assert.deepEqual(
        [native()?.versions[0]?.state, typeof native()?.versions[0]?.scheduledAt],
        ["DISABLED", "number"],
      );
      assert.match(
        site.log.join("\n"),
        /info .*version 1 is retired; version 1 of the secret .* will be destroyed on \d{4}-/,
      );
      assert.deepEqual(await store.list(), [second.ref]);
      await assert.rejects(store.read(first.ref), NotFoundError);
      await store.retire(first.ref);
      site.emulator.advance(7 * 86_400_000);
      assert.equal(await codeOf(site.readNative(1)), status.FAILED_PRECONDITION);
      assert.equal(native()?.versions[0]?.state, "DESTROYED");
    });

    it("that notify of a rotation do not matter", async () => {
      await create(site.name, {
        topics: [{ name: "projects/shop-prod/topics/rotate" }],
        rotation: { nextRotationTime: { seconds: 4_102_444_800 }, rotationPeriod: { seconds: 86_400 } },
      });
      await promoteNew(site.open(), makeVersion(1));
      assert.deepEqual(site.log, []);
    });

    it("that leave no room for another alias are an error that says so", async () => {
      await create(site.name);
      await addByHand("by hand");
      await site.client.updateSecret({
        secret: {
          name: nameOf(site.name),
          versionAliases: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`a${i}`, 1])),
        },
        updateMask: { paths: ["version_aliases"] },
      });
      await assert.rejects(promoteNew(site.open(), makeVersion(1)), (error: Error) => {
        return error instanceof ConfigurationError && /updateSecret on the secret .*50 aliases/.test(error.message);
      });
    });

    it("that hold more stored versions than fit are an error that says so", async () => {
      const store = site.open();
      for (let i = 1; ; i++) {
        const version = { ...makeVersion(i), ref: { version: i, token: `token-${i}-${"x".repeat(2000)}` } };
        const error = await store.putVersion(version).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error === undefined) continue;
        assert.ok(error instanceof StateError && /no room for more/.test(error.message), (error as Error).message);
        assert.equal((await store.list()).length, i - 1);
        break;
      }
    });
  });

  describe("options", () => {
    const base = { type: "gcpSecretManager", project: "shop-prod", name: "orders" };
    const wrong = (options: object): string => {
      const parsed = gcpSecretManagerOptions.safeParse({ ...base, ...options });
      assert.ok(!parsed.success, JSON.stringify(options));
      return parsed.error.issues.map(({ message }) => message).join("; ");
    };

    it("are taken with defaults for all but project and name, and belong to the registry", async () => {
      assert.deepEqual(gcpSecretManagerOptions.parse(base), base);
      const store = await createAdapter(stores, base as { type: string }, "store", contextOf([]));
      assert.equal(store.location, "gcp:shop-prod/orders");
      await store.close();
    });

    it("are refused with what is allowed", () => {
      assert.match(wrong({ project: "Shop" }), /project must be the id .*it is "Shop"/);
      assert.match(wrong({ project: undefined }), /project must be .*missing/);
      assert.match(wrong({ name: "orders/db" }), /name.* 1 to 246 letters.*"orders\/db"/);
      assert.match(wrong({ name: "x".repeat(247) }), /1 to 246/);
      assert.match(wrong({ location: "Europe" }), /location must be a Google Cloud region/);
      assert.match(wrong({ endpoint: "https://x" }), /endpoint must be "host:port"/);
      assert.match(wrong({ replication: [] }), /replication must be "automatic" or a list/);
      assert.match(wrong({ replication: ["here"] }), /region/);
      assert.match(wrong({ replication: "automatic", location: "europe-west3" }), /replication is for global secrets/);
      assert.match(wrong({ timeout: "10 s" }), /timeout must be a duration/);
      assert.match(wrong({ format: "yaml" }), /format must be one of/);
      assert.match(wrong({ region: "x" }), /has no option "region"; allowed are: type, project, name, location/);
    });

    it("allow plain text to this machine only", () => {
      for (const endpoint of ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1"])
        gcpSecretManagerOptions.parse({ ...base, endpoint, insecure: true });
      for (const endpoint of ["10.0.0.1:1", "localhost.example.com:1", "127.0.0.1.example.com:1", undefined])
        assert.match(wrong({ endpoint, insecure: true }), /insecure is for an emulator on this machine only/);
    });
  });

  it("has the checksum that the service has", () => {
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(0)), 0);
  });

  it("does not take a payload that was damaged on its way", async () => {
    const store = site.open();
    await promoteNew(store, makeVersion(1));
    site.emulator.fail({ method: "AccessSecretVersion", secret: site.name, corrupt: true });
    const error = await errorOf(store.readPayload());
    assert.ok(error instanceof UnreachableError && /checksum \(CRC32C\) is wrong/.test(error.message));
    await store.readPayload();
  });
});
