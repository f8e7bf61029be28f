/** Takes over a key that is in use, without changing anything about it. */
import type { AdapterContext } from "../../contracts/context";
import type { Issued } from "../../contracts/kind";
import { ConfigurationError, NotFoundError, StateError } from "../../lifecycle/errors";
import type { Iam } from "./api";
import type { AwsAccessKeyOptions } from "./options";
import { verify } from "./verify";

/** @param given `{ username, password }`, as `adopt` has them: the id of the key and its secret. */
export async function adopt(
  iam: Iam,
  options: AwsAccessKeyOptions,
  context: AdapterContext,
  given: Readonly<Record<string, string>>,
): Promise<Issued> {
  const accessKeyId = given["accessKeyId"] ?? given["username"];
  const secretAccessKey = given["secretAccessKey"] ?? given["password"];
  if (!accessKeyId || !secretAccessKey) {
    throw new ConfigurationError(
      'An access key to adopt needs its id as "username" and its secret as "password"; given were: ' +
        `${Object.keys(given).sort().join(", ") || "none"}.`,
    );
  }
  const state = await iam.state();
  if (!state?.keys.some(({ id }) => id === accessKeyId)) {
    throw new NotFoundError(
      `The user ${iam.user} has no access key ${accessKeyId}. Nothing was changed. Check \`user\` and the account.`,
    );
  }
  const mark = state.marks.get(accessKeyId);
  if (mark !== undefined) {
    throw new StateError(
      `The access key ${accessKeyId} was issued by rotation ${mark.rotation} of a secret with the identity ${mark.identity}, ` +
        "so it cannot be adopted. Nothing was changed.",
    );
  }
  const ref = { user: iam.user, account: state.account, accessKeyId, rotation: "", version: "", adopted: "true" };
  const value = { accessKeyId, secretAccessKey };
  const login = await verify(iam, options, context, value, ref);
  if (!login.works)
    throw new StateError(`The access key ${accessKeyId} cannot be adopted: ${login.detail} Nothing was changed.`);
  return { ref, value };
}
