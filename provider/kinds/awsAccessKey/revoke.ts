/** The end of a key: inactive, deleted, and its mark taken away. Each step may be repeated. */
import type { AdapterContext, IssuedRef } from "../../contracts/context";
import type { RevokeOptions } from "../../contracts/kind";
import type { Iam } from "./api";
import { keyTag } from "./marks";
import { lastUseOf, look } from "./owned";

export async function revoke(
  iam: Iam,
  context: AdapterContext,
  ref: IssuedRef,
  { terminateSessions: terminate }: RevokeOptions,
): Promise<void> {
  const id = await keyOf(iam, ref);
  if (id === undefined) return;
  const exists = await iam.setActive(id, false);
  const use = exists && terminate ? await lastUseOf(iam, id) : undefined;
  await remove(iam, id);
  if (use === undefined) return;
  context.log.warn(
    `The access key ${id} of the user ${iam.user} is deleted. Temporary credentials that were got with it may live on, for ` +
      "36 hours at most (GetSessionToken), or as long as a role's sessions: deny them by aws:TokenIssueTime, see " +
      "docs/kinds/awsAccessKey.md.",
  );
}

/** Final. Absent is success. */
export async function remove(iam: Iam, id: string): Promise<void> {
  if (await iam.setActive(id, false)) await iam.delete(id);
  // Last: a run that is killed before still finds the key.
  await iam.untag(keyTag(id));
}

/** The key that the reference means; `undefined` when none was made for it, or it is not known any more. */
export async function keyOf(iam: Iam, ref: IssuedRef): Promise<string | undefined> {
  if (ref["accessKeyId"]) return ref["accessKeyId"];
  const rotation = ref["rotation"];
  const seen = await look(iam);
  if (!rotation || seen === undefined) return undefined;
  const { state, orphan } = seen;
  if (orphan !== undefined && state.intent?.rotation === rotation) return orphan.id;
  return state.keys.find(({ id }) => state.marks.get(id)?.rotation === rotation)?.id;
}
