/** Whose each key of the user is, decided from what IAM says. Pure. */
import type { IssuedRef } from "../../contracts/context";
import type { Intent, Mark } from "./marks";

export const MOST_KEYS = 2;

/**
 * How far apart an intent and the key that came of it may be, by the run's clock and that of AWS. AWS takes signatures
 * that are up to 15 minutes off, at most; a call takes no longer than its time limit, 10 minutes at most.
 */
export const INTENT_WINDOW_MS = 25 * 60_000;

export interface AccessKey {
  readonly id: string;
  readonly active: boolean;
  /** By AWS's clock, in ms since the epoch. */
  readonly createdAt: number;
}

export interface UserState {
  readonly account: string;
  readonly keys: readonly AccessKey[];
  /** By the id of the key; also of keys that are gone. */
  readonly marks: ReadonlyMap<string, Mark>;
  readonly intent: Intent | undefined;
}

/**
 * The key that a killed run made and did not come to mark: the only one without a mark that the intent did not know, made
 * about when the intent was written. That nobody has used it is for the caller to find out: its secret was lost.
 */
export function orphanCandidate({ keys, marks, intent }: UserState): AccessKey | undefined {
  if (intent === undefined) return undefined;
  const unknown = keys.filter(({ id }) => !marks.has(id) && !intent.known.includes(id));
  const [key] = unknown;
  if (key === undefined || unknown.length > 1) return undefined;
  return Math.abs(key.createdAt - intent.at) <= INTENT_WINDOW_MS ? key : undefined;
}

export interface OwnKey {
  readonly key: AccessKey;
  readonly mark: Mark;
}

/** The keys of a secret. @param orphan is one of the intent's secret. */
export function ownKeys(state: UserState, orphan: AccessKey | undefined, identity: string): OwnKey[] {
  return state.keys.flatMap((key) => {
    const mark = key === orphan ? state.intent : state.marks.get(key.id);
    return mark?.identity === identity ? [{ key, mark }] : [];
  });
}

export interface Judgement {
  /** Made for this very rotation, by a run that did not come to store the secret. */
  readonly lost: readonly AccessKey[];
  /** Nobody knows them: they are neither ours nor in the ledger. */
  readonly strangers: readonly AccessKey[];
  readonly kept: readonly AccessKey[];
}

export function judge(
  state: UserState,
  orphan: AccessKey | undefined,
  { identity, rotationId, live }: { identity: string; rotationId: string; live: readonly IssuedRef[] },
): Judgement {
  const own = new Map(ownKeys(state, orphan, identity).map(({ key, mark }) => [key.id, mark]));
  const inLedger = new Set(live.map((ref) => ref["accessKeyId"]));
  const lost = state.keys.filter(({ id }) => own.get(id)?.rotation === rotationId && !inLedger.has(id));
  const strangers = state.keys.filter(({ id }) => !own.has(id) && !inLedger.has(id));
  const kept = state.keys.filter((key) => !lost.includes(key) && !strangers.includes(key));
  return { lost, strangers, kept };
}
