/**
 * Which labels and version ids stand for what. Pure.
 *
 * | label                          | on                                                                            |
 * | ------------------------------ | ----------------------------------------------------------------------------- |
 * | AWSCURRENT                     | native: the promoted version, or a placeholder; companion: always a placeholder |
 * | AWSPENDING                     | native: the version that was stored last, until it is promoted or retired     |
 * | AWSPREVIOUS                    | native: what AWSCURRENT was taken from; moved by AWS                          |
 * | rotation-v<version>            | native: every stored version, so that AWS does not collect it                 |
 * | rotation-v<version>-<token>    | companion: the document of that version                                       |
 * | rotation-ledger                | companion: the ledger                                                         |
 * | rotation-ledger-candidate      | companion: the ledger that was written last, committed or not                 |
 * | rotation-none                  | the placeholder that a secret began with                                      |
 * | rotation-cleared               | native: the placeholder of a teardown                                         |
 */
import type { VersionRef } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { versionIdFrom, versionIdOf } from "../../net/aws/versionId";
import type { SecretState } from "./secret";

export const CURRENT = "AWSCURRENT";
export const PENDING = "AWSPENDING";
export const LEDGER = "rotation-ledger";
export const CANDIDATE = "rotation-ledger-candidate";

/** A version that holds no secret: AWS puts AWSCURRENT on the first version of a secret, and never lets go of it. */
export interface Placeholder {
  readonly versionId: string;
  readonly label: string;
}

/** The placeholder of a secret that this adapter made. */
export const MADE: Placeholder = { versionId: versionIdFrom("made"), label: "rotation-none" };
/** That of a secret which somebody else made, without a value. */
export const EMPTY: Placeholder = { versionId: versionIdFrom("empty"), label: "rotation-none" };
export const CLEARED: Placeholder = { versionId: versionIdFrom("cleared"), label: "rotation-cleared" };

const PLACEHOLDERS = new Set([MADE, EMPTY, CLEARED].map(({ versionId }) => versionId));
const MAX_LABEL_LENGTH = 256;
/** After a hyphen the token as it is, after a point as base64url. */
const DOCUMENT_LABEL = /^rotation-v(\d+)([-.])(.+)$/;
const PLAIN_TOKEN = /^[A-Za-z0-9_-]+$/;

export function isPlaceholder(versionId: string | undefined): boolean {
  return versionId !== undefined && PLACEHOLDERS.has(versionId);
}

/** @throws ConfigurationError when AWS has no label for it. */
export function documentLabel({ version, token }: VersionRef): string {
  const plain = PLAIN_TOKEN.test(token);
  const label = `rotation-v${version}${plain ? "-" : "."}${plain ? token : Buffer.from(token).toString("base64url")}`;
  if (Number.isSafeInteger(version) && version >= 0 && token !== "" && label.length <= MAX_LABEL_LENGTH) return label;
  throw new ConfigurationError(
    `AWS Secrets Manager cannot name a version ${version} with the token "${token.slice(0, 60)}": the version must be ` +
      `a whole number, and the label made of both at most ${MAX_LABEL_LENGTH} characters long. Nothing was changed.`,
  );
}

/** The versions that are stored, in order: those whose document has its label. */
export function storedRefs(companion: SecretState | null): readonly VersionRef[] {
  const refs: VersionRef[] = [];
  for (const [label, versionId] of companion?.labels ?? []) {
    const [, version, kind, text = ""] = DOCUMENT_LABEL.exec(label) ?? [];
    if (version === undefined) continue;
    const token = kind === "-" ? text : Buffer.from(text, "base64url").toString();
    const ref = { version: Number(version), token };
    if (versionIdOf(ref) === versionId) refs.push(ref);
  }
  return refs.sort((a, b) => a.version - b.version || (a.token < b.token ? -1 : 1));
}

/** The stored version that readers without a label get; `null` where they get something that is not ours, or nothing. */
export function currentRef(native: SecretState | null, companion: SecretState | null): VersionRef | null {
  const current = native?.deletedOn === undefined ? native?.labels.get(CURRENT) : undefined;
  return storedRefs(companion).find((ref) => versionIdOf(ref) === current) ?? null;
}

/** The label that keeps a version in the native secret: the one it has, else one that no other version has. */
export function nativeLabel(native: SecretState, ref: VersionRef): { readonly label: string; readonly has: boolean } {
  const id = versionIdOf(ref);
  const plain = `rotation-v${ref.version}`;
  const holder = native.labels.get(plain);
  // Two versions of one number are not made by a rotation, but must not take the label from each other.
  const label = holder === undefined || holder === id ? plain : `${plain}-${id}`;
  return { label, has: native.labels.get(label) === id };
}

export function labelsOf(state: SecretState | null, versionId: string): readonly string[] {
  return [...(state?.labels ?? [])].filter(([, holder]) => holder === versionId).map(([label]) => label);
}
