/**
 * A database credential in Kubernetes. Each version is an immutable Secret of its own, and a Deployment mounts the one
 * that is handed out: the engine rolls it because the name is an output of the secret.
 */
import * as apps from "@pulumi/kubernetes/apps/v1";
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";
import { KubernetesSecretStore, secretNameOf } from "pulumi-rotating-secrets/kubernetes";

const config = new pulumi.Config();

// The place: the namespace, and a role in it for the service account that runs pulumi.
const place = new KubernetesSecretStore("orders-db", {
  namespace: { create: { name: "shop" } },
  name: "orders-db",
  pipeline: [{ kind: "ServiceAccount", name: "rotation", namespace: "ci" }],
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

const labels = { app: "orders" };
const deployment = new apps.Deployment("orders", {
  metadata: { namespace: place.namespace },
  spec: {
    replicas: 2,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: [
          {
            name: "orders",
            image: config.require("image"),
            // One file for each field: username, password, host, port, database, url.
            volumeMounts: [{ name: "db", mountPath: "/etc/orders/db", readOnly: true }],
            readinessProbe: { httpGet: { path: "/healthz", port: 8080 } },
          },
        ],
        // orders-db-v7-e3: pods that start again during a rollout get what their ReplicaSet had from the beginning.
        volumes: [{ name: "db", secret: { secretName: secretNameOf(db, place.store) } }],
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
