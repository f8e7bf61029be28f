/** What becomes of a secret that this adapter made once nothing is left in it. */
import type { AdapterContext } from "../../contracts/context";
import { ConfigurationError } from "../../lifecycle/errors";
import { Refused } from "./failures";
import { CLEARED, CURRENT, MADE } from "./labels";
import { DEFAULT_RECOVERY_WINDOW_DAYS, type AwsSecretsManagerOptions } from "./options";
import type { AwsSecret, SecretState } from "./secret";

/** Pure: only a secret that was torn down, is empty, and that nobody else made. */
export function mayBeDeleted(native: SecretState | null, storedVersions: number): boolean {
  return (
    native !== null &&
    native.deletedOn === undefined &&
    storedVersions === 0 &&
    native.labels.get(CURRENT) === CLEARED.versionId &&
    native.labels.get(MADE.label) === MADE.versionId
  );
}

/** The companion stays: it holds the counters of the ledger, which a later secret of this name goes on with. */
export async function scheduleDeletion(
  secret: AwsSecret,
  native: SecretState | null,
  storedVersions: number,
  { recoveryWindowDays = DEFAULT_RECOVERY_WINDOW_DAYS }: Pick<AwsSecretsManagerOptions, "recoveryWindowDays">,
  { log }: Pick<AdapterContext, "log">,
): Promise<void> {
  if (!mayBeDeleted(native, storedVersions)) return;
  try {
    await secret.scheduleDeletion(recoveryWindowDays);
  } catch (error) {
    // Its values are dead already: no reason to fail a teardown. AWS refuses where the secret has copies.
    if (!(error instanceof Refused) && !(error instanceof ConfigurationError)) throw error;
    log.warn(
      `The secret ${secret.name} holds nothing any more, but could not be scheduled for deletion: ${error.message} ` +
        "Remove its copies in other regions, if there are any, and delete it by hand.",
    );
  }
}
