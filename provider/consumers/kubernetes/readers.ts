/** The Secrets that pods can read a version from, as the kubernetesSecret store made them. */
import type { StoredVersion } from "../../contracts/store";
import { ConfigurationError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { fingerprintIn, parseReaderName, refIn, selectorOf, type Metadata } from "../../net/kubernetes/marks";

/** A Secret, without what is in it. */
export interface FoundSecret {
  readonly metadata: Metadata & { readonly name: string; readonly deletionTimestamp?: string };
  readonly keys: readonly string[];
}

/** One secret of the target, as it is in the cluster. */
export interface Wanted {
  /** The secret's name. */
  readonly secret: string;
  /** The name of its store, which the names of its Secrets begin with. */
  readonly base: string;
  readonly version: number;
  readonly fingerprint: string;
  /** Every Secret of the version, the one of the latest epoch first. */
  readonly readers: readonly FoundSecret[];
}

export function readerSelector(base: string, { ref }: StoredVersion): string {
  return selectorOf(base, "reader", ref.version);
}

/**
 * @param found what the cluster has with the labels of the version.
 * @throws ConfigurationError when none of them is that of the version.
 */
export function wantedOf(version: StoredVersion, base: string, found: readonly FoundSecret[], place: string): Wanted {
  const { secret, ref, fingerprint } = version;
  const readers = found
    .filter(({ metadata }) => isOf(version, metadata) && parseReaderName(base, metadata.name) !== undefined)
    .sort((a, b) => epochOf(base, b) - epochOf(base, a));
  if (readers.length > 0) return { secret, base, version: ref.version, fingerprint, readers };
  const seen = found.map(({ metadata }) => {
    const going = metadata.deletionTimestamp === undefined ? "" : ", and is being deleted";
    return `"${metadata.name}" has the fingerprint ${shown(fingerprintIn(metadata))} and the token ${shown(refIn(metadata)?.token)}${going}`;
  });
  throw new ConfigurationError(
    `${place} has no Secret with v${ref.version} of "${secret}". Looked for one called ${base}-v${ref.version}-e<epoch> ` +
      `with the labels ${selectorOf(base, "reader", ref.version)} and the fingerprint ${fingerprint}; ` +
      `${seen.length === 0 ? "there is none with these labels" : seen.join("; ")}. Nothing was changed. Keep the secret in a ` +
      `kubernetesSecret store or replica of this namespace, and say in \`secrets\` what that is called if it is not "${base}".`,
  );
}

function isOf({ ref, fingerprint }: StoredVersion, metadata: FoundSecret["metadata"]): boolean {
  return (
    isSameRef(refIn(metadata) ?? null, ref) &&
    fingerprintIn(metadata) === fingerprint &&
    metadata.deletionTimestamp === undefined
  );
}

const epochOf = (base: string, { metadata }: FoundSecret) => parseReaderName(base, metadata.name)?.epoch ?? 0;
const shown = (text: string | undefined) => (text === undefined ? "(none)" : text.slice(0, 80));
