/**
 * Makes a key. AWS tells its secret once, and takes no token that would make a repetition safe: so what is about to be done
 * is written down first, and a key whose secret was lost is deleted before another is made.
 */
import { randomBytes } from "node:crypto";
import type { AdapterContext } from "../../contracts/context";
import type { Issued, IssueRequest } from "../../contracts/kind";
import { ConfigurationError, ConflictError, RotationError, StateError } from "../../lifecycle/errors";
import type { Iam, MintedKey } from "./api";
import { Refused } from "./failures";
import { type AccessKey, judge, MOST_KEYS, type UserState } from "./keys";
import { encodeIntent, encodeMark, INTENT_TAG, type Intent, keyTag, markFor, refOf } from "./marks";
import { describeKey, look } from "./owned";
import { remove } from "./revoke";

/** How often it is begun anew because another run changes the user's keys. */
const ATTEMPTS = 3;

export async function issue(iam: Iam, context: AdapterContext, request: IssueRequest): Promise<Issued> {
  const mark = markFor(request);
  const { intent, before, account } = await announce(iam, context, request);
  const made = await create(iam, request);
  await iam.tag(keyTag(made.id), encodeMark(mark));
  await yieldToOthers(iam, request, made.id, [intent.attempt, before?.attempt]);
  await forgetIntent(iam, context);
  return {
    ref: refOf({ user: iam.user, account }, mark, made.id),
    value: { accessKeyId: made.id, secretAccessKey: made.secret },
  };
}

interface Announced {
  readonly intent: Intent;
  readonly before: Intent | undefined;
  readonly account: string;
}

/** Makes room for a key, and writes down that it comes. */
async function announce(iam: Iam, context: AdapterContext, request: IssueRequest): Promise<Announced> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { state, kept } = await makeRoom(iam, request);
    const known = kept.map(({ id }) => id);
    const id = randomBytes(4).toString("hex");
    const intent = { ...markFor(request), at: context.clock.now(), attempt: id, known };
    await iam.tag(INTENT_TAG, encodeIntent(intent));
    const now = await iam.state();
    const unexpected = now?.keys.filter((key) => !known.includes(key.id));
    if (unexpected?.length === 0) return { intent, before: state.intent, account: state.account };
    // A key that came meanwhile must not be taken for the one that was about to be made.
    await iam.untag(INTENT_TAG);
    if (unexpected?.some((key) => now?.marks.get(key.id)?.rotation !== request.rotationId)) break;
  }
  throw changedByOthers(iam, request);
}

/** Deletes what was lost, and refuses what is not known. */
async function makeRoom(
  iam: Iam,
  request: IssueRequest,
): Promise<{ readonly state: UserState; readonly kept: readonly AccessKey[] }> {
  const seen = await look(iam);
  if (seen === undefined) {
    throw new ConfigurationError(
      `There is no IAM user ${iam.user} in the account that is asked. Nothing was changed. Make it, or correct \`user\` or ` +
        "the credentials, and run again.",
    );
  }
  const { lost, strangers, kept } = judge(seen.state, seen.orphan, request);
  if (strangers.length > 0) throw await unknownKeys(iam, seen.state, strangers);
  for (const { id } of lost) await remove(iam, id);
  if (kept.length >= MOST_KEYS) throw await full(iam, kept);
  const stale = [...seen.state.marks.keys()].filter((id) => !seen.state.keys.some((key) => key.id === id));
  await iam.untag(...stale.filter((id) => seen.state.marks.get(id)?.identity === request.identity).map(keyTag));
  return { state: seen.state, kept };
}

async function create(iam: Iam, request: IssueRequest): Promise<MintedKey> {
  try {
    return await iam.create();
  } catch (error) {
    if (!(error instanceof Refused && error.why === "limit")) throw error;
    // Somebody was faster: say who.
    await makeRoom(iam, request);
    throw error;
  }
}

/** Two runs that issue for one secret: the one that began last goes on. */
async function yieldToOthers(
  iam: Iam,
  request: IssueRequest,
  id: string,
  ours: readonly (string | undefined)[],
): Promise<void> {
  const state = await iam.state();
  if (state === undefined) return;
  const { intent, keys, marks } = state;
  // IAM may still show the intent of before. Where there is none, the other run may be through.
  const overtaken =
    intent === undefined
      ? keys.some((key) => key.id !== id && marks.get(key.id)?.rotation === request.rotationId)
      : !ours.includes(intent.attempt);
  if (!overtaken) return;
  await remove(iam, id);
  throw changedByOthers(iam, request);
}

/** The key is marked: what is left of the intent does no harm for longer than its time. */
async function forgetIntent(iam: Iam, context: AdapterContext): Promise<void> {
  try {
    await iam.untag(INTENT_TAG);
  } catch (error) {
    if (!(error instanceof RotationError)) throw error;
    context.log.warn(`The tag ${INTENT_TAG} of the user ${iam.user} could not be removed: ${error.message}`);
  }
}

async function unknownKeys(iam: Iam, state: UserState, strangers: readonly AccessKey[]): Promise<StateError> {
  const lines = await Promise.all(
    strangers.map(async (key) => {
      const other = state.marks.get(key.id);
      return (await describeKey(iam, key)) + (other ? ` of another secret, with the identity ${other.identity}` : "");
    }),
  );
  return new StateError(
    `The user ${iam.user} has access keys that this secret does not know: ${lines.join("; ")}. AWS allows ${MOST_KEYS} keys ` +
      "a user, and a rotation needs them. None was touched. Adopt the key (adopt: { username: its id, password }), or " +
      "delete it once nothing uses it; then run again.",
  );
}

async function full(iam: Iam, kept: readonly AccessKey[]): Promise<StateError> {
  const lines = await Promise.all(kept.map((key) => describeKey(iam, key)));
  return new StateError(
    `The user ${iam.user} has ${kept.length} access keys of this secret, as many as AWS allows: ${lines.join("; ")}. ` +
      "None was touched. Let the superseded version be retired first.",
  );
}

function changedByOthers(iam: Iam, { secret, version }: IssueRequest): ConflictError {
  return new ConflictError(
    `Somebody else changes the access keys of the user ${iam.user} at this moment, so none was issued for ${secret} ` +
      `v${version}. Run again.`,
  );
}
