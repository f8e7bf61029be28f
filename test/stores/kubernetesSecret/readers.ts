/** What a pod gets that mounts the Secrets, at each step. */
import assert from "node:assert/strict";
import { ConfigurationError } from "../../../provider/lifecycle/errors";
import { failureOf, makeVersion, NAMESPACE, realContext, rotate, type Site } from "./site";

const [FIRST, SECOND] = [makeVersion(1), makeVersion(2)];

export function describeReaders(site: () => Site): void {
  /** The Secrets that pods mount. */
  const mountable = async (name: string) =>
    (await site().namesOf(name)).filter((one) => !one.startsWith(`${name}-rotation`)).sort();

  describe("serving pods", () => {
    it("makes a Secret of a new name for each version and epoch, and keeps those that pods have", async () => {
      const name = site().newName();
      const store = await site().open({ name });
      const fence = await store.commit({}, "0");
      await store.putVersion(FIRST);
      assert.deepEqual(await mountable(name), [], "staged");
      await store.promote(FIRST.ref, null, fence, 1);
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value, "promoted");
      await rotate(store, SECOND, 2);
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value, "superseded");
      assert.deepEqual(await site().mount(`${name}-v2-e2`), SECOND.value);
      await store.promote(FIRST.ref, SECOND.ref, (await store.load()).revision, 3);
      assert.deepEqual(await site().mount(`${name}-v1-e3`), FIRST.value, "returned");
      await store.promote(FIRST.ref, FIRST.ref, (await store.load()).revision, 4);
      assert.deepEqual(
        await mountable(name),
        ["v1-e1", "v1-e3", "v1-e4", "v2-e2"].map((end) => `${name}-${end}`),
      );
      await store.retire(SECOND.ref);
      assert.equal(await site().mount(`${name}-v2-e2`), undefined, "retired");
      await store.clearCurrent((await store.load()).revision);
      assert.deepEqual(await site().mount(`${name}-v1-e4`), FIRST.value, "pods that run keep theirs");
      await store.retire(FIRST.ref);
      assert.deepEqual(await site().namesOf(name), [`${name}-rotation`], "torn down");
    });

    it("lets the Secret of the stable name follow what is current", async () => {
      const name = site().newName();
      const store = await site().open({ name, stableName: true });
      await store.putVersion(FIRST);
      assert.equal(await site().mount(name), undefined, "staged");
      await rotate(store, FIRST, 1);
      assert.deepEqual(await site().mount(name), FIRST.value, "promoted");
      await rotate(store, SECOND, 2);
      assert.deepEqual(await site().mount(name), SECOND.value);
      await store.promote(FIRST.ref, SECOND.ref, (await store.load()).revision, 3);
      assert.deepEqual(await site().mount(name), FIRST.value, "returned");
      await store.retire(SECOND.ref);
      assert.deepEqual(await site().mount(name), FIRST.value);
      await store.clearCurrent((await store.load()).revision);
      assert.equal(await site().mount(name), undefined, "torn down");
    });

    it("is read by a consumer with the Role of the docs page, who sees nothing else", async () => {
      const store = await site().open({ name: "orders-db", stableName: true });
      await rotate(store, FIRST, 1);
      const read = await site().secret("GET", "orders-db", undefined, "app");
      assert.equal(Buffer.from(read.body.data.password, "base64").toString(), FIRST.value["password"]);
      for (const other of ["orders-db-rotation", "orders-db-v1-e1"])
        assert.equal((await site().secret("GET", other, undefined, "app")).code, 403, other);
      assert.equal((await site().server.ask("app", "GET", `/api/v1/namespaces/${NAMESPACE}/secrets`)).code, 403);
    });

    it("lets nobody change what a pod has mounted", async () => {
      const name = site().newName();
      await rotate(await site().open({ name }), FIRST, 1);
      const changed = await site().secret("PATCH", `${name}-v1-e1`, { data: { password: "AAAA" } });
      assert.equal(changed.code, 422);
    });

    it("says on each Secret what it is, with the labels that were asked for", async () => {
      const name = site().newName();
      const store = await site().open({ name, stableName: true, labels: { team: "shop", "example.com/tier": "" } });
      await rotate(store, FIRST, 4);
      for (const one of await site().namesOf(name)) {
        const { metadata } = (await site().secret("GET", one)).body;
        assert.equal(metadata.labels["app.kubernetes.io/managed-by"], "pulumi-rotating-secrets", one);
        assert.equal(metadata.labels["pulumi-rotating-secrets/secret"], name);
        assert.deepEqual([metadata.labels.team, metadata.labels["example.com/tier"]], ["shop", ""]);
      }
      const { annotations } = (await site().secret("GET", `${name}-v1-e4`)).body.metadata;
      assert.deepEqual(annotations, {
        "pulumi-rotating-secrets/version": "1",
        "pulumi-rotating-secrets/token": FIRST.ref.token,
        "pulumi-rotating-secrets/epoch": "4",
        "pulumi-rotating-secrets/fingerprint": FIRST.fingerprint,
      });
    });

    it("makes Secrets of the type that was asked for, with the fields of the format", async () => {
      const name = site().newName();
      const tls = await site().open({ name, secretType: "kubernetes.io/tls", format: "tls", stableName: true });
      await rotate(tls, makeVersion(1, { chain: "a chain", key: "a key" }), 1);
      for (const one of [name, `${name}-v1-e1`]) {
        assert.equal((await site().secret("GET", one)).body.type, "kubernetes.io/tls");
        assert.deepEqual(await site().mount(one), { "tls.crt": "a chain", "tls.key": "a key" });
      }
      const other = site().newName();
      await rotate(await site().open({ name: other, secretType: "kubernetes.io/basic-auth" }), FIRST, 1);
      assert.equal((await site().secret("GET", `${other}-v1-e1`)).body.type, "kubernetes.io/basic-auth");
    });

    it("refuses what a Secret cannot hold before anything is stored", async () => {
      const name = site().newName();
      const tls = await site().open({ name, secretType: "kubernetes.io/tls" });
      const missing = await failureOf(tls.putVersion(FIRST));
      assert.ok(missing instanceof ConfigurationError);
      assert.match(missing.message, /missing: tls\.crt, tls\.key\..*username, password.*such as "tls"/);
      const opaque = await site().open({ name });
      for (const field of ["pass word", "..", "..data", "a/b", "ü", "x".repeat(254)]) {
        const illegal = await failureOf(opaque.putVersion(makeVersion(1, { [field]: "value" })));
        assert.ok(illegal instanceof ConfigurationError, field);
        assert.match(illegal.message, /`format`/);
      }
      const large = await failureOf(opaque.putVersion(makeVersion(1, { password: "x".repeat(1024 * 1024 + 1) })));
      assert.match(large.message, /may hold 1048576 bytes; what readers get would have 1048577/);
      assert.deepEqual(await site().namesOf(name), []);
    });
  });

  describe("when the options change", () => {
    it("makes the stable Secret when it is asked for, and takes it away when it is not any more", async () => {
      const name = site().newName();
      const [without, having] = [await site().open({ name }), await site().open({ name, stableName: true })];
      await rotate(without, FIRST, 1);
      const before = await having.load();
      assert.equal(before.current, null, "its readers get nothing yet");
      await having.promote(FIRST.ref, null, before.revision, 1);
      assert.deepEqual(await site().mount(name), FIRST.value);
      assert.deepEqual((await having.load()).current, FIRST.ref);
      const after = await without.load();
      assert.equal(after.current, null, "there is one too many");
      await without.promote(FIRST.ref, null, after.revision, 1);
      assert.equal(await site().mount(name), undefined);
      assert.deepEqual((await without.load()).current, FIRST.ref);
    });

    it("keeps what was handed out, and takes a new format with the next epoch", async () => {
      const name = site().newName();
      await rotate(await site().open({ name, stableName: true }), FIRST, 1);
      const store = await site().open({ name, stableName: true, format: { fields: { url: "u://${username}" } } });
      const { current, revision } = await store.load();
      assert.deepEqual(current, FIRST.ref);
      await store.promote(FIRST.ref, current, revision, 1);
      assert.deepEqual(await site().mount(name), FIRST.value);
      await store.promote(FIRST.ref, current, revision, 2);
      assert.deepEqual(await site().mount(name), { url: "u://orders_v1" });
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value);
    });

    it("logs nothing of all this", async () => {
      const context = realContext();
      await rotate(await site().open({ name: site().newName(), stableName: true }, context), FIRST, 1);
      assert.deepEqual(context.lines, []);
    });
  });
}
