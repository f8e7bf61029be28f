import assert from "node:assert/strict";
import { edge, HOUR } from "./edge";

/** Sets an option on the version inside of the component, where a component's options do not reach. */
const onVersion = (options: string) =>
  `{ transforms: [({ props, opts }) => ({ props, opts: pulumi.mergeOptions(opts, ${options}) })] }`;

describe("a resource option", () => {
  edge(
    "deleteBeforeReplace deletes the entry first and the version last; state taint rotates on demand all the same",
    async (at) => {
      at.program({}, onVersion("{ deleteBeforeReplace: true }"));
      await at.up();
      at.becomeDue();
      const output = await at.up();
      assert.ok(
        output.indexOf("deleted original") < output.indexOf("creating replacement"),
        "the engine deletes first",
      );
      await at.assertVersions({ v1: "superseded", v2: "active" });
      at.advance(HOUR);
      await at.up();
      await at.assertVersions({ v2: "active" });
      await at.site.stack.must("state", "taint", await at.urn("secret"), "--yes");
      await at.up();
      await at.assertVersions({ v2: "superseded", v3: "active" });
      assert.equal(at.site.delivered(), 3);
    },
  );

  edge("retainOnDelete keeps no superseded version, and the secret itself when it is taken out", async (at) => {
    const program = at.program({}, onVersion("{ retainOnDelete: true }"));
    await at.up();
    at.becomeDue();
    assert.match(await at.up(), /deleted original.*\[retain\]/);
    await at.assertVersions({ v1: "superseded", v2: "active" });
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" }, "the ledger remembers what the engine has forgotten");
    at.site.stack.program("");
    await at.up();
    assert.deepEqual(await at.entries(), []);
    await at.assertVersions({ v2: "active" });
    at.site.stack.program(program);
    assert.match(await at.up(), /v2: adopts the version that the ledger names/);
    assert.equal(at.site.delivered(), 2);
  });

  edge("protect lets the secret rotate and refuses its teardown, until it is taken back", async (at) => {
    at.program({}, "{ protect: true }");
    await at.up();
    at.becomeDue();
    await at.up();
    await at.assertVersions({ v1: "superseded", v2: "active" });
    at.advance(HOUR);
    const refusal = /orders-db: it is protected, so it is not torn down\. Nothing was changed\..*run pulumi up/;
    await at.refused(refusal, "destroy", "--yes", "--skip-preview");
    await at.assertVersions({ v1: "superseded", v2: "active" });
    at.program();
    await at.up();
    assert.deepEqual(await at.users(), { registered: { "organization/shop/dev::orders": [2] }, left: {} });
    at.consumersEnd();
    await at.destroy();
    await at.assertVersions({});
  });

  edge("import is refused with the way that there is instead, and pulumi import changes nothing", async (at) => {
    await at.up();
    const type = "pulumi-nodejs:dynamic/rotation:SecretVersion";
    await at.refused(/toJavaScript/, "import", type, "mine", "orders-db/v1#1", "--yes", "--skip-preview");
    const source = at.program();
    at.site.stack.program(source.replace(/\n\}\);\nexports\.health/, `\n}, { import: "any" });\nexports.health`));
    await at.refused(/orders: the option "import" does not apply here\. Nothing was changed\..*"adopt"/);
    at.site.stack.program(source);
    assert.match(await at.up(), /4 unchanged/);
    await at.assertVersions({ v1: "active" });
  });
});
