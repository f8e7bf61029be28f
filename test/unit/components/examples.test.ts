/** The programs of examples/ run, with the built package and without an engine: what they make, and in which order. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { run, type Made } from "./support";

const EXAMPLES = resolve(__dirname, "../../../examples");
const ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-a1B2c3";

const config = {
  vaultAddress: "https://vault.internal:8200",
  roleId: "0b6c",
  host: "db.internal",
  auditFile: "audit.jsonl",
  image: "orders:1",
  adoptionUrl: "https://orders.internal/rotation",
  folder: "/srv/rotation/orders",
  keyFile: "/etc/rotation/key",
  healthUrl: "https://orders.internal/healthz",
  cluster: "shop",
  subnets: '["subnet-1"]',
  project: "shop-prod",
  region: "europe-west3",
  pipelineMember: "serviceAccount:rotation@shop-prod.iam.gserviceaccount.com",
};

/** What a provider adds, as far as the programs use it. */
function outputs(type: string, inputs: Record<string, any>): object {
  if (type.endsWith(":SecretVersion"))
    return { version: 7, epoch: 3, ref: "orders-db/v7@3", fingerprint: "5f0c", issued: { role: "orders_db_v7" } };
  if (type.endsWith(":AuthBackendRole")) return { roleId: "0b6c" };
  if (type.startsWith("aws:")) return { arn: inputs["name"] === "orders/db" ? ARN : `${ARN} of another` };
  if (type.endsWith(":IAMCustomRole")) return { name: "projects/shop-prod/roles/made" };
  return { email: "orders@shop-prod", member: "serviceAccount:orders@shop-prod" };
}

async function madeBy(example: string) {
  pulumi.runtime.setAllConfig(Object.fromEntries(Object.entries(config).map(([key, value]) => [`shop:${key}`, value])));
  const { value, made } = await run(() => import(join(EXAMPLES, example, "index.ts")), { outputs });
  await value; // whatever the program threw
  const one = (type: string): Made => {
    const found = made.filter((resource) => resource.type.endsWith(type));
    assert.equal(found.length, 1, `${example} has one ${type}: ${made.map((resource) => resource.type).join(", ")}`);
    return found[0]!;
  };
  return one;
}

describe("the examples", function () {
  this.timeout(60_000);

  it("are all run here, but for the quickstart, which is the demo", () => {
    const tested = ["aws", "aws-access-key", "gcp", "kubernetes", "vault", "vault-approle"];
    assert.deepEqual(
      readdirSync(EXAMPLES).filter((name) => name !== "quickstart" && name !== "node_modules"),
      tested,
    );
  });

  it("mount the Secret of the version that is handed out (kubernetes)", async () => {
    const one = await madeBy("kubernetes");
    assert.deepEqual(one(":SecretVersion").inputs["store"], {
      type: "kubernetesSecret",
      namespace: "shop",
      name: "orders-db",
    });
    const { spec } = one(":Deployment").inputs as { spec: any };
    assert.deepEqual(spec.template.spec.volumes, [{ name: "db", secret: { secretName: "orders-db-v7-e3" } }]);
    assert.equal(one(":Rollout").inputs["dependents"], 1);
  });

  it("start new tasks that read the secret's current version (aws)", async () => {
    const one = await madeBy("aws");
    assert.deepEqual(one(":SecretVersion").inputs["store"], {
      type: "awsSecretsManager",
      region: "eu-west-1",
      name: "orders/db",
    });
    const [container] = JSON.parse(one(":TaskDefinition").inputs["containerDefinitions"] as string) as any[];
    assert.deepEqual(container.secrets, [{ name: "DATABASE_URL", valueFrom: `${ARN}:url::` }]);
    assert.deepEqual(container.environment, [{ name: "ROTATION_REF", value: "orders-db/v7@3" }]);
    assert.match(one(":RolePolicy").inputs["policy"] as string, /secretsmanager:GetSecretValue/);
    assert.equal(one(":Rollout").inputs["dependents"], 1);
  });

  it("make a revision that reads the secret's current version (gcp)", async () => {
    const one = await madeBy("gcp");
    assert.deepEqual(one(":SecretVersion").inputs["store"], {
      type: "gcpSecretManager",
      project: "shop-prod",
      name: "orders-db",
      format: { text: "${url}" },
    });
    const { template } = one(":Service").inputs as { template: any };
    assert.deepEqual(template.containers[0].envs, [
      {
        name: "DATABASE_URL",
        valueSource: { secretKeyRef: { secret: "projects/shop-prod/secrets/orders-db", version: "latest" } },
      },
      { name: "ROTATION_REF", value: "orders-db/v7@3" },
    ]);
    assert.equal(one(":Rollout").inputs["dependents"], 1);
  });

  it("let Vault Agent write the entry into new pods (vault)", async () => {
    const one = await madeBy("vault");
    assert.deepEqual(one(":SecretVersion").inputs["store"], {
      type: "vaultKv",
      address: "https://vault.internal:8200",
      auth: { method: "appRole", roleId: "0b6c", secretId: { from: "env", name: "VAULT_SECRET_ID" } },
      mount: "secret",
      path: "orders/db",
    });
    const { annotations } = (one(":Deployment").inputs as { spec: any }).spec.template.metadata;
    assert.equal(annotations["rotation/ref"], "orders-db/v7@3");
    assert.match(annotations["vault.hashicorp.com/agent-inject-template-db.json"], /secret\/data\/orders\/db/);
    assert.deepEqual(one(":AuthBackendRole").inputs["tokenPolicies"], ["orders-db-read-orders"]);
    assert.equal(one(":Rollout").inputs["dependents"], 1);
  });

  it("rotate the key of the user that they make, whose tags they leave alone (aws-access-key)", async () => {
    const one = await madeBy("aws-access-key");
    const { kind, store } = one(":SecretVersion").inputs;
    assert.deepEqual(kind, { type: "awsAccessKey", user: "backup", usedWithin: "36h" });
    assert.deepEqual(store, { type: "awsSecretsManager", name: "backup/key" });
    assert.deepEqual(one(":Rollout").inputs["checks"], [{ type: "adoption", url: config.adoptionUrl }]);
  });

  it("rotate the secret id of the role that they make, without a limit of uses (vault-approle)", async () => {
    const one = await madeBy("vault-approle");
    const { roleName, roleId, secretIdNumUses } = one(":AuthBackendRole").inputs;
    assert.equal(secretIdNumUses, 0);
    assert.deepEqual(one(":SecretVersion").inputs["kind"], {
      type: "vaultAppRoleSecretId",
      address: config.vaultAddress,
      role: roleName,
      ...(roleId === undefined ? { roleId: "0b6c" } : { roleId }),
    });
  });
});
