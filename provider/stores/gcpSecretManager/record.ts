/**
 * What the companion's metadata say, all of it behind its one etag: which of its versions is the ledger, which hold the
 * stored versions, and which versions of the native secret hold which of them. Pure.
 *
 * ```
 * alias       ledger                       the version of the companion that is the ledger
 * annotation  rotation.change              how often this was changed, and a mark of the last change
 * annotation  rotation.native              the native versions up to this number are accounted for
 * annotation  rotation.intent              what was begun last with the native secret, for people
 * annotation  rotation.version.<hash>      one stored version: reference, where it is stored, native versions with it
 * ```
 */
import type { VersionRef } from "../../contracts/store";
import { StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { parseVersion, VERSION_KEY, versionKey, versionText, type RecordedVersion } from "../../net/gcp/versionRecord";
import type { SecretInfo } from "./messages";

/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets#Secret.FIELDS.annotations */
const MAX_ANNOTATION_BYTES = 16_383;
const LEDGER = "ledger";
const CHANGE = "rotation.change";
const NATIVE = "rotation.native";
const INTENT = "rotation.intent";

export type Kept = RecordedVersion;

export interface Rotation {
  /** Grows by one at every change. */
  readonly changes: number;
  /** Made up by who made the last change, who knows it by that again. */
  readonly mark: string;
  /** 0 where nothing was committed. */
  readonly ledger: number;
  /** No newer version of the native secret was there when this was last looked at. `undefined`: never looked at. */
  readonly accountedFor: number | undefined;
  readonly intent: string | undefined;
  readonly versions: readonly Kept[];
}

export const NOTHING_YET: Rotation = {
  changes: 0,
  mark: "",
  ledger: 0,
  accountedFor: undefined,
  intent: undefined,
  versions: [],
};

export function decodeRotation(info: SecretInfo, location: string): Rotation {
  const { annotations, aliases } = info;
  const [changes = "0", mark = ""] = (annotations[CHANGE] ?? "").split(" ");
  const accounted = annotations[NATIVE];
  return {
    changes: Number(changes) || 0,
    mark,
    ledger: aliases[LEDGER] ?? 0,
    accountedFor: accounted === undefined ? undefined : Number(accounted) || 0,
    intent: annotations[INTENT],
    versions: Object.entries(annotations)
      .filter(([key]) => key.startsWith(VERSION_KEY))
      .map(([key, text]) => decodeKept(key, text, location))
      .sort((a, b) => a.ref.version - b.ref.version || (a.ref.token < b.ref.token ? -1 : 1)),
  };
}

/** @returns the aliases and annotations as they have to be; those that are not ours stay. */
export function encodeRotation(rotation: Rotation, info: SecretInfo, location: string) {
  const foreign = Object.entries(info.annotations).filter(([key]) => !key.startsWith("rotation."));
  const annotations: Record<string, string> = {
    ...Object.fromEntries(foreign),
    [CHANGE]: `${rotation.changes} ${rotation.mark}`,
    ...(rotation.accountedFor === undefined ? {} : { [NATIVE]: String(rotation.accountedFor) }),
    ...(rotation.intent === undefined ? {} : { [INTENT]: rotation.intent }),
  };
  for (const kept of rotation.versions) annotations[versionKey(kept.ref)] = versionText(kept);
  const bytes = Object.entries(annotations).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > MAX_ANNOTATION_BYTES)
    throw new StateError(
      `The store ${location} has no room for more: its metadata, of ${rotation.versions.length} stored versions, have ` +
        `${bytes} bytes, and Secret Manager allows ${MAX_ANNOTATION_BYTES}. Nothing was changed. Let superseded ` +
        "versions be retired, or take annotations that are not this package's off the secret.",
    );
  const aliases = { ...info.aliases, ...(rotation.ledger === 0 ? {} : { [LEDGER]: rotation.ledger }) };
  return { annotations, aliases };
}

export function find(rotation: Rotation, ref: VersionRef): Kept | undefined {
  return rotation.versions.find((kept) => isSameRef(kept.ref, ref));
}

/** The stored version that a version of the native secret holds, as far as that was recorded. */
export function holderOf(rotation: Rotation, native: number): Kept | undefined {
  return rotation.versions.find((kept) => kept.native.includes(native));
}

/** @returns `undefined` where it is not stored. */
export function changed(rotation: Rotation, ref: VersionRef, change: (kept: Kept) => Kept): Rotation | undefined {
  if (find(rotation, ref) === undefined) return undefined;
  return { ...rotation, versions: rotation.versions.map((kept) => (isSameRef(kept.ref, ref) ? change(kept) : kept)) };
}

function decodeKept(key: string, text: string, location: string): Kept {
  const kept = parseVersion(text);
  if (kept === undefined)
    throw new StateError(
      `The store ${location} is damaged: the annotation ${key} was changed by somebody else. Nothing was changed. Put ` +
        "it back as it was: the audit log of Google Cloud has it.",
    );
  return kept;
}
