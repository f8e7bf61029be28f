import assert from "node:assert/strict";
import type { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { status } from "@grpc/grpc-js";
import { startGcpSecretManager, type GcpSecretManagerEmulator } from "../../testing/gcpSecretManager";
import { accessText, codeOf, plainClient, PROJECT } from "./servers/gcp";

/** The check value of CRC32C is that of these digits. */
const DIGITS = Buffer.from("123456789");
const DIGITS_CRC32C = 0xe3069283;

describe("the emulator of Google Cloud Secret Manager", () => {
  let emulator: GcpSecretManagerEmulator;
  let client: SecretManagerServiceClient;
  let made = 0;
  let id = "";
  const parent = `projects/${PROJECT}`;
  const secret = () => `${parent}/secrets/${id}`;
  const version = (name: string | number) => `${secret()}/versions/${name}`;

  before(async () => {
    emulator = await startGcpSecretManager();
    client = plainClient(emulator.endpoint);
  });
  after(async () => {
    await client.close();
    await emulator.stop();
  });
  afterEach(() => {
    emulator.heal();
    emulator.grant();
    emulator.lag(0);
  });

  async function newSecret(more: object = {}) {
    id = `secret-${++made}`;
    const [answer] = await client.createSecret({
      parent,
      secretId: id,
      secret: { replication: { automatic: {} }, ...more },
    });
    return answer;
  }

  async function add(text: string) {
    const [answer] = await client.addSecretVersion({ parent: secret(), payload: { data: Buffer.from(text) } });
    return answer;
  }

  const setAliases = (versionAliases: Record<string, number>, etag?: string) =>
    client.updateSecret({
      secret: { name: secret(), versionAliases, ...(etag === undefined ? {} : { etag }) },
      updateMask: { paths: ["version_aliases"] },
    });
  const stateOf = async (number: number) => (await client.getSecretVersion({ name: version(number) }))[0].state;

  describe("secrets", () => {
    it("makes a secret once, and names it by the number of its project", async () => {
      const answer = await newSecret({ labels: { team: "shop" } });
      assert.match(answer.name ?? "", /^projects\/\d{12}\/secrets\/secret-\d+$/);
      assert.match(answer.etag ?? "", /^"[0-9a-f]+"$/, "etags have quotes");
      assert.deepEqual(answer.labels, { team: "shop" });
      const again = client.createSecret({ parent, secretId: id, secret: { replication: { automatic: {} } } });
      assert.equal(await codeOf(again), status.ALREADY_EXISTS);
      assert.equal((await client.getSecret({ name: answer.name ?? "" }))[0].etag, answer.etag, "by number, too");
    });

    it("knows nothing of what was not made", async () => {
      id = "absent";
      assert.equal(await codeOf(client.getSecret({ name: secret() })), status.NOT_FOUND);
      assert.equal(await codeOf(add("x")), status.NOT_FOUND);
      assert.equal(await codeOf(client.accessSecretVersion({ name: version("latest") })), status.NOT_FOUND);
    });

    it("refuses ids, names and replications that are not allowed", async () => {
      const make = (secretId: string, replication: object | undefined, where = parent) =>
        codeOf(client.createSecret({ parent: where, secretId, secret: replication ? { replication } : {} }));
      const automatic = { automatic: {} };
      assert.equal(await make("with.dot", automatic), status.INVALID_ARGUMENT);
      assert.equal(await make("x".repeat(256), automatic), status.INVALID_ARGUMENT);
      assert.equal(await make("no-replication", undefined), status.INVALID_ARGUMENT);
      assert.equal(await make("no-replicas", { userManaged: { replicas: [] } }), status.INVALID_ARGUMENT);
      assert.equal(await make("regional", automatic, `${parent}/locations/europe-west3`), status.INVALID_ARGUMENT);
      assert.equal(await codeOf(client.getSecret({ name: "secrets/x" })), status.INVALID_ARGUMENT);
    });

    it("keeps regional secrets apart from global ones of the same id", async () => {
      await newSecret();
      await add("global");
      const where = `${parent}/locations/europe-west3`;
      const [regional] = await client.createSecret({ parent: where, secretId: id, secret: {} });
      assert.match(regional.name ?? "", /\/locations\/europe-west3\/secrets\//);
      assert.equal(
        await codeOf(client.accessSecretVersion({ name: `${regional.name}/versions/latest` })),
        status.NOT_FOUND,
      );
      assert.equal(await accessText(client, id, "latest"), "global");
      const [inRegion] = await client.listSecrets({ parent: where });
      assert.ok(inRegion.some(({ name }) => name === regional.name));
      const [global] = await client.listSecrets({ parent });
      assert.ok(!global.some(({ name }) => name === regional.name));
    });

    it("deletes a secret, only with its etag where one is given", async () => {
      const { etag } = await newSecret();
      assert.equal(await codeOf(client.deleteSecret({ name: secret(), etag: '"1"' })), status.FAILED_PRECONDITION);
      await client.deleteSecret({ name: secret(), etag: etag ?? "" });
      assert.equal(await codeOf(client.getSecret({ name: secret() })), status.NOT_FOUND);
    });

    it("lets a secret expire with all its versions", async () => {
      await newSecret({ ttl: { seconds: 3600 } });
      await add("x");
      const [{ expireTime }] = await client.getSecret({ name: secret() });
      assert.ok(Number(expireTime?.seconds) > 0, "given back as a time");
      emulator.advance(3_600_000);
      assert.equal(await codeOf(client.accessSecretVersion({ name: version(1) })), status.NOT_FOUND);
    });
  });

  describe("changes of a secret", () => {
    it("succeed with the etag that is stored or with none, and fail with another: FAILED_PRECONDITION", async () => {
      const { etag: first } = await newSecret();
      await add("one");
      const [changed] = await setAliases({ current: 1 }, first ?? "");
      assert.notEqual(changed.etag, first);
      assert.equal(await codeOf(setAliases({}, first ?? "")), status.FAILED_PRECONDITION);
      assert.deepEqual(emulator.secret(id)?.aliases, { current: 1 }, "nothing was changed");
      await setAliases({});
      assert.deepEqual(emulator.secret(id)?.aliases, {});
    });

    it("give a new etag also where nothing changes, and those of versions leave it as it is", async () => {
      const { etag } = await newSecret();
      await add("one");
      await client.disableSecretVersion({ name: version(1) });
      assert.equal((await client.getSecret({ name: secret() }))[0].etag, etag);
      const [same] = await setAliases({});
      assert.notEqual(same.etag, etag);
    });

    it("let exactly one of two with the same etag win", async () => {
      const { etag } = await newSecret();
      await add("one");
      const results = await Promise.allSettled([setAliases({ a: 1 }, etag ?? ""), setAliases({ b: 1 }, etag ?? "")]);
      assert.deepEqual(results.map((result) => result.status).sort(), ["fulfilled", "rejected"]);
    });

    it("need a mask, and refuse what cannot be changed; a refused one changes nothing of it", async () => {
      await newSecret();
      const change = (paths: string[]) =>
        codeOf(
          client.updateSecret({
            secret: { name: secret(), labels: { changed: "yes" } },
            updateMask: { paths },
          }),
        );
      assert.equal(await change([]), status.INVALID_ARGUMENT);
      assert.equal(await change(["replication"]), status.INVALID_ARGUMENT);
      assert.equal(await change(["labels", "replication"]), status.INVALID_ARGUMENT);
      assert.deepEqual(emulator.secret(id)?.labels, {});
    });

    it("refuse aliases that are too many, reserved, badly named or of no version", async () => {
      await newSecret();
      await add("one");
      const refused = async (aliases: Record<string, number>) =>
        assert.equal(await codeOf(setAliases(aliases)), status.INVALID_ARGUMENT, JSON.stringify(aliases));
      const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, 1]));
      for (const name of ["latest", "NEW", "Latest", "1st", "with.dot", "", `a${"x".repeat(63)}`])
        await refused({ [name]: 1 });
      await refused({ current: 2 });
      await refused(many(51));
      await setAliases({ ...many(49), [`a${"x".repeat(62)}`]: 1 });
    });

    it("refuse annotations of 16 KiB and more, and keys that are not allowed", async () => {
      await newSecret();
      const set = (annotations: Record<string, string>) =>
        client.updateSecret({ secret: { name: secret(), annotations }, updateMask: { paths: ["annotations"] } });
      await set({ "a.b_c-d": "x".repeat(16_383 - 7) });
      assert.equal(await codeOf(set({ "a.b_c-d": "x".repeat(16_384 - 7) })), status.INVALID_ARGUMENT);
      for (const key of ["-a", "a-", "a b", "ä", "x".repeat(64)])
        assert.equal(await codeOf(set({ [key]: "" })), status.INVALID_ARGUMENT, key);
    });
  });

  describe("versions", () => {
    it("are numbered from 1, enabled, and read by number, alias and latest", async () => {
      await newSecret();
      assert.match((await add("one")).name ?? "", /\/versions\/1$/);
      assert.equal((await add("two")).state, "ENABLED");
      await setAliases({ stable: 1 });
      assert.equal(await accessText(client, id, 1), "one");
      assert.equal(await accessText(client, id, "stable"), "one");
      assert.equal(await accessText(client, id, "latest"), "two");
      assert.equal(await codeOf(accessText(client, id, 3)), status.NOT_FOUND);
      assert.equal(await codeOf(accessText(client, id, "unknown")), status.NOT_FOUND);
    });

    it("are disabled and enabled, and cannot be read while disabled: FAILED_PRECONDITION", async () => {
      await newSecret();
      await add("one");
      for (let i = 0; i < 2; i++) {
        await client.disableSecretVersion({ name: version(1) });
        await client.disableSecretVersion({ name: version(1) });
        assert.equal(await stateOf(1), "DISABLED");
        assert.equal(await codeOf(accessText(client, id, 1)), status.FAILED_PRECONDITION);
        await client.enableSecretVersion({ name: version(1) });
        assert.equal(await accessText(client, id, 1), "one");
      }
    });

    it("stay destroyed for ever, with nothing left of their data", async () => {
      await newSecret();
      await add("one");
      const [destroyed] = await client.destroySecretVersion({ name: version(1) });
      assert.equal(destroyed.state, "DESTROYED");
      assert.ok(destroyed.destroyTime);
      assert.equal(emulator.secret(id)?.versions[0]?.data, undefined);
      for (const call of [
        client.enableSecretVersion({ name: version(1) }),
        client.disableSecretVersion({ name: version(1) }),
        client.destroySecretVersion({ name: version(1) }),
        client.accessSecretVersion({ name: version(1) }),
      ])
        assert.equal(await codeOf(call), status.FAILED_PRECONDITION);
      assert.match((await add("two")).name ?? "", /\/versions\/2$/, "numbers are never used again");
    });

    it("are latest when they were made last, whatever state they are in", async () => {
      await newSecret();
      await add("one");
      await add("two");
      await client.disableSecretVersion({ name: version(2) });
      await assert.rejects(accessText(client, id, "latest"), /Secret Version \[2\] is in DISABLED state/);
      assert.match((await client.getSecretVersion({ name: version("latest") }))[0].name ?? "", /\/versions\/2$/);
      await client.destroySecretVersion({ name: version(2) });
      await assert.rejects(accessText(client, id, "latest"), /Secret Version \[2\] is in DESTROYED state/);
    });

    it("change their state only with their own etag where one is given", async () => {
      await newSecret();
      const { etag } = await add("one");
      const [enabled] = await client.enableSecretVersion({ name: version(1) });
      assert.notEqual(enabled.etag, etag, "nothing changed, and the etag did");
      for (const call of ["disableSecretVersion", "enableSecretVersion", "destroySecretVersion"] as const)
        assert.equal(await codeOf(client[call]({ name: version(1), etag: etag ?? "" })), status.FAILED_PRECONDITION);
      await client.disableSecretVersion({ name: version(1), etag: enabled.etag ?? "" });
    });

    it("are changed by number only, since aliases are for reading", async () => {
      await newSecret();
      await add("one");
      await setAliases({ current: 1 });
      for (const alias of ["latest", "current"])
        assert.equal(await codeOf(client.destroySecretVersion({ name: version(alias) })), status.INVALID_ARGUMENT);
    });

    it("of a secret that delays destruction are disabled first, can be had back, and go when the time comes", async () => {
      await newSecret({ versionDestroyTtl: { seconds: 86_400 } });
      await add("one");
      const [scheduled] = await client.destroySecretVersion({ name: version(1) });
      assert.equal(scheduled.state, "DISABLED");
      assert.ok(Number(scheduled.scheduledDestroyTime?.seconds) > 0);
      const [restored] = await client.enableSecretVersion({ name: version(1) });
      assert.equal(restored.scheduledDestroyTime, null);
      assert.equal(await accessText(client, id, 1), "one");
      await client.destroySecretVersion({ name: version(1) });
      emulator.advance(86_400_000 - 60_000);
      assert.equal(await stateOf(1), "DISABLED");
      emulator.advance(60_000);
      assert.equal(await stateOf(1), "DESTROYED");
    });

    it("hold 1 byte to 64 KiB, whatever bytes those are", async () => {
      await newSecret();
      const put = (data: Buffer) => client.addSecretVersion({ parent: secret(), payload: { data } });
      const most = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 256));
      await put(most);
      const [answer] = await client.accessSecretVersion({ name: version(1) });
      assert.ok(Buffer.from(answer.payload?.data ?? []).equals(most));
      assert.equal(await codeOf(put(Buffer.alloc(65_537))), status.INVALID_ARGUMENT);
      assert.equal(await codeOf(put(Buffer.alloc(0))), status.INVALID_ARGUMENT);
    });

    it("are checked by their CRC32C, which readers get, too", async () => {
      await newSecret();
      const put = (dataCrc32c?: number) =>
        client.addSecretVersion({
          parent: secret(),
          payload: { data: DIGITS, ...(dataCrc32c === undefined ? {} : { dataCrc32c }) },
        });
      assert.equal((await put(DIGITS_CRC32C))[0].clientSpecifiedPayloadChecksum, true);
      assert.equal((await put())[0].clientSpecifiedPayloadChecksum, false);
      assert.equal(await codeOf(put(DIGITS_CRC32C + 1)), status.INVALID_ARGUMENT);
      assert.equal(await codeOf(put(0)), status.INVALID_ARGUMENT, "zero is a checksum, too");
      for (const number of [1, 2]) {
        const [answer] = await client.accessSecretVersion({ name: version(number) });
        assert.equal(Number(answer.payload?.dataCrc32c), DIGITS_CRC32C);
      }
    });

    it("are listed newest first, in pages, by their state", async () => {
      await newSecret();
      for (let i = 1; i <= 5; i++) await add(`v${i}`);
      await client.disableSecretVersion({ name: version(2) });
      await client.destroySecretVersion({ name: version(3) });
      const numbers = async (request: object) =>
        (await client.listSecretVersions({ parent: secret(), ...request }))[0].map(({ name }) =>
          Number(name?.split("/").at(-1)),
        );
      assert.deepEqual(await numbers({ pageSize: 2 }), [5, 4, 3, 2, 1]);
      assert.deepEqual(await numbers({ filter: "state:ENABLED" }), [5, 4, 1]);
      assert.deepEqual(await numbers({ filter: "state:DISABLED" }), [2]);
      assert.deepEqual(await numbers({ filter: "state:DESTROYED" }), [3]);
      assert.equal(await codeOf(numbers({ filter: "create_time>2020" })), status.UNIMPLEMENTED);
    });
  });

  describe("on purpose", () => {
    it("allows only what was granted, on the project or on one secret", async () => {
      await newSecret();
      await add("one");
      emulator.grant({ [id]: ["secretmanager.versions.access"] });
      assert.equal(await accessText(client, id, "latest"), "one");
      assert.equal(await codeOf(client.getSecret({ name: secret() })), status.PERMISSION_DENIED);
      await assert.rejects(add("two"), /Permission 'secretmanager\.versions\.add' denied .* \(or it may not exist\)/);
      assert.equal(await codeOf(accessText(client, "another", "latest")), status.PERMISSION_DENIED);
      emulator.grant({ [id]: ["secretmanager.secrets.create"], "*": ["secretmanager.secrets.get"] });
      await client.getSecret({ name: secret() });
      assert.equal(await codeOf(newSecret()), status.PERMISSION_DENIED, "making one is a permission on the project");
    });

    it("fails calls before or after they are carried out, as often as it was told", async () => {
      await newSecret();
      emulator.fail({ method: "AddSecretVersion", secret: id, code: "UNAVAILABLE", skip: 1, times: 2 });
      await add("one");
      assert.equal(await codeOf(add("two")), status.UNAVAILABLE);
      assert.equal(await codeOf(add("two")), status.UNAVAILABLE);
      await add("two");
      emulator.fail({ method: "AddSecretVersion", code: "RESOURCE_EXHAUSTED", when: "after" });
      assert.equal(await codeOf(add("three")), status.RESOURCE_EXHAUSTED);
      assert.deepEqual(
        emulator.secret(id)?.versions.map(({ data }) => data?.toString()),
        ["one", "two", "three"],
      );
    });

    it("is slow, or never answers, or answers with a damaged payload", async () => {
      await newSecret();
      await add("one");
      emulator.fail({ method: "GetSecret", delayMs: 150 });
      const started = performance.now();
      await client.getSecret({ name: secret() });
      assert.ok(performance.now() - started >= 140);
      emulator.fail({ method: "GetSecret", hang: true });
      const hanging = client.getSecret({ name: secret() }, { timeout: 100 });
      assert.equal(await codeOf(hanging), status.DEADLINE_EXCEEDED);
      emulator.fail({ method: "AccessSecretVersion", corrupt: true });
      assert.notEqual(await accessText(client, id, 1), "one");
      assert.equal(await accessText(client, id, 1), "one");
    });

    it("shows what was there before the last change, but for an access by number", async () => {
      await newSecret();
      await add("one");
      await add("two");
      emulator.lag(2);
      assert.equal(await accessText(client, id, 2), "two");
      assert.equal(await accessText(client, id, "latest"), "one");
      assert.equal(await codeOf(client.getSecretVersion({ name: version(2) })), status.NOT_FOUND);
      assert.equal(await accessText(client, id, "latest"), "two", "two reads were to lag");
    });

    it("counts the calls that it was asked", async () => {
      await newSecret();
      const before = emulator.calls.length;
      await add("one");
      await accessText(client, id, 1);
      assert.deepEqual(emulator.calls.slice(before), [
        { method: "AddSecretVersion", secret: id },
        { method: "AccessSecretVersion", secret: id },
      ]);
    });

    it("says of what it does not have that it is not implemented", async () => {
      await newSecret();
      assert.equal(await codeOf(client.getIamPolicy({ resource: secret() })), status.UNIMPLEMENTED);
    });
  });
});
