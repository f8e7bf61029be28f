/**
 * What the consumer writes down in the cluster itself:
 *
 * - on the pod template, and so on every pod, the versions that it was rolled to;
 * - on the workload, what was there before, so that a roll-back makes exactly the former template and the workload's
 *   controller finds what it still has of it (a ReplicaSet, a revision).
 */
import { LABEL_KEY_PREFIX } from "../../net/kubernetes/marks";

/** JSON: secret's name to `{ version, fingerprint }`. */
export const VERSIONS = `${LABEL_KEY_PREFIX}/versions`;
/** JSON: secret's name to {@link Former}. */
export const FORMER = `${LABEL_KEY_PREFIX}/former`;

export interface Note {
  readonly version: number;
  readonly fingerprint: string;
}

export interface Former {
  /** The Secret that was named. */
  readonly name: string;
  /** What the template said of it; absent: nothing. */
  readonly note?: Note;
}

type Annotations = Readonly<Record<string, string>> | undefined;

export function notesIn(annotations: Annotations): Readonly<Record<string, Note>> {
  return parse<Note>(annotations?.[VERSIONS], (note) => typeof note.version === "number");
}

export function formerIn(annotations: Annotations): Readonly<Record<string, Former>> {
  return parse<Former>(annotations?.[FORMER], (former) => typeof former.name === "string");
}

/** @returns the annotations with these notes; without an annotation of ours where there are none. */
export function withRecord<T>(annotations: Annotations, key: string, record: Readonly<Record<string, T>>) {
  const { [key]: _before, ...others } = annotations ?? {};
  const names = Object.keys(record).sort();
  if (names.length === 0) return others;
  // In one order, so that the same notes are the same text, and the same template.
  return { ...others, [key]: JSON.stringify(Object.fromEntries(names.map((name) => [name, record[name]]))) };
}

/** What somebody wrote over by hand counts as nothing. */
function parse<T>(text: string | undefined, isOne: (value: T) => boolean): Readonly<Record<string, T>> {
  try {
    const parsed = JSON.parse(text ?? "{}") as Record<string, T> | null;
    return Object.fromEntries(Object.entries(parsed ?? {}).filter(([, value]) => isOne(value)));
  } catch {
    return {};
  }
}
