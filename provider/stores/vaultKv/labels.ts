/**
 * Which version of the native entry holds which of our versions: in the entry's custom metadata, one key for each, so
 * that two writers never overwrite each other's: `rotation-12` = `7:<token>`.
 */
import type { VersionRef } from "../../contracts/store";
import type { EntryMetadata } from "./kv";
import { isSameRef } from "../../lifecycle/values";

const KEY = /^rotation-([1-9]\d*)$/;
const VALUE = /^([1-9]\d*|0):(.+)$/s;

/** Of custom metadata: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-metadata */
export const MAX_KEYS = 64;
/** Of these ours are so many at most. Versions of the native entry that are older are destroyed, as Vault itself does. */
const MAX_LABELS = 32;
/** Two versions of ours, each promoted twice. With less there is no going back and forth. */
export const MIN_LABELS = 4;

export type Labels = ReadonlyMap<number, VersionRef>;

export function labelsOf(entry: EntryMetadata | undefined): Labels {
  const labels = new Map<number, VersionRef>();
  for (const [key, value] of Object.entries(entry?.custom ?? {})) {
    const number = KEY.exec(key)?.[1];
    const ref = number === undefined ? undefined : parse(value);
    if (ref !== undefined) labels.set(Number(number), ref);
  }
  return labels;
}

/** What readers of the entry get, where it is one of our versions. */
export function currentOf(entry: EntryMetadata | undefined, labels = labelsOf(entry)): VersionRef | null {
  if (entry === undefined || !isLive(entry, entry.currentVersion)) return null;
  return labels.get(entry.currentVersion) ?? null;
}

export function isLive(entry: EntryMetadata, number: number): boolean {
  const version = entry.versions.get(number);
  return version !== undefined && !version.deleted && !version.destroyed;
}

/** The native versions that hold `ref`, oldest first; those that are destroyed left out. */
export function holdersOf(entry: EntryMetadata, labels: Labels, ref: VersionRef): readonly number[] {
  return ourVersions(entry, labels).filter((number) => isSameRef(labels.get(number) ?? null, ref));
}

/** All native versions that hold something of ours, oldest first; those that are destroyed left out. */
export function ourVersions(entry: EntryMetadata, labels: Labels): readonly number[] {
  return [...labels.keys()].filter((number) => exists(entry, number)).sort((a, b) => a - b);
}

/** Live native versions of which it is not known what they hold: others wrote them, or a run ended before it said. */
export function unlabelled(entry: EntryMetadata, labels: Labels): readonly number[] {
  return [...entry.versions.keys()].filter((number) => isLive(entry, number) && !labels.has(number));
}

/** The change of custom metadata that adds labels, and drops those of native versions that are no more. */
export function labelChange(
  entry: EntryMetadata | undefined,
  added: Labels,
  gone: readonly number[] = [],
): Readonly<Record<string, string | null>> {
  const known = entry === undefined ? [] : [...labelsOf(entry).keys()];
  const stale = known.filter((number) => !exists(entry, number) || gone.includes(number));
  return Object.fromEntries([
    ...stale.map((number) => [keyOf(number), null]),
    ...[...added].map(([number, ref]) => [keyOf(number), valueOf(ref)]),
  ]) as Record<string, string | null>;
}

/** How many labels the entry has room for, beside the custom metadata of others. */
export function roomIn(entry: EntryMetadata): number {
  const foreign = Object.keys(entry.custom).length - labelsOf(entry).size;
  return Math.min(MAX_LABELS, MAX_KEYS - foreign);
}

/** `7:<token>`, with nothing in it that Vault or a path could read in another way. Also the name of a stored version. */
export function nameOf(ref: VersionRef, separator: ":" | "-" = "-"): string {
  return `${ref.version}${separator}${encodeURIComponent(ref.token)}`;
}

/** @returns `undefined` when it is not the name of a version of ours. */
export function refOf(name: string, separator: ":" | "-" = "-"): VersionRef | undefined {
  const at = name.indexOf(separator);
  const number = name.slice(0, Math.max(0, at));
  if (!/^\d+$/.test(number) || at === name.length - 1) return undefined;
  try {
    return { version: Number(number), token: decodeURIComponent(name.slice(at + 1)) };
  } catch {
    return undefined; // A stray % sign: not ours.
  }
}

function exists(entry: EntryMetadata | undefined, number: number): boolean {
  return entry?.versions.get(number)?.destroyed === false;
}

function parse(value: unknown): VersionRef | undefined {
  return typeof value === "string" && VALUE.test(value) ? refOf(value, ":") : undefined;
}

function keyOf(number: number): string {
  return `rotation-${number}`;
}

function valueOf(ref: VersionRef): string {
  return nameOf(ref, ":");
}
