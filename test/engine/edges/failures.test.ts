import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DAY, edge, HOUR, type Edge } from "./edge";

/** A resource of the program that follows the secret, and fails while there is a file `native-fails`. */
function native(at: Edge): string {
  const { folder } = at.site.stack;
  writeFileSync(
    join(folder, "native.js"),
    `const fs = require("node:fs");
const apply = (news) => { if (fs.existsSync("native-fails")) throw new Error("the native resource fails"); return news; };
module.exports = { create: async (news) => ({ id: "native", outs: apply(news) }), diff: async (_id, olds, news) => ({ changes: olds.ref !== news.ref }), update: async (_id, _olds, news) => ({ outs: apply(news) }) };`,
  );
  return `class Native extends pulumi.CustomResource { constructor(name, args) { super("pulumi-nodejs:dynamic/test:Native", name, { ...args, __provider: 'exports.handler=()=>require("${folder}/native.js")' }); } }
dependents.push(new Native("app-config", { ref: db.ref }));`;
}

/** A second rollout, which is healthy where its check finds the app. */
const second = (at: Edge, health: string) => `
new rotation.Rollout("second", { secrets: [db],
  consumers: [rotation.consumer.process({ name: "second", file: "./second.json", adoption: { url: "${at.site.app.url}/adoption" }, adoptionTimeout: "2s", interval: "50ms" })],
  checks: [rotation.check.http({ name: "second-health", url: "${health}", interval: "100ms", failureThreshold: 1 })] }, { dependsOn: [rollout] });`;

describe("a run with --continue-on-error", () => {
  edge("retires nothing while a dependent fails, on a retry neither, and goes on when it is mended", async (at) => {
    at.program({ between: native(at), rollout: 'evidence: "engine",' });
    await at.up();
    at.becomeDue();
    const fails = join(at.site.stack.folder, "native-fails");
    writeFileSync(fails, "");
    for (const run of ["the first", "the retry"]) {
      await at.refused(/the native resource fails/, "up", "--yes", "--skip-preview", "--continue-on-error");
      await at.assertVersions({ v1: "superseded", v2: "active" }, run);
      assert.deepEqual(await at.entries(), ["v2#2", "v1#1 pending delete"], run);
      at.advance(3 * HOUR);
    }
    rmSync(fails);
    await at.up();
    await at.assertVersions({ v2: "active" });
    assert.equal(at.site.delivered(), 2);
  });

  edge("retires nothing when the program throws before it declares the rollout", async (at) => {
    const program = at.program();
    await at.up();
    at.becomeDue();
    const throws = "const dependents = [];\nthrow new Error('the program throws');";
    at.site.stack.program(program.replace("const dependents = [];", throws));
    await at.refused(/the program throws/, "up", "--yes", "--skip-preview", "--continue-on-error");
    await at.assertVersions({ v1: "superseded", v2: "active" });
    assert.deepEqual(await at.entries(), ["v2#2", "v1#1 pending delete"]);
    at.site.stack.program(program);
    at.advance(DAY / 2);
    await at.up();
    await at.assertVersions({ v2: "active" });
  });
});

describe("a rollout that is new in the run of a rotation", () => {
  edge("confirms together with the others when it is healthy", async (at) => {
    const program = at.program();
    await at.up();
    at.becomeDue();
    at.site.stack.program(program + second(at, `${at.site.app.url}/health`));
    await at.up("--continue-on-error");
    const { registered } = await at.users();
    assert.deepEqual(registered, { "organization/shop/dev::orders": [2], "organization/shop/dev::second": [2] });
    await at.assertVersions({ v1: "superseded", v2: "active" });
  });

  edge(
    "brings everything back when it fails, and what it may use is released by hand when it is given up",
    async (at) => {
      const program = at.program();
      await at.up();
      at.becomeDue();
      at.site.stack.program(program + second(at, "http://127.0.0.1:1/health"));
      const failure = /rollout second: check second-health: .*Rolled back in this run to orders-db v1/;
      await at.refused(failure, "up", "--yes", "--skip-preview", "--continue-on-error");
      await at.assertVersions({ v1: "active", v2: "rejected" });
      at.site.stack.program(program);
      assert.match(await at.up(), /v2 may still be used by rollout second of organization\/shop\/dev/);
      assert.equal(at.site.delivered(), 1);
      const whose = ["--rollout", "organization/shop/dev::second"];
      await at.rotation("release", "orders-db", ...whose, "--reason", "it never ran", "--yes");
      at.advance(HOUR);
      await at.up();
      assert.equal((await at.site.states())["v2"], "retired");
    },
  );
});

describe("a run that is stopped", () => {
  edge("by pulumi cancel goes on under its lease, and a second run does nothing meanwhile", async (at) => {
    await at.up();
    at.becomeDue();
    const held = join(at.site.stack.folder, "held");
    const first = at.site.stack.start(["up", "--yes", "--skip-preview"], {
      ROTATION_TEST_HOLD: `issuer.issue:before=${held}`,
    });
    while (!existsSync(held)) await delay(50);
    await at.site.stack.must("cancel", "--yes");
    await at.refused(/another run holds the lease: .* This run has done nothing\. Wait for it/);
    rmSync(held);
    await first.done;
    await at.assertVersions({ v1: "superseded", v2: "active" });
    assert.match(await at.up(), /4 unchanged/);
  });

  edge("by Ctrl-C ends where it is, gives its lease back, and the next run goes on from there", async (at) => {
    await at.up();
    at.becomeDue();
    const held = join(at.site.stack.folder, "held");
    const run = at.site.stack.start(["up", "--yes", "--skip-preview"], {
      ROTATION_TEST_HOLD: `issuer.issue:before=${held}`,
    });
    while (!existsSync(held)) await delay(50);
    run.child.kill("SIGINT");
    rmSync(held);
    const { code, output } = await run.done;
    assert.notEqual(code, 0);
    assert.match(output, /cancel/);
    assert.equal((await at.site.states())["v1"], "active");
    assert.equal(at.site.delivered(), 1);
    assert.equal((await at.site.ledger())?.lease, null);
    await at.up();
    await at.assertVersions({ v1: "superseded", v2: "active" });
    assert.equal(at.site.delivered(), 2);
  });
});
