import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { edge, HOUR, type Edge } from "./edge";

const key = (name: string, stack = "organization/shop/dev") => `${stack}::${name}`;

describe("a rename", () => {
  edge("of the secret keeps its version with an alias, and rotates it without one", async (at) => {
    await at.up();
    at.program({ name: "orders-db" }, "{}");
    const renamed = (name: string, component: string) =>
      at.site.stack.program(at.program({}, component).replace('Role("orders-db"', `Role("${name}"`));
    renamed("shop-db", '{ aliases: [{ name: "orders-db" }] }');
    await at.up();
    assert.deepEqual(await at.entries(), ["v1#1"]);
    await at.assertVersions({ v1: "active" });
    renamed("sales-db", "{}");
    assert.match(await at.up(), /the grace period of v1 goes on until/);
    await at.assertVersions({ v1: "superseded", v2: "active" }, "the entry of the former name tears nothing down");
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" });
  });

  edge("of the component above it is another place in the program, with an alias or without", async (at) => {
    await at.up();
    const above = `class Shop extends pulumi.ComponentResource { constructor(name) { super("shop:index:Shop", name); } }
const shop = new Shop("shop");\n`;
    at.site.stack.program(above + at.program({}, "{ parent: shop, aliases: [{ parent: pulumi.rootStackResource }] }"));
    assert.match(await at.up(), /4 unchanged/);
    assert.deepEqual(await at.entries(), ["v1#1"]);
    at.becomeDue();
    at.program();
    await at.up();
    await at.assertVersions({ v1: "superseded", v2: "active" }, "without an alias it is rotated");
    assert.equal(at.site.delivered(), 2);
  });

  edge("of the rollout keeps what it may use with an alias, and leaves that behind without one", async (at) => {
    await at.up();
    at.becomeDue();
    await at.up();
    const source = at.program().replace('Rollout("orders"', 'Rollout("shop"');
    at.site.stack.program(
      source.replace(/\n\}\);\nexports\.health/, '\n}, { aliases: [{ name: "orders" }] });\nexports.health'),
    );
    await at.up();
    assert.deepEqual(await at.users(), { registered: { [key("shop")]: [2] }, left: {} });
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" }, "nothing holds v1 back");

    at.program();
    await at.up();
    assert.deepEqual(await at.users(), { registered: { [key("orders")]: [2] }, left: { [key("shop")]: [2] } });
    at.becomeDue();
    assert.match(
      await at.up(),
      /v2 may still be used by what rollout shop of organization\/shop\/dev left behind; .*rotation release orders-db/,
    );
    await at.rotation("release", "orders-db", "--reason", "shop is called orders now", "--yes");
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v3: "active" });
  });

  edge("of the stack, or of the project, is agreed to by rotation adopt; nothing is left behind", async (at) => {
    await at.up();
    await at.site.stack.must("stack", "rename", "prod");
    const told =
      /its owner is called organization\/shop\/dev in the ledger, and this stack is organization\/shop\/prod\. Nothing was changed\. .*rotation adopt orders-db/;
    await at.refused(told);
    await at.rotation("adopt", "orders-db", "--reason", "renamed", "--yes");
    await at.up();
    assert.deepEqual((await at.users()).registered, { [key("orders", "organization/shop/prod")]: [1] });

    await renameProject(at, "shop", "store");
    await at.refused(
      /its owner is called organization\/shop\/prod in the ledger, and this stack is organization\/store\/prod/,
    );
    assert.match(
      await at.rotation("adopt", "orders-db", "--reason", "renamed", "--yes"),
      /is recorded as organization\/store\/prod/,
    );
    await at.up();
    assert.deepEqual(await at.users(), { registered: { [key("orders", "organization/store/prod")]: [1] }, left: {} });
    at.becomeDue();
    await at.up();
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" });
  });
});

describe("a secret between two stacks", () => {
  edge("is taken along by pulumi state move and rotation adopt; whoever else declares it is refused", async (at) => {
    const { stack } = at.site;
    const program = at.program();
    await at.up();
    await stack.must("stack", "init", "next", "--no-select");
    const moved = ["component", "secret", "rollout"] as const;
    const urns = await Promise.all(moved.map((of) => at.urn(of)));
    await stack.must("state", "move", "--source", "dev", "--dest", "organization/shop/next", "--yes", ...urns);
    stack.program("");
    assert.match(await at.up(), /unchanged/);
    await at.assertVersions({ v1: "active" }, "the stack that it left tears nothing down");

    await stack.must("stack", "select", "next");
    stack.program(program);
    await at.refused(
      /its owner is called organization\/shop\/dev in the ledger, and this stack is organization\/shop\/next/,
    );
    await at.rotation("adopt", "orders-db", "--reason", "moved to next", "--yes");
    at.becomeDue();
    await at.up();
    await at.up();
    at.advance(HOUR);
    await at.up();
    await at.assertVersions({ v2: "active" });
    await stack.must("stack", "select", "dev");
    await at.refused(
      /this store belongs to secret orders-db of stack organization\/shop\/next\. One stack owns a secret/,
    );
    await at.assertVersions({ v2: "active" });
  });
});

async function renameProject(at: Edge, from: string, to: string): Promise<void> {
  const { stack } = at.site;
  await stack.must("stack", "rename", `organization/${to}/prod`);
  const file = join(stack.folder, "Pulumi.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace(`name: ${from}`, `name: ${to}`));
  await stack.must("stack", "select", "prod");
}
