/**
 * A database credential in HashiCorp Vault. Vault Agent writes it into the pods of a Deployment, which the engine rolls
 * because it takes an output of the secret.
 */
import * as apps from "@pulumi/kubernetes/apps/v1";
import * as pulumi from "@pulumi/pulumi";
import * as vaultKubernetes from "@pulumi/vault/kubernetes";
import * as rotation from "pulumi-rotating-secrets";
import { VaultKvSecret } from "pulumi-rotating-secrets/vault";

const config = new pulumi.Config();

// The place: policies for the pipeline and for each reader. The entry itself is written by the rotation.
const place = new VaultKvSecret("orders-db", {
  mount: "secret",
  path: "orders/db",
  connection: {
    address: config.require("vaultAddress"),
    // A role of the AppRole method with the policy `place.pipelinePolicy.name`. Its secret id is read where pulumi runs.
    auth: { method: "appRole", roleId: config.require("roleId"), secretId: rotation.secretFrom.env("VAULT_SECRET_ID") },
  },
  consumers: ["orders"],
});

// Pods of the service account "orders" may read the entry, and nothing of the rotation.
new vaultKubernetes.AuthBackendRole("orders", {
  roleName: "orders",
  boundServiceAccountNames: ["orders"],
  boundServiceAccountNamespaces: ["shop"],
  tokenPolicies: [place.consumerPolicies.orders.name],
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
  // Vault Agent reads an entry again within five minutes (static_secret_render_interval).
  readersCache: "5m",
  retirement: { grace: "1h", soak: "1d" },
  audit: rotation.auditFile(config.require("auditFile")),
});

const labels = { app: "orders" };
const deployment = new apps.Deployment("orders", {
  metadata: { namespace: "shop" },
  spec: {
    replicas: 2,
    selector: { matchLabels: labels },
    template: {
      metadata: {
        labels,
        annotations: {
          // Changes with each version and each return, so that pods are replaced and read again.
          "rotation/ref": db.ref,
          "vault.hashicorp.com/agent-inject": "true",
          "vault.hashicorp.com/role": "orders",
          "vault.hashicorp.com/agent-inject-secret-db.json": "secret/data/orders/db",
          "vault.hashicorp.com/agent-inject-template-db.json": place.references.agentTemplate,
        },
      },
      spec: {
        serviceAccountName: "orders",
        containers: [
          { name: "orders", image: config.require("image"), env: [{ name: "DB", value: "/vault/secrets/db.json" }] },
        ],
      },
    },
  },
});

// Confirmed once the pods run and the database has seen the new role in use, and no other.
const rollout = new rotation.Rollout("orders", {
  secrets: [db],
  dependents: [deployment],
  checks: [rotation.check.http({ url: config.require("healthUrl"), bake: "30s" })],
  evidence: "issuer",
});

export const version = db.version;
export const confirmed = rollout.confirmed;
