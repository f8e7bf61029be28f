/** What a template has to name for a target: each secret's native versions, as the store has recorded them. */
import type { RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { isSameRef } from "../../lifecycle/values";
import { companionOf, parseVersion, VERSION_KEY } from "../../net/gcp/versionRecord";
import type { CloudRunClient, SecretRecord } from "./client";
import { namedVersions, type Pin } from "./references";
import type { Workload } from "./messages";
import type { CloudRunConsumerOptions } from "./options";

/**
 * Secret Manager promises only that others see a change of a secret soon, within minutes at the most:
 * https://cloud.google.com/secret-manager/docs/reference/consistency
 */
const LOOKS = 6;
const FIRST_WAIT_MS = 250;

type StoredVersion = RollTarget["secrets"][number];

/** @throws ConfigurationError, StateError */
export async function goalOf(
  target: RollTarget,
  options: CloudRunConsumerOptions,
  client: CloudRunClient,
  context: AdapterContext,
): Promise<readonly Pin[]> {
  checkNames(target, options);
  const used = target.secrets.flatMap((stored) => {
    const named = options.secrets?.[stored.secret];
    if (named === false) return [];
    return [{ stored, id: named?.secret ?? stored.secret, project: named?.project ?? options.project }];
  });
  if (used.length === 0)
    throw new ConfigurationError(
      `Consumer "${options.name}": all secrets of the rollout are said to be unused (secrets: false). Nothing was changed. ` +
        "Take the consumer out of the rollout, or name what it uses.",
    );
  return Promise.all(used.map((secret) => pinOf(secret, options, client, context)));
}

/** @throws ConfigurationError where the template names a secret nowhere. */
export function assertNamed(
  template: Workload,
  goal: readonly Pin[],
  { name, service }: CloudRunConsumerOptions,
): void {
  for (const pin of goal) {
    if (namedVersions(template, pin).length > 0) continue;
    throw new ConfigurationError(
      `Consumer "${name}": the template of the service ${service} names the secret ${pin.id} in no environment variable ` +
        `and no volume, so that it could be moved to no version of "${pin.secret}". Nothing was changed. Reference it ` +
        `there (${[...pin.names].join(" or ")}), or say secrets: { "${pin.secret}": … } with what it is called there, or ` +
        "false.",
    );
  }
}

function checkNames(target: RollTarget, { name, secrets }: CloudRunConsumerOptions): void {
  const known = new Set(target.secrets.map(({ secret }) => secret));
  const unknown = Object.keys(secrets ?? {}).filter((secret) => !known.has(secret));
  if (unknown.length === 0) return;
  throw new ConfigurationError(
    `Consumer "${name}": secrets names ${unknown.map((secret) => `"${secret}"`).join(", ")}, which the rollout does not ` +
      `have; it has ${[...known].map((secret) => `"${secret}"`).join(", ")}. Nothing was changed. Correct the names.`,
  );
}

async function pinOf(
  { stored, id, project }: { readonly stored: StoredVersion; readonly id: string; readonly project: string },
  options: CloudRunConsumerOptions,
  client: CloudRunClient,
  { clock, signal }: AdapterContext,
): Promise<Pin> {
  const companion = companionOf(id);
  for (let look = 1; ; look++) {
    const record = await client.getSecret(project, companion);
    const numbers = nativesOf(record, stored);
    if (numbers.length > 0) {
      const number = /^projects\/([^/]+)\//.exec(record.name ?? "")?.[1] ?? project;
      const names = new Set([project, number].map((each) => `projects/${each}/secrets/${id}`));
      if (project === options.project) names.add(id);
      return { secret: stored.secret, version: stored.ref.version, id, names, numbers };
    }
    if (look >= LOOKS)
      throw new StateError(
        `Consumer "${options.name}": the secret ${companion} of the project ${project} records no version of ${id} that ` +
          `holds v${stored.ref.version} of "${stored.secret}". Nothing was changed. Check that "${stored.secret}" is kept ` +
          `in Secret Manager under the name ${id}, then run again; a change of a secret may take minutes until it is seen.`,
      );
    await clock.sleep(FIRST_WAIT_MS * 2 ** (look - 1), signal);
  }
}

function nativesOf({ annotations }: SecretRecord, { ref }: StoredVersion): readonly number[] {
  const recorded = Object.entries(annotations ?? {})
    .filter(([key]) => key.startsWith(VERSION_KEY))
    .map(([, text]) => parseVersion(text));
  return recorded.find((version) => version !== undefined && isSameRef(version.ref, ref))?.native ?? [];
}
