/** The labels and annotations by which the Secrets of this package are known: written by its store, read by others. */
import type { VersionRef } from "../../contracts/store";

export const LABEL_KEY_PREFIX = "pulumi-rotating-secrets";
export const MANAGED_BY = { key: "app.kubernetes.io/managed-by", value: "pulumi-rotating-secrets" } as const;

/** Labels, which can be selected by. */
const SECRET = `${LABEL_KEY_PREFIX}/secret`;
const ROLE = `${LABEL_KEY_PREFIX}/role`;
/** A label, for people and selectors; and an annotation, beside the others. */
const VERSION = `${LABEL_KEY_PREFIX}/version`;
/** Annotations. */
const TOKEN = `${LABEL_KEY_PREFIX}/token`;
const EPOCH = `${LABEL_KEY_PREFIX}/epoch`;
const FINGERPRINT = `${LABEL_KEY_PREFIX}/fingerprint`;

/** What a Secret is for: `reader` is what pods mount. */
export type Role = "ledger" | "version" | "reader" | "stable";

/** What an object says of itself. */
export interface Metadata {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What is to be read off a Secret of a version. */
export interface Marks {
  readonly ref: VersionRef;
  readonly epoch?: number;
  readonly fingerprint: string;
}

/** The name of the immutable Secret that pods mount of one version, as it is handed out under an epoch. */
export function readerName(name: string, version: number, epoch: number): string {
  return `${name}-v${version}-e${epoch}`;
}

/** @returns `undefined` where it is no such name of this secret. */
export function parseReaderName(name: string, found: string): { version: number; epoch: number } | undefined {
  if (!found.startsWith(`${name}-v`)) return undefined;
  const [, version, epoch] = /^-v(\d+)-e(\d+)$/.exec(found.slice(name.length)) ?? [];
  return version === undefined ? undefined : { version: Number(version), epoch: Number(epoch) };
}

/** @param name the name of the store, from which those of its Secrets are made. */
export function labelsOf(name: string, role: Role, version?: number): Record<string, string> {
  return {
    [MANAGED_BY.key]: MANAGED_BY.value,
    [SECRET]: name,
    [ROLE]: role,
    ...(version === undefined ? {} : { [VERSION]: String(version) }),
  };
}

export function selectorOf(name: string, role: Role, version?: number): string {
  return Object.entries(labelsOf(name, role, version))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Whether the store of this name made it, or it was handed over by the labels. */
export function isMarked({ labels = {} }: Metadata, name: string, role: Role): boolean {
  return Object.entries(labelsOf(name, role)).every(([key, value]) => labels[key] === value);
}

export function annotationsOf({ ref, epoch, fingerprint }: Marks): Record<string, string> {
  return {
    [VERSION]: String(ref.version),
    [TOKEN]: ref.token,
    [FINGERPRINT]: fingerprint,
    ...(epoch === undefined ? {} : { [EPOCH]: String(epoch) }),
  };
}

/** @returns `undefined` where the annotations are not those of a version. */
export function refIn({ annotations = {} }: Metadata): VersionRef | undefined {
  const [version, token] = [Number(annotations[VERSION]), annotations[TOKEN]];
  return Number.isSafeInteger(version) && token !== undefined ? { version, token } : undefined;
}

export function fingerprintIn({ annotations = {} }: Metadata): string | undefined {
  return annotations[FINGERPRINT];
}
