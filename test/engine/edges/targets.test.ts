import assert from "node:assert/strict";
import { edge } from "./edge";

describe("a run of a part of the program", () => {
  edge(
    "of the rollout alone confirms what is there; without the rollout a rotation goes ahead and its predecessor waits",
    async (at) => {
      await at.up();
      at.becomeDue();
      assert.match(await at.up("--target", await at.urn("rollout")), /4 unchanged/);
      assert.match(await at.up("--exclude", await at.urn("secret")), /4 unchanged/);
      await at.assertVersions({ v1: "active" }, "the secret was not looked at");

      await at.up("--exclude", await at.urn("rollout"));
      at.advance(3 * 3_600_000);
      assert.match(await at.up("--exclude", await at.urn("rollout")), /v2 is not confirmed by: rollout orders/);
      await at.assertVersions({ v1: "superseded", v2: "active" }, "long after its grace");
      assert.deepEqual(await at.entries(), ["v2#2", "v1#1 pending delete"]);
      assert.equal(at.site.delivered(), 1);

      await at.up("--target", await at.urn("rollout"));
      assert.equal(at.site.delivered(), 2);
      await at.assertVersions({ v1: "superseded", v2: "active" }, "a targeted run deletes nothing else");
      await at.up();
      await at.assertVersions({ v2: "active" });
    },
  );

  edge("of the secret or its component with --target-dependents is a whole rotation", async (at) => {
    await at.up();
    at.becomeDue();
    assert.match(await at.up("--target", await at.urn("component")), /unchanged/);
    await at.assertVersions({ v1: "active" }, "the component itself has nothing to do");
    await at.up("--target", await at.urn("component"), "--target-dependents");
    await at.assertVersions({ v1: "superseded", v2: "active" });
    assert.equal(at.site.delivered(), 2);
    at.becomeDue();
    await at.up("--target", await at.urn("secret"), "--target-dependents");
    await at.assertVersions({ v2: "superseded", v3: "active" });
    assert.equal(at.site.delivered(), 3);
    at.becomeDue();
    await at.up("--exclude", await at.urn("component"));
    await at.assertVersions({ v3: "superseded", v4: "active" }, "what is excluded is the component's own entry");
  });

  edge("destroys the rollout alone and keeps the secret, and the secret only with its rollout", async (at) => {
    await at.up();
    await at.destroy("--target", await at.urn("rollout"));
    assert.deepEqual(await at.users(), { registered: {}, left: { "organization/shop/dev::orders": [1] } });
    await at.up();
    assert.deepEqual(await at.users(), { registered: { "organization/shop/dev::orders": [1] }, left: {} });
    const secret = await at.urn("secret");
    await at.refused(/was not specified in --target list/, "destroy", "--yes", "--skip-preview", "--target", secret);
    await at.destroy("--exclude", secret);
    await at.assertVersions({ v1: "active" });
    at.consumersEnd();
    await at.destroy("--target", secret, "--target-dependents");
    await at.assertVersions({});
    assert.equal((await at.site.ledger())?.status, "torn-down");
    await at.up();
    await at.assertVersions({ v2: "active" }, "no number is given twice");
  });
});
