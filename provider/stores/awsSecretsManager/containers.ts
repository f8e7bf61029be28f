/** Makes the two secrets ready to be written to, and refuses those that somebody else rules. */
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError, StateError } from "../../lifecycle/errors";
import { TEXTS } from "./documents";
import { CURRENT, EMPTY, isPlaceholder, LEDGER, MADE } from "./labels";
import type { AwsSecret, SecretState } from "./secret";

export interface Making {
  readonly secret: AwsSecret;
  /** What the first version of it holds: no value, but what a person should know. */
  readonly placeholder: string;
  readonly description: string;
  readonly kmsKeyId: string | undefined;
}

export function nativeMaking(secret: AwsSecret, kmsKeyId: string | undefined): Making {
  return {
    secret,
    placeholder: TEXTS.none,
    description: "Rotated by pulumi-rotating-secrets",
    kmsKeyId,
  };
}

export function companionMaking(secret: AwsSecret, nativeName: string, kmsKeyId: string | undefined): Making {
  return {
    secret,
    placeholder: TEXTS.companion,
    description: `The state of the rotation of ${nativeName}, by pulumi-rotating-secrets; for no other reader`,
    kmsKeyId,
  };
}

/**
 * Makes, restores or completes the secret, so that a version can be stored in it without becoming current: AWS makes
 * the first version of a secret current in any case, so that has to be a placeholder.
 */
export async function makeReady(
  { secret, placeholder, description, kmsKeyId }: Making,
  seen: SecretState | null,
  context: Pick<AdapterContext, "log">,
): Promise<SecretState> {
  let state = seen;
  if (state === null) {
    const refused = await secret.create(MADE, placeholder, description, kmsKeyId);
    state = await secret.describe();
    // Somebody else made it at this moment, or it is scheduled for deletion; otherwise it cannot be made.
    if (state === null && refused !== undefined) throw refused;
  }
  if (state?.deletedOn !== undefined) {
    context.log.warn(
      `The secret ${secret.name} in AWS Secrets Manager was scheduled for deletion ` +
        `(${state.deletedOn.toISOString()}). It is restored, because a version is to be stored in it.`,
    );
    await secret.restore();
    state = await secret.describe();
  }
  const current = state?.labels.get(CURRENT);
  if (state !== null && current === undefined) {
    await secret.put(EMPTY.versionId, placeholder, EMPTY.label);
    state = await secret.describe();
  } else if (state !== null && current === MADE.versionId && !state.labels.has(MADE.label)) {
    // Without a label of ours AWS would collect it some day, and nobody would know any more who made the secret.
    await secret.moveLabel(MADE.label, undefined, MADE.versionId);
    state = await secret.describe();
  }
  if (state !== null && state.deletedOn === undefined) return state;
  throw new StateError(
    `The secret ${secret.name} in AWS Secrets Manager vanished while it was made ready. No version was stored. Find out ` +
      "who removes it, then run again.",
  );
}

/** @throws ConfigurationError where a second one rotates or manages the secret, or it is a copy. */
export async function assertOurs(
  name: string,
  state: SecretState | null,
  region: () => Promise<string>,
): Promise<void> {
  if (state === null) return;
  if (state.rotationEnabled)
    throw new ConfigurationError(
      `The secret ${name} is rotated by AWS Secrets Manager itself, and a secret cannot have two who rotate it. Nothing ` +
        `was changed. Run \`aws secretsmanager cancel-rotate-secret --secret-id ${name}\`, or name another secret.`,
    );
  if (state.owner !== undefined)
    throw new ConfigurationError(
      `The secret ${name} is managed by the service ${state.owner} of AWS: only that can change it. Nothing was changed. ` +
        "Name another secret.",
    );
  if (state.primaryRegion !== undefined && state.primaryRegion !== (await region()))
    throw new ConfigurationError(
      `The secret ${name} in ${await region()} is a copy that AWS keeps of the one in ${state.primaryRegion}: it can only ` +
        `be changed there. Nothing was changed. Set \`region\` to "${state.primaryRegion}"; the copies follow.`,
    );
}

/** @throws StateError when the ledger cannot be read, ConfigurationError when somebody else uses the name. */
export function assertCompanion(name: string, state: SecretState | null): void {
  if (state?.deletedOn !== undefined)
    throw new StateError(
      `The secret ${name}, which holds the ledger, is scheduled for deletion (${state.deletedOn.toISOString()}). Nothing ` +
        `was changed. Run \`aws secretsmanager restore-secret --secret-id ${name}\`, then run again.`,
    );
  const current = state?.labels.get(CURRENT);
  if (current !== undefined && !isPlaceholder(current) && !state?.labels.has(LEDGER))
    throw new ConfigurationError(
      `The secret ${name} is used for something else: it has a value that this adapter did not store, and no ledger. ` +
        "Nothing was changed. Give the secret that is rotated another name, or remove this one.",
    );
}
