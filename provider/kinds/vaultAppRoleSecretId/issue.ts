/** Registers the secret id that was chosen and stored before, or finds it registered. */
import type { Issued, IssueRequest } from "../../contracts/kind";
import { parseDuration } from "../../lifecycle/duration";
import { StateError } from "../../lifecycle/errors";
import type { Client } from "../../net/vault/client";
import { markFor, refOf } from "./mark";
import type { VaultAppRoleSecretIdOptions } from "./options";
import { nameOf, requireRole } from "./role";
import { SecretIds } from "./secretIds";

export async function issue(
  client: Client,
  options: VaultAppRoleSecretIdOptions,
  request: IssueRequest,
): Promise<Issued> {
  const { value } = request.draft;
  const secretId = value?.["secretId"];
  if (!value || !secretId) {
    throw new StateError(`The draft of ${request.secret} v${request.version} has no secret id for ${nameOf(options)}.`);
  }
  await requireRole(client, options, options);
  const mark = markFor(request);
  const validFor = options.validFor === undefined ? undefined : parseDuration(options.validFor);
  const found = await new SecretIds(client, options).register(secretId, mark, validFor);
  if (found.mark?.rotation !== mark.rotation) {
    throw new StateError(
      `The secret id with the accessor ${found.accessor} of ${nameOf(options)} has the value of ${request.secret} ` +
        `v${request.version}, but was not issued by rotation ${mark.rotation}. It was left untouched. Destroy it by its ` +
        "accessor, and run again.",
    );
  }
  const ref = refOf(options, mark, found.accessor);
  return { ref, value, ...(found.expiresAt !== undefined && { expiresAt: found.expiresAt }) };
}
