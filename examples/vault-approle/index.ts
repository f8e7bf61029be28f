/**
 * The secret id with which a machine logs in to HashiCorp Vault. It is kept in an encrypted folder on a shared disk, and
 * goes with the tokens that were got with it.
 */
import * as pulumi from "@pulumi/pulumi";
import * as approle from "@pulumi/vault/approle";
import * as rotation from "pulumi-rotating-secrets";

const config = new pulumi.Config();

const role = new approle.AuthBackendRole("orders", {
  roleName: "orders",
  tokenPolicies: ["orders"],
  // The rotation verifies each secret id by logging in: the number of uses must not be limited.
  secretIdNumUses: 0,
  tokenTtl: 20 * 60,
  tokenMaxTtl: 60 * 60,
});

const secretId = new rotation.RotatingVaultAppRoleSecretId("orders-approle", {
  connection: { address: config.require("vaultAddress") },
  role: role.roleName,
  roleId: role.roleId,
  store: rotation.fileStore({ path: config.require("folder"), key: { keyFile: config.require("keyFile") } }),
  schedule: { every: "30d" },
  // Longer than a token lives, so that whoever logs in again has had the new secret id.
  retirement: { grace: "2h" },
  audit: rotation.auditFile(config.require("auditFile")),
});

const rollout = new rotation.Rollout("orders", {
  secrets: [secretId],
  checks: [rotation.check.adoption({ url: config.require("adoptionUrl") })],
});

/** Public: names the secret id in Vault, and gets nobody in. */
export const accessor = secretId.accessor;
export const confirmed = rollout.confirmed;
