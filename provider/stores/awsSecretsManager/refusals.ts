/** The errors of the contract, in words. */
import { notStored, otherCurrent as otherVersionCurrent } from "../../contracts/refusals";
import type { VersionRef } from "../../contracts/store";
import { NotFoundError, StateError, type ConflictError } from "../../lifecycle/errors";
import type { SecretState } from "./secret";

export function otherCurrent(location: string, current: VersionRef | null, expected: VersionRef | null): ConflictError {
  return otherVersionCurrent(location, current, expected, "no version of ours");
}

export function isCurrent(location: string, { version }: VersionRef): StateError {
  return new StateError(
    `Version ${version} in ${location} is the current one: it cannot be deleted. Nothing was changed. Promote another ` +
      "version first.",
  );
}

export function nothingCurrent(location: string, native: SecretState | null): NotFoundError {
  if (native?.deletedOn === undefined) return notStored(location, "current");
  return new NotFoundError(
    `No version is current in ${location}: the secret is scheduled for deletion (${native.deletedOn.toISOString()}). ` +
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
