import assert from "node:assert/strict";
import { GcpSecret, PIPELINE_PERMISSIONS, type GcpSecretArgs } from "../../../components/gcp";
import { isKnown, namesBefore, run, valueOf } from "./support";

const KEY = "projects/shop-prod/locations/global/keyRings/rotation/cryptoKeys/orders";
const PIPELINE = "serviceAccount:rotation@shop-prod.iam.gserviceaccount.com";
const READER = "serviceAccount:orders@shop-prod.iam.gserviceaccount.com";
const COMPONENT = { type: "rotation:gcp:GcpSecret", name: "orders-db", inputs: {} };
const SECRET_TYPE = "gcp:secretmanager/secret:Secret";
const MEMBER_TYPE = "gcp:secretmanager/secretIamMember:SecretIamMember";
/** What the store itself writes. */
const ignoreChanges = ["annotations", "versionAliases"];

const world = {
  outputs: (type: string) =>
    type === "gcp:projects/iAMCustomRole:IAMCustomRole" ? { name: "projects/shop-prod/roles/made" } : {},
};

function make(args: Partial<GcpSecretArgs> = {}, more = {}) {
  return run((opts) => new GcpSecret("orders-db", { project: "shop-prod", name: "orders-db", ...args }, opts), {
    ...world,
    ...more,
  });
}

describe("GcpSecret", () => {
  it("makes the secret and its companion, and gives nobody anything unless it is asked to", async () => {
    const { made, value } = await make();
    assert.deepEqual(made, [
      {
        type: SECRET_TYPE,
        name: "orders-db",
        inputs: { project: "shop-prod", secretId: "orders-db", replication: { auto: {} } },
        ignoreChanges,
      },
      {
        type: SECRET_TYPE,
        name: "orders-db-rotation",
        inputs: { project: "shop-prod", secretId: "orders-db-rotation", replication: { auto: {} } },
        ignoreChanges,
      },
      COMPONENT,
    ]);
    assert.equal(value.pipelineRole, undefined);
  });

  it("gives the pipeline a role with the store's permissions, on the two secrets only, and readers the first one", async () => {
    const { made } = await make({ pipelineMember: PIPELINE, consumers: { web: READER } });
    const grant = (name: string, secretId: string, role: string, member: string) => ({
      type: MEMBER_TYPE,
      name,
      inputs: { project: "shop-prod", secretId, role, member },
    });
    assert.deepEqual(
      made.filter(({ type }) => type !== SECRET_TYPE),
      [
        {
          type: "gcp:projects/iAMCustomRole:IAMCustomRole",
          name: "orders-db",
          inputs: {
            project: "shop-prod",
            roleId: "rotation_orders_db",
            title: "Rotates orders-db",
            description: "What pulumi-rotating-secrets does with a secret and its record.",
            permissions: [
              "secretmanager.secrets.get",
              "secretmanager.secrets.update",
              "secretmanager.versions.access",
              "secretmanager.versions.add",
              "secretmanager.versions.destroy",
              "secretmanager.versions.disable",
              "secretmanager.versions.enable",
              "secretmanager.versions.get",
              "secretmanager.versions.list",
            ],
          },
        },
        grant("orders-db-pipeline", "orders-db", "projects/shop-prod/roles/made", PIPELINE),
        grant("orders-db-read-web", "orders-db", "roles/secretmanager.secretAccessor", READER),
        grant("orders-db-rotation-pipeline", "orders-db-rotation", "projects/shop-prod/roles/made", PIPELINE),
        COMPONENT,
      ],
    );
    assert.equal(PIPELINE_PERMISSIONS.includes("secretmanager.secrets.setIamPolicy"), false);
  });

  it("takes a role that exists instead of making one for each secret", async () => {
    const { made, value } = await make({ pipelineMember: PIPELINE, pipelineRole: "projects/shop-prod/roles/rotation" });
    assert.equal(value.pipelineRole, undefined);
    assert.deepEqual(
      made.filter(({ type }) => type === MEMBER_TYPE).map(({ inputs }) => inputs["role"]),
      ["projects/shop-prod/roles/rotation", "projects/shop-prod/roles/rotation"],
    );
    assert.equal(
      made.some(({ type }) => type.includes("IAMCustomRole")),
      false,
    );
  });

  it("makes regional secrets, and grants on them, where there is a location", async () => {
    const { made, value } = await make({
      location: "europe-west3",
      kmsKeyName: KEY,
      labels: { team: "orders" },
      consumers: { web: READER },
    });
    const regional = (name: string) => ({
      type: "gcp:secretmanager/regionalSecret:RegionalSecret",
      name,
      inputs: {
        project: "shop-prod",
        secretId: name,
        location: "europe-west3",
        labels: { team: "orders" },
        customerManagedEncryption: { kmsKeyName: KEY },
      },
      ignoreChanges,
    });
    assert.deepEqual(made, [
      regional("orders-db"),
      regional("orders-db-rotation"),
      {
        type: "gcp:secretmanager/regionalSecretIamMember:RegionalSecretIamMember",
        name: "orders-db-read-web",
        inputs: {
          project: "shop-prod",
          location: "europe-west3",
          secretId: "orders-db",
          role: "roles/secretmanager.secretAccessor",
          member: READER,
        },
      },
      COMPONENT,
    ]);
    assert.deepEqual(await valueOf(value.store), {
      type: "gcpSecretManager",
      project: "shop-prod",
      name: "orders-db",
      location: "europe-west3",
    });
    assert.deepEqual(await valueOf(value.references), {
      externalSecret: { dataFrom: [{ extract: { key: "orders-db" } }] },
      secretProviderClass: {
        resourceName: "projects/shop-prod/locations/europe-west3/secrets/orders-db/versions/latest",
        path: "orders-db",
      },
      resourceName: "projects/shop-prod/locations/europe-west3/secrets/orders-db/versions/latest",
    });
  });

  it("replicates to the regions that are named, or wherever Google likes with a key", async () => {
    const replication = async (args: Partial<GcpSecretArgs>) =>
      (await make(args)).made.filter(({ type }) => type === SECRET_TYPE).map(({ inputs }) => inputs["replication"]);
    const regions = { userManaged: { replicas: [{ location: "europe-west3" }, { location: "europe-west4" }] } };
    assert.deepEqual(await replication({ replication: ["europe-west3", "europe-west4"] }), [regions, regions]);
    const withKey = { auto: { customerManagedEncryption: { kmsKeyName: KEY } } };
    assert.deepEqual(await replication({ kmsKeyName: KEY }), [withKey, withKey]);
  });

  it("refuses what cannot be: one key for several regions, and a regional secret that is replicated", async () => {
    await assert.rejects(make({ kmsKeyName: KEY, replication: ["europe-west3"] }), /kmsKeyName .* Nothing was made/);
    await assert.rejects(
      make({ location: "europe-west3", replication: ["europe-west4"] }),
      /either a location.* Nothing was made/,
    );
  });

  it("takes a secret that exists and makes only the companion, or takes both", async () => {
    const one = await make({ existing: "secret", consumers: { web: READER }, pipelineMember: PIPELINE });
    assert.deepEqual(
      one.made.filter(({ type }) => type === SECRET_TYPE).map(({ name }) => name),
      ["orders-db-rotation"],
    );
    assert.deepEqual(
      one.made.filter(({ type }) => type === MEMBER_TYPE).map(({ inputs }) => inputs["secretId"]),
      ["orders-db", "orders-db", "orders-db-rotation"],
    );
    const both = await make({ existing: true });
    assert.deepEqual(both.made, [COMPONENT]);
    assert.deepEqual(await valueOf(both.value.store), {
      type: "gcpSecretManager",
      project: "shop-prod",
      name: "orders-db",
    });
  });

  it("gives the store as data", async () => {
    const { value } = await make({
      format: { text: "${url}" },
      replication: ["europe-west3"],
      connection: { timeout: "5s" },
    });
    assert.deepEqual(await valueOf(value.store), {
      type: "gcpSecretManager",
      project: "shop-prod",
      name: "orders-db",
      replication: ["europe-west3"],
      format: { text: "${url}" },
      timeout: "5s",
    });
    assert.deepEqual(await valueOf(value.references), {
      externalSecret: { data: [{ secretKey: "value", remoteRef: { key: "orders-db" } }] },
      secretProviderClass: {
        resourceName: "projects/shop-prod/secrets/orders-db/versions/latest",
        path: "orders-db",
      },
      cloudRun: { secretKeyRef: { secret: "projects/shop-prod/secrets/orders-db", version: "latest" } },
      resourceName: "projects/shop-prod/secrets/orders-db/versions/latest",
    });
  });

  it("has secrets and grants there before the first version, and until the last one is gone", async () => {
    const { value } = await make({ pipelineMember: PIPELINE, consumers: { web: READER } });
    assert.deepEqual(await namesBefore(value.store), [
      `${SECRET_TYPE} orders-db`,
      `${SECRET_TYPE} orders-db-rotation`,
      `${MEMBER_TYPE} orders-db-pipeline`,
      `${MEMBER_TYPE} orders-db-rotation-pipeline`,
    ]);
  });

  it("does not say in a preview where the store is, while the secrets are still to be made", async () => {
    assert.equal(await isKnown((await make({}, { preview: true })).value.store), false);
    assert.equal(await isKnown((await make({ existing: true }, { preview: true })).value.store), true);
  });
});
