import assert from "node:assert/strict";
import { createMemoryStore, memoryStoreOptions, resetMemoryStores } from "../../../provider/stores/memory";
import { storeConformance } from "../../../testing/storeConformance";
import { testContext } from "./support";

describe("the store in memory", () => {
  for (const fenced of [true, false]) {
    describe(fenced ? "with the label in the ledger" : "with a label of its own", () => {
      const harness = {
        capabilities: { fencedLabel: fenced },
        fresh: async () => resetMemoryStores(),
        open: async () => createMemoryStore({ type: "memory", name: "test", fenced }, testContext()),
      };
      for (const c of storeConformance(harness)) it(c.name, c.run);
    });
  }

  it("is one store for each name", async () => {
    resetMemoryStores();
    const [a, b] = ["a", "b"].map((name) => createMemoryStore({ type: "memory", name }, testContext()));
    await a?.commit("mine", "0");
    assert.equal((await b?.load())?.revision, "0");
  });

  it("refuses options that it does not know", () => {
    assert.throws(() => memoryStoreOptions.parse({ type: "memory", name: "x", fence: true }));
    assert.throws(() => memoryStoreOptions.parse({ type: "memory", name: "" }), /name must not be empty/);
  });
});
