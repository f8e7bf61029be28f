/** What becomes of Secrets that somebody changed, deleted or made by hand. */
import assert from "node:assert/strict";
import { NotFoundError, StateError } from "../../../provider/lifecycle/errors";
import { failureOf, makeVersion, NAMESPACE, rotate, type Site } from "./site";

const [FIRST, SECOND] = [makeVersion(1), makeVersion(2)];

export function describeByHand(site: () => Site): void {
  describe("with Secrets that somebody changed by hand", () => {
    it("makes a Secret anew that was deleted, under the name that pods know", async () => {
      const name = site().newName();
      const store = await site().open({ name });
      await rotate(store, FIRST, 1);
      await site().secret("DELETE", `${name}-v1-e1`);
      const { current, revision } = await store.load();
      assert.equal(current, null, "readers get nothing");
      await assert.rejects(store.readPayload(), NotFoundError);
      await assert.rejects(store.retire(FIRST.ref), StateError, "it still is the one to be served");
      await store.promote(FIRST.ref, null, revision, 1);
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value);
      assert.deepEqual((await store.load()).current, FIRST.ref);
    });

    it("replaces one that was deleted and made again with other content", async () => {
      const name = site().newName();
      const store = await site().open({ name });
      await rotate(store, FIRST, 1);
      const { metadata, type } = (await site().secret("GET", `${name}-v1-e1`)).body;
      await site().secret("DELETE", `${name}-v1-e1`);
      const { labels, annotations } = metadata;
      const forged = { metadata: { name: `${name}-v1-e1`, labels, annotations }, type, data: { password: "AAAA" } };
      await site().made(`/api/v1/namespaces/${NAMESPACE}/secrets`, forged);
      const { current, revision } = await store.load();
      assert.equal(current, null);
      await store.promote(FIRST.ref, null, revision, 1);
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value);
      assert.equal((await site().secret("GET", `${name}-v1-e1`)).body.immutable, true);
    });

    it("takes up Secrets that came back from a backup", async () => {
      const name = site().newName();
      const store = await site().open({ name });
      await rotate(store, FIRST, 1);
      for (const one of await site().namesOf(name)) {
        const { metadata, ...rest } = (await site().secret("GET", one)).body;
        await site().secret("DELETE", one);
        const { labels, annotations } = metadata;
        await site().made(`/api/v1/namespaces/${NAMESPACE}/secrets`, {
          ...rest,
          metadata: { name: one, labels, annotations },
        });
      }
      const { uid } = (await site().secret("GET", `${name}-v1-e1`)).body.metadata;
      const { current, revision } = await store.load();
      await store.promote(FIRST.ref, current, revision, 1);
      assert.deepEqual((await store.load()).current, FIRST.ref);
      assert.equal((await site().secret("GET", `${name}-v1-e1`)).body.metadata.uid, uid, "it was kept");
    });

    it("puts the stable Secret right that was edited or deleted, and keeps labels and annotations of others", async () => {
      const name = site().newName();
      const store = await site().open({ name, stableName: true });
      await rotate(store, FIRST, 1);
      const edited = {
        metadata: { annotations: { theirs: "kept" }, labels: { theirs: "kept" } },
        data: { more: "AAAA" },
      };
      await site().secret("PATCH", name, edited);
      const { current, revision } = await store.load();
      assert.equal(current, null);
      assert.ok("more" in ((await store.readPayload()) as object), "it tells what readers get");
      assert.equal(await store.promote(FIRST.ref, null, revision, 1), revision, "the label was right");
      assert.deepEqual(await site().mount(name), FIRST.value);
      const { annotations, labels } = (await site().secret("GET", name)).body.metadata;
      assert.deepEqual([annotations.theirs, labels.theirs], ["kept", "kept"]);
      await site().secret("DELETE", name);
      assert.equal((await store.load()).current, null);
      await rotate(store, SECOND, 2);
      assert.deepEqual(await site().mount(name), SECOND.value);
    });

    it("puts a stable Secret in the place of one that cannot be changed", async () => {
      const name = site().newName();
      const store = await site().open({ name, stableName: true });
      await rotate(store, FIRST, 1);
      await site().secret("PATCH", name, { immutable: true });
      await rotate(store, SECOND, 2);
      assert.deepEqual(await site().mount(name), SECOND.value);
      const typed = await site().open({ name, stableName: true, secretType: "kubernetes.io/basic-auth" });
      await typed.promote(SECOND.ref, SECOND.ref, (await typed.load()).revision, 3);
      assert.equal((await site().secret("GET", name)).body.type, "kubernetes.io/basic-auth");
      assert.deepEqual(await site().mount(`${name}-v2-e2`), SECOND.value, "what was handed out stays");
      assert.deepEqual((await typed.load()).current, SECOND.ref);
    });

    it("does not overwrite somebody else's Secret, until it is handed over", async () => {
      const name = site().newName();
      await site().made(`/api/v1/namespaces/${NAMESPACE}/secrets`, { metadata: { name }, data: { theirs: "AAAA" } });
      const store = await site().open({ name, stableName: true });
      const refused = await failureOf(store.putVersion(FIRST));
      assert.ok(refused instanceof StateError);
      await assert.rejects(rotate(store, FIRST, 1), StateError);
      assert.deepEqual(Object.keys((await site().mount(name)) ?? {}), ["theirs"]);
      const told = /--overwrite (.+); or/.exec(refused.message)?.[1] ?? "";
      const labels = Object.fromEntries(told.split(" ").map((label) => label.split("=")));
      await site().secret("PATCH", name, { metadata: { labels } });
      await rotate(store, FIRST, 1);
      assert.deepEqual(await site().mount(name), FIRST.value);
    });

    it("leaves somebody else's Secrets of the other names alone, and says so", async () => {
      const name = site().newName();
      const path = `/api/v1/namespaces/${NAMESPACE}/secrets`;
      await site().made(path, { metadata: { name: `${name}-v1-e1` }, data: {} });
      const store = await site().open({ name });
      const taken = await failureOf(rotate(store, FIRST, 1));
      assert.ok(taken instanceof StateError);
      assert.match(taken.message, /not made by this package/);
      assert.equal((await store.load()).current, null);
      const other = site().newName();
      await site().made(path, { metadata: { name: `${other}-rotation` }, data: {} });
      await assert.rejects((await site().open({ name: other })).load(), /has not its labels/);
    });

    it("does not replace what pods may have mounted from an earlier ledger", async () => {
      const name = site().newName();
      await rotate(await site().open({ name }), FIRST, 1);
      await site().secret("DELETE", `${name}-rotation`);
      const store = await site().open({ name });
      const again = { ...FIRST, ref: { version: 1, token: "of the new ledger" }, value: { password: "another" } };
      const left = await failureOf(rotate(store, again, 1));
      assert.ok(left instanceof StateError);
      assert.match(left.message, /left by an earlier ledger/);
      assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value);
    });

    it("says that a ledger was changed by hand, and shows nothing of it", async () => {
      const name = site().newName();
      const store = await site().open({ name });
      await rotate(store, FIRST, 1);
      for (const text of ["{", "null", '"x"', "{}"]) {
        const data = { "ledger.json": Buffer.from(text).toString("base64") };
        await site().secret("PATCH", `${name}-rotation`, { data });
        const error = await failureOf(store.load());
        assert.ok(error instanceof StateError, text);
        assert.match(error.message, /holds no ledger any more/);
      }
    });
  });
}
