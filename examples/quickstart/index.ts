/**
 * The Pulumi program: one database credential that is rotated, and two running applications that follow it.
 * `pulumi up` does nothing until a rotation is due; then it makes a new login role, moves both applications to it,
 * watches their health, and only when all is well, and a while later, removes the former role.
 */
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";

const config = new pulumi.Config();

const credential = new rotation.RotatingPostgresRole("shop-db", {
  connection: {
    host: config.require("host"),
    port: config.requireNumber("port"),
    database: config.require("database"),
    // Says where the admin's URL is found. The value itself is in no input, no output and no state.
    admin: rotation.secretFrom.config("adminUrl"),
  },
  // Each version is a login role of its own, with the rights of these two roles, which stay.
  owner: config.require("owner"),
  memberOf: config.getObject<string[]>("memberOf") ?? [],
  assumeOwner: false,
  // The versions, encrypted, and the record of what was done with them.
  store: rotation.fileStore({
    path: config.require("store"),
    key: { passphrase: rotation.secretFrom.config("storePassphrase") },
  }),
  schedule: { every: config.get("every") ?? "90d" },
  retirement: { grace: config.get("grace") ?? "1h", soak: config.get("soak") ?? "1h" },
});

interface App {
  readonly name: string;
  /** Where it serves `/health` and `/adoption`. */
  readonly url: string;
  /** Holds its credential, which the rollout delivers, and its process id, which it writes itself. */
  readonly folder: string;
}

const apps = config.requireObject<App[]>("apps");

const rollout = new rotation.Rollout("shop", {
  secrets: [credential],
  consumers: apps.map(({ name, url, folder }) =>
    rotation.consumer.process({
      name,
      file: `${folder}/credential.json`,
      signal: { pidFile: `${folder}/pid`, name: "SIGHUP" },
      ready: { url: `${url}/health` },
      readyTimeout: "5s",
      // Confirmed is what an application says it uses, not what it was told to use.
      adoption: { url: `${url}/adoption` },
      adoptionTimeout: "20s",
    }),
  ),
  checks: apps.map(({ name, url }) =>
    rotation.check.http({
      name: `${name} is healthy`,
      url: `${url}/health`,
      interval: "500ms",
      failureThreshold: 2,
      bake: "2s",
    }),
  ),
});

export const version = credential.version;
export const role = credential.role;
export const confirmed = rollout.confirmed;
