/** The user with what a killed run may have left. */
import { Refused } from "./failures";
import type { Iam, LastUse } from "./api";
import { type AccessKey, orphanCandidate, type UserState } from "./keys";

export interface Seen {
  readonly state: UserState;
  /** Made by a run of ours that was killed before it could mark it. Its secret is lost. */
  readonly orphan: AccessKey | undefined;
}

/** @returns `undefined` when there is no such user. */
export async function look(iam: Iam): Promise<Seen | undefined> {
  const state = await iam.state();
  if (state === undefined) return undefined;
  const candidate = orphanCandidate(state);
  // Nobody has the secret of a lost key: whatever was used is somebody else's.
  const orphan = candidate !== undefined && (await lastUseOf(iam, candidate.id)) === undefined ? candidate : undefined;
  return { state, orphan };
}

/** @returns `undefined` for a key that was never used, and for one that has just gone. */
export async function lastUseOf(iam: Iam, id: string): Promise<LastUse | undefined> {
  try {
    return await iam.lastUse(id);
  } catch (error) {
    if (error instanceof Refused && error.why === "absent") return undefined;
    throw error;
  }
}

/** One key, as people tell it from another. */
export async function describeKey(iam: Iam, { id, active, createdAt }: AccessKey): Promise<string> {
  const use = await lastUseOf(iam, id);
  const used =
    use === undefined
      ? "never used"
      : `last used ${new Date(use.at).toISOString()} with ${use.service} in ${use.region}`;
  return `${id} (${active ? "active" : "inactive"}, created ${new Date(createdAt).toISOString()}, ${used})`;
}
