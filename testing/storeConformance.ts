/** What every secret store does. Loop over the cases with any test runner. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { canDisable, type SecretStore, type StoredVersion, type VersionRef } from "../provider/contracts/store";
import { ConflictError, NotFoundError, StateError } from "../provider/lifecycle/errors";
import type { ConformanceCase } from "./conformance";

export interface StoreHarness {
  /** Makes new, empty storage; what `open` returns from now on works on it. */
  fresh(): Promise<void>;
  /** A new adapter on the storage made last. Opening again without closing stands for a crash. */
  open(): Promise<SecretStore>;
  readonly capabilities: {
    /** Whether `promote` and the ledger are one compare-and-swap, so that it makes a new revision. */
    readonly fencedLabel: boolean;
    /** The most bytes that what readers get may have, where the backend has such a limit: the JSON of the fields. */
    readonly maxPayloadBytes?: number;
    /** A field's name at the edge of what the backend allows. Absent: any text is one. */
    readonly fieldName?: string;
  };
  /**
   * What a reader gets who names the version, with the backend's own means; rejects where such a reader gets nothing.
   * For stores that can disable a version.
   */
  readonly readByNumber?: (ref: VersionRef) => Promise<unknown>;
}

const SECRET_MARK = "hunter2-do-not-print";
const LARGE_VALUE = 64 * 1024;
const VERSIONS_OVER_TIME = 200;
const AWKWARD_VALUE = "\" ' \\ \n\r\t \0 \u2028 %2F ../ $(true) ${HOME} ü 漢字 🔑 \uFEFF";

type Body = (open: () => Promise<SecretStore>) => Promise<void>;

export function storeConformance(harness: StoreHarness): readonly ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const add = (name: string, body: Body) => cases.push({ name, run: () => runFresh(harness, body) });

  add("is empty at first: revision 0, no ledger, no current version", async (open) => {
    const store = await open();
    assert.deepEqual(await store.load(), { revision: "0", body: undefined, current: null });
    assert.deepEqual(await store.list(), []);
    await assert.rejects(store.read("current"), NotFoundError);
  });

  add("returns the ledger as it was committed, with the revision that commit returned", async (open) => {
    const store = await open();
    const body = { phase: "proposed", list: [1, null, true, "ü 漢字"], nested: { empty: {} } };
    const revision = await store.commit(body, "0");
    assert.notEqual(revision, "0");
    assert.deepEqual(await store.load(), { revision, body, current: null });
  });

  add("gives every commit a new revision, also where nothing changed", async (open) => {
    const store = await open();
    const revisions = ["0"];
    for (let i = 0; i < 5; i++) revisions.push(await store.commit({ same: true }, revisions.at(-1) ?? ""));
    assert.equal(new Set(revisions).size, 6);
  });

  add("refuses a commit with a stale revision, and changes nothing", async (open) => {
    const store = await open();
    const first = await store.commit({ by: "first" }, "0");
    const second = await store.commit({ by: "second" }, first);
    await assert.rejects(store.commit({ by: "stale" }, first), ConflictError);
    await assert.rejects(store.commit({ by: "stale" }, "0"), ConflictError);
    await assert.rejects(store.commit({ by: "stale" }, "no such revision"), ConflictError);
    assert.deepEqual(await store.load(), { revision: second, body: { by: "second" }, current: null });
  });

  add("refuses a commit whose revision became stale long ago", async (open) => {
    const [slow, fast] = [await open(), await open()];
    const stale = await slow.commit({ n: 0 }, "0");
    let revision = stale;
    for (let n = 1; n <= 20; n++) revision = await fast.commit({ n }, revision);
    await assert.rejects(slow.commit({ n: -1 }, stale), ConflictError);
    assert.deepEqual((await fast.load()).body, { n: 20 });
  });

  add("lets exactly one of two writers win that commit at the same moment", async (open) => {
    const [one, other] = [await open(), await open()];
    let revision = "0";
    for (let round = 0; round < 10; round++) {
      const results = await Promise.allSettled([
        one.commit({ round, by: "one" }, revision),
        other.commit({ round, by: "other" }, revision),
      ]);
      const winner = onlyWinner(results);
      revision = (results[winner] as PromiseFulfilledResult<string>).value;
      assert.deepEqual((await one.load()).body, { round, by: winner === 0 ? "one" : "other" });
      assert.equal((await other.load()).revision, revision);
    }
  });

  add("loads the same for several callers at once, while somebody else commits", async (open) => {
    const [writer, reader] = [await open(), await open()];
    let revision = "0";
    for (let round = 0; round < 5; round++) {
      revision = await writer.commit({ round }, revision);
      const loads = await Promise.all(Array.from({ length: 8 }, () => reader.load()));
      for (const snapshot of loads) assert.deepEqual(snapshot, { revision, body: { round }, current: null });
    }
  });

  add("stores a version that is not current, and reads all of it back", async (open) => {
    const store = await open();
    const version = makeVersion(1);
    assert.deepEqual(await store.putVersion(version), version.ref);
    assert.deepEqual(await store.read(version.ref), version);
    assert.deepEqual(await store.list(), [version.ref]);
    assert.equal((await store.load()).current, null);
  });

  add("stores a version once, however often it is put", async (open) => {
    const store = await open();
    const version = makeVersion(1);
    for (let i = 0; i < 3; i++) assert.deepEqual(await store.putVersion(version), version.ref);
    assert.deepEqual(await (await open()).putVersion(version), version.ref);
    assert.equal((await store.list()).length, 1);
  });

  add("keeps the value that was stored first when the same token comes with another one", async (open) => {
    const store = await open();
    const version = makeVersion(1);
    await store.putVersion(version);
    const other = { ...version, fingerprint: "other", value: { password: "another" } };
    assert.deepEqual(await (await open()).putVersion(other), version.ref);
    assert.deepEqual(await store.read(version.ref), version);
  });

  add("keeps one of two values that are put under the same token at the same moment", async (open) => {
    const [one, other] = [await open(), await open()];
    const version = makeVersion(1);
    const rival = { ...version, value: { password: "rival" } };
    const refs = await Promise.all([one.putVersion(version), other.putVersion(rival)]);
    assert.deepEqual(refs, [version.ref, version.ref]);
    const stored = await one.read(version.ref);
    assert.ok([version.value.password, "rival"].includes(stored.value.password));
    assert.deepEqual(await other.read(version.ref), stored);
  });

  add("makes a version current, and says so everywhere", async (open) => {
    const store = await open();
    const fence = await store.commit({ phase: "promoting" }, "0");
    const ref = await store.putVersion(makeVersion(1));
    const revision = await store.promote(ref, null, fence, 1);
    const snapshot = await (await open()).load();
    assert.deepEqual(snapshot, { revision, body: { phase: "promoting" }, current: ref });
    assert.deepEqual((await store.read("current")).ref, ref);
    assert.equal(revision !== fence, harness.capabilities.fencedLabel, "see capabilities.fencedLabel");
    await store.commit({ phase: "promoted" }, revision);
    assert.deepEqual((await store.load()).current, ref, "a commit keeps the label");
  });

  add("succeeds when it promotes what is current already", async (open) => {
    const store = await open();
    const { ref, revision } = await promoteNew(store, 1);
    const other = await open();
    await assert.doesNotReject(other.promote(ref, null, revision, 1), "it is current already");
    await store.promote(ref, ref, (await store.load()).revision, 1);
    assert.deepEqual((await store.load()).current, ref);
  });

  add("refuses to promote when the ledger has moved on, and changes nothing", async (open) => {
    const store = await open();
    const { ref: first, revision: stale } = await promoteNew(store, 1);
    const second = await store.putVersion(makeVersion(2));
    const revision = await store.commit({ phase: "somebody else's" }, stale);
    await assert.rejects((await open()).promote(second, first, stale, 1), ConflictError);
    const body = { phase: "somebody else's" };
    assert.deepEqual(await store.load(), { revision, body, current: first });
  });

  add("refuses to promote when another version is current than expected, and changes nothing", async (open) => {
    const store = await open();
    const { ref: first } = await promoteNew(store, 1);
    const second = await store.putVersion(makeVersion(2));
    const third = await store.putVersion(makeVersion(3));
    const before = await store.load();
    await assert.rejects(store.promote(third, second, before.revision, 1), ConflictError);
    await assert.rejects(store.promote(third, null, before.revision, 1), ConflictError);
    assert.deepEqual(await store.load(), before);
    assert.deepEqual(before.current, first);
  });

  if (harness.capabilities.fencedLabel) {
    add("lets exactly one of two writers win that promote at the same moment", async (open) => {
      const [one, other] = [await open(), await open()];
      const { ref: first, revision } = await promoteNew(one, 1);
      const second = await one.putVersion(makeVersion(2));
      const third = await one.putVersion(makeVersion(3));
      const results = await Promise.allSettled([
        one.promote(second, first, revision, 1),
        other.promote(third, first, revision, 1),
      ]);
      const expected = onlyWinner(results) === 0 ? second : third;
      assert.deepEqual((await one.load()).current, expected);
    });

    add("refuses a commit that was decided before a promotion", async (open) => {
      const store = await open();
      const fence = await store.commit({ phase: "promoting" }, "0");
      const ref = await store.putVersion(makeVersion(1));
      await store.promote(ref, null, fence, 1);
      await assert.rejects(store.commit({ phase: "stale" }, fence), ConflictError);
    });
  }

  add("refuses to promote what is not stored, and changes nothing", async (open) => {
    const store = await open();
    const { ref } = await promoteNew(store, 1);
    const before = await store.load();
    await assert.rejects(store.promote(makeVersion(2).ref, ref, before.revision, 1), NotFoundError);
    await assert.rejects(store.promote({ ...ref, token: "another" }, ref, before.revision, 1), NotFoundError);
    assert.deepEqual(await store.load(), before);
  });

  add("keeps both versions readable in the overlap, and can go back to the first", async (open) => {
    const store = await open();
    const { ref: first } = await promoteNew(store, 1);
    const { ref: second, revision } = await promoteNew(store, 2);
    assert.deepEqual((await store.read(first)).ref, first);
    assert.deepEqual((await store.read(second)).ref, second);
    assert.deepEqual((await store.read("current")).ref, second);
    await store.promote(first, second, revision, 1);
    assert.deepEqual((await (await open()).read("current")).ref, first);
    assert.deepEqual((await store.read(second)).ref, second);
  });

  add(
    "gives a reader of current the value of the version that is promoted, and nothing before and after",
    async (open) => {
      const store = await open();
      await assert.rejects(store.readPayload(), NotFoundError);
      await store.putVersion(makeVersion(7));
      await assert.rejects(store.readPayload(), NotFoundError, "it is only pending");
      const { ref: first } = await promoteNew(store, 1);
      assert.deepEqual(await store.readPayload(), makeVersion(1).value);
      const { ref: second, revision } = await promoteNew(store, 2);
      assert.deepEqual(await (await open()).readPayload(), makeVersion(2).value);
      const back = await store.promote(first, second, revision, 3);
      assert.deepEqual(await store.readPayload(), makeVersion(1).value);
      await store.promote(first, first, (await store.load()).revision, 4);
      assert.deepEqual(await store.readPayload(), makeVersion(1).value, "handed out again under another epoch");
      assert.ok(back);
      await store.clearCurrent((await store.load()).revision);
      await assert.rejects(store.readPayload(), NotFoundError);
    },
  );

  add("can promote again after the label of current was taken away", async (open) => {
    const store = await open();
    const { ref, revision } = await promoteNew(store, 1);
    await store.clearCurrent(revision);
    await store.retire(ref);
    const { ref: next } = await promoteNew(store, 2);
    assert.deepEqual((await (await open()).load()).current, next);
    assert.deepEqual(await store.readPayload(), makeVersion(2).value);
  });

  const { readByNumber } = harness;
  if (readByNumber) {
    add("disables a version for those who read it by its number, and gives it back", async (open) => {
      const store = await open();
      assert.ok(canDisable(store), "a store that disables can enable");
      const { ref: first } = await promoteNew(store, 1);
      await assert.rejects(store.disable(first), StateError, "it is current");
      const { ref: second } = await promoteNew(store, 2);
      await readByNumber(first);
      for (let i = 0; i < 2; i++) {
        await store.disable(first);
        await (await open()).disable?.(first);
        await assert.rejects(readByNumber(first));
        assert.deepEqual((await store.read(first)).ref, first, "the rotation itself still reads it");
        assert.deepEqual(sortRefs(await store.list()), [first, second]);
        await store.enable(first);
        await (await open()).enable?.(first);
        await readByNumber(first);
      }
      await store.disable(makeVersion(9).ref);
      await assert.rejects(store.enable(makeVersion(9).ref), NotFoundError);
    });

    add("deletes a disabled version, and promotes one that was disabled", async (open) => {
      const store = await open();
      assert.ok(canDisable(store));
      const { ref: first } = await promoteNew(store, 1);
      const { ref: second, revision } = await promoteNew(store, 2);
      await store.disable(first);
      await store.promote(first, second, revision, 3);
      await readByNumber(first);
      assert.deepEqual(await store.readPayload(), makeVersion(1).value);
      await store.disable(second);
      await store.retire(second);
      await assert.rejects(readByNumber(second));
      assert.deepEqual(await store.list(), [first]);
    });
  }

  add("refuses to delete the current version", async (open) => {
    const store = await open();
    const { ref } = await promoteNew(store, 1);
    await assert.rejects(store.retire(ref), StateError);
    assert.deepEqual((await store.read("current")).ref, ref);
  });

  add("deletes a version for good, and succeeds when it is gone already", async (open) => {
    const store = await open();
    const { ref: first } = await promoteNew(store, 1);
    const { ref: second } = await promoteNew(store, 2);
    await store.retire(first);
    await store.retire(first);
    await (await open()).retire(first);
    await store.retire(makeVersion(9).ref);
    await assert.rejects(store.read(first), NotFoundError);
    assert.deepEqual(await store.list(), [second]);
    assert.deepEqual((await store.read("current")).ref, second);
  });

  add("does not delete a version of the same number with another token", async (open) => {
    const store = await open();
    const { ref } = await promoteNew(store, 1);
    const kept = await store.putVersion(makeVersion(2));
    await store.retire({ version: 2, token: "another" });
    assert.deepEqual((await store.read(kept)).ref, kept);
    assert.deepEqual((await store.read("current")).ref, ref);
  });

  add("says of a version that is not stored that it was not found", async (open) => {
    const store = await open();
    await assert.rejects(store.read(makeVersion(1).ref), NotFoundError);
    const { ref } = await promoteNew(store, 1);
    await assert.rejects(store.read({ ...ref, version: 2 }), NotFoundError);
    await assert.rejects(store.read({ ...ref, token: "another" }), NotFoundError);
  });

  add("takes the label of current away, and only with the right revision", async (open) => {
    const store = await open();
    const { ref, revision: stale } = await promoteNew(store, 1);
    const fence = await store.commit({ phase: "tearing-down" }, stale);
    await assert.rejects(store.clearCurrent(stale), ConflictError);
    const cleared = await store.clearCurrent(fence);
    assert.deepEqual(await store.load(), { revision: cleared, body: { phase: "tearing-down" }, current: null });
    assert.equal((await store.load()).revision, await store.clearCurrent(cleared), "a second time changes nothing");
    await assert.rejects(store.read("current"), NotFoundError);
    await store.retire(ref);
    assert.deepEqual(await store.list(), []);
  });

  add("shows everything to an adapter that is opened again", async (open) => {
    const store = await open();
    const { ref: first } = await promoteNew(store, 1);
    const pending = makeVersion(2);
    await store.putVersion(pending);
    const before = await store.load();
    await store.close();
    const again = await open();
    assert.equal(again.location, store.location);
    assert.equal(again.type, store.type);
    assert.deepEqual(await again.load(), before);
    assert.deepEqual(sortRefs(await again.list()), [first, pending.ref]);
    assert.deepEqual(await again.read(pending.ref), pending);
  });

  add("keeps special characters, unicode, empty texts and 64 KB values as they are", async (open) => {
    const store = await open();
    const name = harness.capabilities.fieldName ?? `field ${AWKWARD_VALUE}`;
    const small = { [name]: AWKWARD_VALUE, empty: "" };
    const most = (harness.capabilities.maxPayloadBytes ?? Infinity) - bytesOf({ ...small, large: "" });
    const value = { ...small, large: "x".repeat(Math.min(LARGE_VALUE, most)) };
    const version = { ...makeVersion(1), secret: "örders/db prod", issued: { role: 'a "quoted" röle' }, value };
    await store.putVersion(version);
    assert.deepEqual(await (await open()).read(version.ref), version);
    await store.promote(version.ref, null, (await store.load()).revision, 1);
    assert.deepEqual(await store.readPayload(), value);
  });

  add("hands out copies: changing what was given or read changes nothing stored", async (open) => {
    const store = await open();
    const body = { phase: "proposed" };
    const value = { password: "first" };
    const version = { ...makeVersion(1), value };
    await store.commit(body, "0");
    await store.putVersion(version);
    body.phase = value.password = "changed afterwards";
    const read = await store.read(version.ref);
    (read.value as { password: string }).password = "changed in a copy";
    assert.deepEqual((await store.load()).body, { phase: "proposed" });
    assert.equal((await store.read(version.ref)).value.password, "first");
  });

  add("has no value of a secret in its errors", async (open) => {
    const store = await open();
    const { ref, revision } = await promoteNew(store, 1);
    const absent = makeVersion(7).ref;
    const errors = [
      await errorOf(store.read(absent)),
      await errorOf(store.promote(absent, ref, revision, 1)),
      await errorOf(store.promote(ref, absent, "stale", 1)),
      await errorOf(store.commit({ password: SECRET_MARK }, "stale")),
      await errorOf(store.retire(ref)),
    ];
    for (const error of errors) assert.ok(!describeFully(error).includes(SECRET_MARK), describeFully(error));
  });

  add(`serves ${VERSIONS_OVER_TIME} versions over time, of which two are stored at any moment`, async (open) => {
    const store = await open();
    let superseded: VersionRef | null = null;
    for (let number = 1; number <= VERSIONS_OVER_TIME; number++) {
      const { ref }: Promoted = await promoteNew(store, number, superseded);
      const stored = sortRefs(await store.list());
      assert.deepEqual(stored, superseded === null ? [ref] : [superseded, ref]);
      if (superseded !== null) await store.retire(superseded);
      superseded = ref;
    }
    const again = await open();
    assert.deepEqual(await again.list(), [superseded]);
    assert.deepEqual((await again.load()).current, superseded);
    assert.deepEqual((await again.load()).body, { version: VERSIONS_OVER_TIME });
  });

  return cases;
}

async function runFresh(harness: StoreHarness, body: Body): Promise<void> {
  await harness.fresh();
  const opened: SecretStore[] = [];
  try {
    await body(async () => {
      const store = await harness.open();
      opened.push(store);
      return store;
    });
  } finally {
    for (const store of opened) await store.close();
  }
}

function makeVersion(version: number): StoredVersion {
  return {
    secret: "orders-db",
    ref: { version, token: randomUUID() },
    fingerprint: `fp-${version}`,
    issued: { role: `orders_v${version}` },
    value: { username: `orders_v${version}`, password: `${SECRET_MARK}-${version}` },
  };
}

interface Promoted {
  readonly ref: VersionRef;
  readonly revision: string;
}

/** What a rotation does: commits its intention, stores, promotes. */
async function promoteNew(store: SecretStore, version: number, expected?: VersionRef | null): Promise<Promoted> {
  const { revision, current } = await store.load();
  const fence = await store.commit({ version }, revision);
  const ref = await store.putVersion(makeVersion(version));
  return { ref, revision: await store.promote(ref, expected === undefined ? current : expected, fence, 1) };
}

/** Asserts that one succeeded and the other met a conflict; returns which one succeeded. */
function onlyWinner(results: readonly PromiseSettledResult<string>[]): 0 | 1 {
  const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
  assert.equal(winners.length, 1, "exactly one of two writers wins");
  const loser = results[winners[0] === 0 ? 1 : 0] as PromiseRejectedResult;
  assert.ok(loser.reason instanceof ConflictError, String(loser.reason));
  return winners[0] === 0 ? 0 : 1;
}

function bytesOf(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function sortRefs(refs: readonly VersionRef[]): readonly VersionRef[] {
  return [...refs].sort((a, b) => a.version - b.version);
}

async function errorOf(action: Promise<unknown>): Promise<unknown> {
  return action.then(
    () => assert.fail("it should have failed"),
    (error: unknown) => error,
  );
}

function describeFully(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.stack ?? error.message} ${JSON.stringify(error)} ${error.cause ? describeFully(error.cause) : ""}`;
}
