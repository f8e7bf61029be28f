import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { provideSdk } from "../../support/sdk";
import { edge, HOUR } from "./edge";

const PACKAGE = JSON.parse(readFileSync(resolve(__dirname, "../../../package.json"), "utf8")) as {
  peerDependencies: Record<string, string>;
};
/** The newest that was tried; what is installed here may be older. */
const NEWEST_SDK = "3.270.0";

describe("a run", () => {
  edge(
    "of refresh looks and changes nothing, with the program or without, whether a rotation is due or not",
    async (at) => {
      await at.up("--parallel", "1");
      at.becomeDue();
      for (const more of [[], ["--run-program"]])
        await at.site.stack.must("refresh", "--yes", "--skip-preview", ...more);
      await at.assertVersions({ v1: "active" });
      const preview = await at.site.stack.must("preview", "--diff");
      assert.match(preview, /rotation\s*: "v1: first version" => "v2: schedule, 91 days old, every 90d"/);
      assert.match(preview, /from: "env"\s+\+? *name: "STORE_KEY"/, "where a credential is found is no secret");
      await at.up("--refresh", "--run-program", "--parallel", "1");
      await at.assertVersions({ v1: "superseded", v2: "active" });
      at.advance(HOUR);
      await at.site.stack.must("refresh", "--yes", "--skip-preview", "--run-program");
      await at.assertVersions({ v1: "superseded", v2: "active" }, "a retirement is no part of a refresh");
      await at.up("--refresh");
      await at.assertVersions({ v2: "active" });
      at.consumersEnd();
      await at.destroy("--run-program");
      await at.assertVersions({});
    },
  );
});

describe("the Pulumi SDK", () => {
  const oldest = PACKAGE.peerDependencies["@pulumi/pulumi"]?.replace(/^\^/, "") ?? "";
  for (const [which, version] of Object.entries({ oldest, newest: NEWEST_SDK }))
    edge(
      `in the ${which} supported version creates, rotates, retires and destroys`,
      async (at) => {
        const ask = `require(require.resolve("@pulumi/pulumi/package.json", { paths: [from] })).version`;
        const froms = '[__dirname, require.resolve("pulumi-rotating-secrets")]';
        at.site.stack.program(`${at.program()}\nexports.sdk = ${froms}.map((from) => ${ask});`);
        await at.up();
        const used = JSON.parse(await at.site.stack.must("stack", "output", "sdk", "--json")) as string[];
        assert.deepEqual(used, [version, version], "the program and the package use that version");
        at.becomeDue();
        assert.match(await at.site.stack.must("preview", "--diff"), /"v2: schedule, 91 days old, every 90d"/);
        await at.up();
        await at.assertVersions({ v1: "superseded", v2: "active" });
        at.advance(HOUR);
        await at.up();
        await at.assertVersions({ v2: "active" });
        at.consumersEnd();
        await at.destroy();
        await at.assertVersions({});
      },
      async () => ({ sdk: await provideSdk(version) }),
    );
});
