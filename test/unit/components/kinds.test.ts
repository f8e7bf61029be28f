/** What the components of credential kinds make of their arguments is what the adapters take. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { fileStore, RotatingAwsAccessKey, RotatingVaultAppRoleSecretId, secretFrom } from "../../../index";
import { checkAdapter } from "../../../provider/adapters";
import type { AdapterOptions } from "../../../provider/inputs/common";
import * as registry from "../../../provider/registry";
import { run } from "./support";

const store = fileStore({ path: "a", key: { passphrase: secretFrom.env("A") } });

/** The kind's descriptor, as the provider gets it, and what the component says of the version that is current. */
async function madeBy<T>(make: (opts: pulumi.ComponentResourceOptions) => T, issued: Record<string, string> = {}) {
  const outputs = (type: string) => (type.endsWith(":SecretVersion") ? { version: 1, ref: "r", issued } : {});
  const { value, made } = await run(make, { outputs });
  const version = made.find(({ type }) => type.endsWith(":SecretVersion"));
  assert.ok(version, "there is a secret");
  return { value, kind: version.inputs["kind"] as AdapterOptions, inputs: version.inputs };
}

async function assertTaken(kind: AdapterOptions): Promise<void> {
  assert.deepEqual(await checkAdapter(registry.kinds, kind, "kind", ["kind"]), []);
}

describe("what a program writes about an AWS access key", () => {
  const assumeRole = { roleArn: "arn:aws:iam::123456789012:role/rotation", externalId: "abc", sessionName: "rotation" };
  const connection = {
    ...{ region: "eu-west-1", endpoint: "https://iam.amazonaws.com", stsEndpoint: "https://sts.amazonaws.com" },
    ...{ profile: "prod", assumeRole, timeout: "5s", maxAttempts: 3 },
  };

  it("is what its adapter takes, with the fewest options and with all", async () => {
    const few = await madeBy((opts) => new RotatingAwsAccessKey("key", { user: "orders", store }, opts));
    assert.deepEqual(few.kind, { type: "awsAccessKey", user: "orders" });
    await assertTaken(few.kind);
    const all = await madeBy(
      (opts) =>
        new RotatingAwsAccessKey(
          "key",
          {
            user: pulumi.output("orders"),
            connection,
            usedWithin: "2d",
            settleWithin: "30s",
            store,
            schedule: { every: "90d" },
          },
          opts,
        ),
    );
    await assertTaken(all.kind);
    const { options } = await registry.kinds["awsAccessKey"]!();
    assert.deepEqual(Object.keys(all.kind).sort(), Object.keys((options as never as { shape: object }).shape).sort());
    assert.deepEqual(all.inputs["schedule"], { every: "90d" });
  });

  it("names the key that is current", async () => {
    const issued = { user: "orders", accessKeyId: "AKIAIOSFODNN7EXAMPLE" };
    const { value } = await madeBy((opts) => new RotatingAwsAccessKey("key", { user: "orders", store }, opts), issued);
    assert.equal(await new Promise((resolve) => value.accessKeyId.apply(resolve)), "AKIAIOSFODNN7EXAMPLE");
  });

  it("is refused where it cannot work, with what is allowed", async () => {
    const refusal = async (more: object) => {
      const failures = await checkAdapter(registry.kinds, { type: "awsAccessKey", user: "orders", ...more }, "kind", [
        "kind",
      ]);
      return JSON.stringify(failures);
    };
    assert.match(
      await refusal({ user: "arn:aws:iam::123456789012:user/orders" }),
      /user must be an IAM user's name, not its ARN/,
    );
    assert.match(await refusal({ usedWithin: "10m" }), /usedWithin must be a duration .* from 1 hour to 90 days/);
    assert.match(await refusal({ settleWithin: "1h" }), /settleWithin must be a duration .* to 10 minutes/);
    assert.match(
      await refusal({ stsEndpoint: "http://sts.amazonaws.com" }),
      /stsEndpoint must be a URL that begins with https/,
    );
    assert.match(await refusal({ secretAccessKey: "x" }), /no option .*secretAccessKey.*allowed are: type, user/);
  });
});

describe("what a program writes about an AppRole secret id", () => {
  it("is what its adapter takes, with the fewest options and with all", async () => {
    const least = { role: "orders", roleId: "0b6c", store };
    const few = await madeBy((opts) => new RotatingVaultAppRoleSecretId("id", least, opts));
    assert.deepEqual(few.kind, { type: "vaultAppRoleSecretId", role: "orders", roleId: "0b6c" });
    await assertTaken(few.kind);
    const all = await madeBy(
      (opts) =>
        new RotatingVaultAppRoleSecretId(
          "id",
          {
            ...least,
            connection: {
              address: "https://vault:8200",
              namespace: "team",
              auth: { method: "kubernetes", role: "rotation" },
              caFile: "ca.pem",
              timeout: "5s",
            },
            mount: "machines",
            validFor: "60d",
            tokens: "expire",
          },
          opts,
        ),
    );
    await assertTaken(all.kind);
    const { options } = await registry.kinds["vaultAppRoleSecretId"]!();
    assert.deepEqual(Object.keys(all.kind).sort(), Object.keys((options as never as { shape: object }).shape).sort());
  });

  it("names the accessor of the one that is current", async () => {
    const least = { role: "orders", roleId: "0b6c", store };
    const { value } = await madeBy((opts) => new RotatingVaultAppRoleSecretId("id", least, opts), { accessor: "a-1" });
    assert.equal(await new Promise((resolve) => value.accessor.apply(resolve)), "a-1");
  });

  it("is refused where it cannot work, with what is allowed", async () => {
    const refusal = async (more: object) => {
      const kind = { type: "vaultAppRoleSecretId", role: "orders", roleId: "r", ...more } as AdapterOptions;
      return JSON.stringify(await checkAdapter(registry.kinds, kind, "kind", ["kind"]));
    };
    assert.match(await refusal({ role: "a/b" }), /role must be 1 to 512 letters/);
    assert.match(await refusal({ mount: "/auth/approle" }), /mount must be names/);
    assert.match(await refusal({ tokens: "keep" }), /tokens must be \\"revoke\\" or \\"expire\\"/);
    assert.match(await refusal({ validFor: "10s" }), /validFor must be a duration/);
    assert.match(await refusal({ auth: { method: "token", token: "hvs.plain" } }), /must say where it is found/);
    assert.ok(!(await refusal({ auth: { method: "token", token: "hvs.plain" } })).includes("hvs.plain"));
  });
});
