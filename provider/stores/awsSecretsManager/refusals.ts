/** The errors of the contract, in words. */
import type { Revision, VersionRef } from "../../contracts/store";
import { ConflictError, NotFoundError, StateError } from "../../lifecycle/errors";
import type { SecretState } from "./secret";

const DECIDE_ANEW = "Nothing was changed by this run. Load the ledger again and decide anew.";

export function conflict(location: string, expected: Revision, found: string): ConflictError {
  return new ConflictError(
    `The ledger in ${location} is at revision ${found}, not ${expected}: somebody else changed it meanwhile. ` +
      DECIDE_ANEW,
  );
}

export function otherCurrent(location: string, current: VersionRef | null, expected: VersionRef | null): ConflictError {
  const name = (ref: VersionRef | null) =>
    ref === null ? "no version of ours" : `version ${ref.version} (${ref.token})`;
  return new ConflictError(
    `In ${location} ${name(current)} is current, not ${name(expected)}: somebody else changed it. ${DECIDE_ANEW}`,
  );
}

export function isCurrent(location: string, { version }: VersionRef): StateError {
  return new StateError(
    `Version ${version} in ${location} is the current one: it cannot be deleted. Nothing was changed. Promote another ` +
      "version first.",
  );
}

export function notStored(location: string, { version, token }: VersionRef): NotFoundError {
  return new NotFoundError(`Version ${version} (${token}) is not stored in ${location}. Nothing was changed.`);
}

export function nothingCurrent(location: string, native: SecretState | null): NotFoundError {
  return new NotFoundError(
    native?.deletedOn === undefined
      ? `No version is current in ${location}. Promote one first.`
      : `No version is current in ${location}: the secret is scheduled for deletion (${native.deletedOn.toISOString()}). ` +
          "It is restored when a version is stored or promoted.",
  );
}

export function damaged(what: string, location: string): StateError {
  return new StateError(
    `In ${location} ${what} cannot be read: it is gone, or not what was stored. Nothing was changed. Find out who ` +
      "changed the companion secret; AWS keeps versions without a label for at least a day, and their labels can be put " +
      "back with `aws secretsmanager update-secret-version-stage`.",
  );
}
