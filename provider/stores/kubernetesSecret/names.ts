/**
 * The names, labels and annotations of a secret's Secrets:
 *
 * ```
 * <name>-rotation                 the ledger, and the label of "current"; role ledger
 * <name>-rotation-<hash>          one stored version, named after its token; role version
 * <name>-v<version>-e<epoch>      what readers get of one version under one epoch, immutable; role reader
 * <name>                          what readers of "current" get, where stableName asks for it; role stable
 * ```
 */
import { createHash } from "node:crypto";
import type { VersionRef } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";

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

export class Names {
  constructor(private readonly name: string) {}

  get stable(): string {
    return this.name;
  }

  get ledger(): string {
    return `${this.name}-rotation`;
  }

  /** After the token alone: whoever stores under the same token meets the same Secret. */
  version({ token }: Pick<VersionRef, "token">): string {
    return `${this.name}-rotation-${createHash("sha256").update(token).digest("hex").slice(0, 24)}`;
  }

  reader(version: number, epoch: number): string {
    return `${this.name}-v${version}-e${epoch}`;
  }

  labels(role: Role, version?: number): Record<string, string> {
    return {
      [MANAGED_BY.key]: MANAGED_BY.value,
      [SECRET]: this.name,
      [ROLE]: role,
      ...(version === undefined ? {} : { [VERSION]: String(version) }),
    };
  }

  selector(role: Role, version?: number): string {
    return Object.entries(this.labels(role, version))
      .map(([key, value]) => `${key}=${value}`)
      .join(",");
  }

  /** Whether this store made it, or it was handed over by the labels. */
  isOurs({ labels = {} }: Metadata, role: Role): boolean {
    return Object.entries(this.labels(role)).every(([key, value]) => labels[key] === value);
  }
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

/** @throws ConfigurationError when a version cannot be named. */
export function assertNameable({ version, token }: VersionRef): void {
  if (Number.isSafeInteger(version) && version >= 0 && token !== "") return;
  throw new ConfigurationError(
    `The kubernetesSecret store cannot name a version ${version} with the token "${token.slice(0, 60)}": the version ` +
      "must be a whole number and the token must not be empty. Nothing was changed.",
  );
}
