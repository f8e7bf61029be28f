/**
 * The access key of an IAM user, for a program outside of AWS that can have no role. It reads the key from a secret, and
 * says by itself which version it uses.
 */
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import * as rotation from "pulumi-rotating-secrets";

const config = new pulumi.Config();

// The library marks the keys by tags of the user: the program must leave them alone.
const user = new iam.User("backup", { name: "backup" }, { ignoreChanges: ["tags", "tagsAll"] });

const key = new rotation.RotatingAwsAccessKey("backup-key", {
  user: user.name,
  // The rarest job that uses the key runs once a day.
  usedWithin: "36h",
  store: rotation.awsSecretsManager({ name: "backup/key" }),
  schedule: { every: "90d" },
  retirement: { grace: "1d", soak: "2d" },
  audit: rotation.auditFile(config.require("auditFile")),
});

// The program reads the secret again, and answers with the fingerprint of the version that it uses.
const rollout = new rotation.Rollout("backup", {
  secrets: [key],
  checks: [rotation.check.adoption({ url: config.require("adoptionUrl") })],
});

/** Public: names the key in CloudTrail. */
export const accessKeyId = key.accessKeyId;
export const confirmed = rollout.confirmed;
