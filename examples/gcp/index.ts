/**
 * A database credential in Google Cloud Secret Manager. A service of Cloud Run reads it when an instance starts; the
 * engine makes a new revision because the service takes an output of the secret.
 */
import * as cloudrun from "@pulumi/gcp/cloudrunv2";
import * as serviceaccount from "@pulumi/gcp/serviceaccount";
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";
import { GcpSecret } from "pulumi-rotating-secrets/gcp";

const config = new pulumi.Config();
const project = config.require("project");

const orders = new serviceaccount.Account("orders", { project, accountId: "orders" });

// The place: the secret that instances read, our own record beside it, and who may write and read them.
const place = new GcpSecret("orders-db", {
  project,
  name: "orders-db",
  // One text: the application takes a URL. Without it readers get a JSON object.
  format: { text: "${url}" },
  // Who runs pulumi: serviceAccount:rotation@PROJECT.iam.gserviceaccount.com
  pipelineMember: config.require("pipelineMember"),
  consumers: { orders: orders.member },
});

const db = new rotation.RotatingPostgresRole("orders-db", {
  connection: {
    host: config.require("host"),
    database: "orders",
    admin: rotation.secretFrom.config("adminUrl"),
  },
  owner: "orders_owner",
  store: place.store,
  schedule: { every: "90d" },
  retirement: { grace: "1h", soak: "1d" },
  audit: rotation.auditFile(config.require("auditFile")),
});

const service = new cloudrun.Service("orders", {
  project,
  location: config.require("region"),
  template: {
    serviceAccount: orders.email,
    containers: [
      {
        image: config.require("image"),
        envs: [
          // Absent for regional secrets only.
          { name: "DATABASE_URL", valueSource: place.references.apply(({ cloudRun }) => cloudRun!) },
          // Changes with each version and each return, so that a new revision is made, which reads again.
          { name: "ROTATION_REF", value: db.ref },
        ],
      },
    ],
  },
});

// Confirmed once the database has seen the new role in use, and no other.
const rollout = new rotation.Rollout("orders", {
  secrets: [db],
  dependents: [service],
  checks: [rotation.check.http({ url: config.require("healthUrl"), bake: "30s" })],
  evidence: "issuer",
});

export const version = db.version;
export const confirmed = rollout.confirmed;
