/** Chooses the secret id of a new version, without asking Vault. */
import { randomBytes } from "node:crypto";
import type { Draft, ProposeRequest } from "../../contracts/kind";
import { markFor, refOf } from "./mark";
import type { VaultAppRoleSecretIdOptions } from "./options";

/** Twice as many random bits as in a secret id that Vault makes. */
const SECRET_BYTES = 32;

export function propose(options: VaultAppRoleSecretIdOptions, request: ProposeRequest): Draft {
  return {
    ref: refOf(options, markFor(request)),
    value: { roleId: options.roleId, secretId: randomBytes(SECRET_BYTES).toString("base64url") },
  };
}
