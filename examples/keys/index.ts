/** Keys that nobody but this package issues, in encrypted folders on the machine of the services. */
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";

const config = new pulumi.Config();
const folder = config.require("folder"); // it lasts, such as /var/lib/rotation

const storeOf = (name: string) =>
  rotation.fileStore({ path: `${folder}/${name}`, key: { passphrase: rotation.secretFrom.env("STORE_PASSPHRASE") } });
/** A service that is given its key in a file and says which one it uses. */
const service = (name: string, secret: string, port: number, wave = 0) =>
  rotation.consumer.process({
    name,
    wave,
    file: `/etc/${name}/${secret}.json`,
    adoption: { url: `http://127.0.0.1:${port}/adoption` },
  });

// Signs the cookies of one service. Sessions of the superseded version last no longer than the grace.
const session = new rotation.RotatingRandomSecret("session", {
  bytes: { count: 32 },
  store: storeOf("session"),
  schedule: { every: "30d" },
  // Nothing can tell whether a cookie is still used.
  retirement: { grace: "12h", requireUnused: false },
});
new rotation.Rollout("session", { secrets: [session], consumers: [service("shop", "session", 8080)] });

// Verifiers have the new key before anything is signed with it: they are an earlier wave.
const webhooks = new rotation.RotatingHmacKey("webhooks", {
  prefix: "whsec_",
  store: storeOf("webhooks"),
  schedule: { every: "90d" },
  retirement: { grace: "1h", requireUnused: false },
});
new rotation.Rollout("webhooks", {
  secrets: [webhooks],
  consumers: [service("receiver", "webhooks", 8081, 0), service("sender", "webhooks", 8082, 1)],
});

// Verifiers are served the file by a web server with `Cache-Control: max-age=300`.
const tokens = new rotation.RotatingSigningKey("tokens", {
  algorithm: "ES256",
  jwksFile: `${folder}/www/jwks.json`,
  cacheTime: "5m",
  tokenLifetime: "1h",
  store: storeOf("tokens"),
  schedule: { every: "30d" },
  // Token life, cache time, and an hour for the rollout.
  retirement: { grace: "125m", soak: "1h", requireUnused: false },
});
new rotation.Rollout("tokens", { secrets: [tokens], consumers: [service("login", "tokens", 8083)] });

// What the former key has encrypted is encrypted anew, and it goes when nothing is left.
const records = new rotation.RotatingEncryptionKey("records", {
  rewrap: {
    command: ["orders-ctl", "rewrap"],
    env: { DATABASE_URL: rotation.secretFrom.env("ORDERS_DATABASE_URL") },
    timeout: "30m",
  },
  store: storeOf("records"),
  schedule: { every: "365d" },
  retirement: { grace: "1h" },
});
new rotation.Rollout("records", { secrets: [records], consumers: [service("orders", "records", 8084)] });

export const kid = tokens.kid;
export const versions = {
  session: session.version,
  webhooks: webhooks.version,
  tokens: tokens.version,
  records: records.version,
};
