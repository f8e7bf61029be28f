/**
 * Keys of IAM carry no tags, so the tags of their user say whose they are: `rotation:<key id>` for each key that was issued,
 * and `rotation:intent` while one is being made, of which nobody knows the id yet.
 *
 * Values are written in the characters that AWS takes in a tag, and are not longer than 256 of them:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
 */
import type { IssuedRef } from "../../contracts/context";
import type { ProposeRequest } from "../../contracts/kind";

const PREFIX = "rotation:";
export const INTENT_TAG = `${PREFIX}intent`;

export interface Mark {
  readonly identity: string;
  readonly rotation: string;
  readonly version: string;
}

/** What was written just before a key was made. */
export interface Intent extends Mark {
  /** When, by the clock of the run, in ms since the epoch. */
  readonly at: number;
  /** Another one each time. */
  readonly attempt: string;
  /** The keys that the user had. */
  readonly known: readonly string[];
}

export function markFor(request: ProposeRequest): Mark {
  return { identity: request.identity, rotation: request.rotationId, version: String(request.version) };
}

export function keyTag(accessKeyId: string): string {
  return PREFIX + accessKeyId;
}

/** The key that a tag is about; `undefined` for every other tag. */
export function keyOfTag(tag: string): string | undefined {
  return tag.startsWith(PREFIX) && tag !== INTENT_TAG ? tag.slice(PREFIX.length) : undefined;
}

export function encodeMark({ identity, rotation, version }: Mark): string {
  return `identity=${identity} rotation=${rotation} version=${version}`;
}

export function encodeIntent(intent: Intent): string {
  const { at, attempt, known } = intent;
  return `${encodeMark(intent)} at=${new Date(at).toISOString()} attempt=${attempt} known=${known.join("+")}`;
}

/** `undefined` for what this kind did not write. */
export function decodeMark(value: string): Mark | undefined {
  const { identity, rotation, version = "" } = wordsOf(value);
  return identity && rotation ? { identity, rotation, version } : undefined;
}

export function decodeIntent(value: string): Intent | undefined {
  const mark = decodeMark(value);
  const { at = "", attempt, known = "" } = wordsOf(value);
  const moment = Date.parse(at);
  if (!mark || !attempt || Number.isNaN(moment)) return undefined;
  return { ...mark, at: moment, attempt, known: known.split("+").filter((id) => id !== "") };
}

function wordsOf(value: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    value.split(" ").flatMap((word) => {
      const at = word.indexOf("=");
      return at > 0 ? [[word.slice(0, at), word.slice(at + 1)]] : [];
    }),
  );
}

export interface Owner {
  readonly user: string;
  readonly account: string;
}

export function refOf({ user, account }: Owner, mark: Mark, accessKeyId: string): IssuedRef {
  return { user, account, accessKeyId, rotation: mark.rotation, version: mark.version };
}
