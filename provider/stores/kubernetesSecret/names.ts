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
import {
  isMarked,
  labelsOf,
  parseReaderName,
  readerName,
  selectorOf,
  type Metadata,
  type Role,
} from "../../net/kubernetes/marks";

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
    return readerName(this.name, version, epoch);
  }

  /** Whether `found` is the name of a reader of this version, under whatever epoch. */
  isReaderOf(found: string, version: number): boolean {
    return parseReaderName(this.name, found)?.version === version;
  }

  labels(role: Role, version?: number): Record<string, string> {
    return labelsOf(this.name, role, version);
  }

  selector(role: Role, version?: number): string {
    return selectorOf(this.name, role, version);
  }

  /** Whether this store made it, or it was handed over by the labels. */
  isOurs(metadata: Metadata, role: Role): boolean {
    return isMarked(metadata, this.name, role);
  }
}

/** @throws ConfigurationError when a version cannot be named. */
export function assertNameable({ version, token }: VersionRef): void {
  if (Number.isSafeInteger(version) && version >= 0 && token !== "") return;
  throw new ConfigurationError(
    `The kubernetesSecret store cannot name a version ${version} with the token "${token.slice(0, 60)}": the version ` +
      "must be a whole number and the token must not be empty. Nothing was changed.",
  );
}
