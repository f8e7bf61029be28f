import assert from "node:assert/strict";
import { CLOUD_RUN_PERMISSIONS, CLOUD_RUN_RECORD_PERMISSIONS, CloudRunAccess } from "../../../components/gcp";
import { BESIDE_UPDATE, PERMISSIONS } from "../../../provider/consumers/cloudRun/failures";
import { run } from "./support";

const PIPELINE = "serviceAccount:rotation@shop-prod.iam.gserviceaccount.com";
const ACCOUNT = "orders@shop-prod.iam.gserviceaccount.com";
const SERVICE = {
  ...{ project: "shop-prod", region: "europe-west3", service: "orders-api" },
  ...{ pipelineMember: PIPELINE, serviceAccount: ACCOUNT },
};
const COMPONENT = { type: "rotation:gcp:CloudRunAccess", name: "orders", inputs: {} };

const world = {
  outputs: (type: string, { roleId }: Record<string, string>) =>
    type === "gcp:projects/iAMCustomRole:IAMCustomRole" ? { name: `projects/shop-prod/roles/${roleId}` } : {},
};
const make = (more: object = {}) => run((opts) => new CloudRunAccess("orders", { ...SERVICE, ...more }, opts), world);

const ON_SERVICE = [
  {
    type: "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    name: "orders",
    inputs: {
      ...{ project: "shop-prod", location: "europe-west3", name: "orders-api" },
      ...{ role: "projects/shop-prod/roles/rotation_rolls_orders_api", member: PIPELINE },
    },
  },
  {
    type: "gcp:projects/iAMCustomRole:IAMCustomRole",
    name: "orders",
    inputs: {
      ...{ project: "shop-prod", roleId: "rotation_rolls_orders_api", title: "Rolls orders-api" },
      description: "What pulumi-rotating-secrets does with a service on Cloud Run.",
      permissions: ["run.revisions.get", "run.services.get", "run.services.update"],
    },
  },
];
const AS_ACCOUNT = {
  type: "gcp:serviceaccount/iAMMember:IAMMember",
  name: "orders",
  inputs: {
    serviceAccountId: `projects/-/serviceAccounts/${ACCOUNT}`,
    role: "roles/iam.serviceAccountUser",
    member: PIPELINE,
  },
};

describe("CloudRunAccess", () => {
  it("lets the pipeline move the one service, as the one account, and no more", async () => {
    const { made } = await make();
    assert.deepEqual(made, [...ON_SERVICE, AS_ACCOUNT, COMPONENT]);
  });

  it("lets it read the image where that lies in a repository", async () => {
    const { made } = await make({ repository: { location: "europe", repository: "apps" } });
    assert.deepEqual(
      made.filter(({ type }) => type.startsWith("gcp:artifactregistry/")),
      [
        {
          type: "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
          name: "orders",
          inputs: {
            ...{ project: "shop-prod", location: "europe", repository: "apps" },
            ...{ role: "roles/artifactregistry.reader", member: PIPELINE },
          },
        },
      ],
    );
  });

  it("lets it look at the record of secrets, and the service's account read them", async () => {
    const { made } = await make({
      secrets: { db: { secret: "orders-db" }, mail: { secret: "mail", project: "shared" } },
    });
    const members = made.filter(({ type }) => type === "gcp:secretmanager/secretIamMember:SecretIamMember");
    const looks = { role: "projects/shop-prod/roles/rotation_record_orders_api", member: PIPELINE };
    const reads = { role: "roles/secretmanager.secretAccessor", member: `serviceAccount:${ACCOUNT}` };
    assert.deepEqual(
      members.map(({ name, inputs }) => [name, inputs]),
      [
        ["orders-read-db", { project: "shop-prod", secretId: "orders-db", ...reads }],
        ["orders-read-mail", { project: "shared", secretId: "mail", ...reads }],
        ["orders-record-db", { project: "shop-prod", secretId: "orders-db-rotation", ...looks }],
        // A role of one project cannot be given in another.
        [
          "orders-record-mail",
          { project: "shared", secretId: "mail-rotation", role: "roles/secretmanager.viewer", member: PIPELINE },
        ],
      ],
    );
  });

  it("gives what the consumer names when it is missing", () => {
    const given = [...CLOUD_RUN_PERMISSIONS, ...CLOUD_RUN_RECORD_PERMISSIONS].sort();
    assert.deepEqual(Object.values(PERMISSIONS).sort(), given);
    // The two roles of Google's own that are given beside have these.
    assert.deepEqual(
      [...BESIDE_UPDATE],
      ["iam.serviceAccounts.actAs", "artifactregistry.repositories.downloadArtifacts"],
    );
  });
});
