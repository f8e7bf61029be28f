/** What the stores say alike where they refuse: a ledger that moved on, another current version, one that is not there. */
import { ConflictError, NotFoundError } from "../lifecycle/errors";
import type { Revision, VersionRef } from "./store";

const DECIDE_ANEW = "Nothing was changed by this run. Load the ledger again and decide anew.";

/** @param found the revision that the ledger is at. */
export function staleRevision(location: string, expected: Revision, found: string): ConflictError {
  return new ConflictError(
    `The ledger in ${location} is at revision ${found}, not ${expected}: somebody else changed it meanwhile. ` +
      DECIDE_ANEW,
  );
}

/** @param none what stands where no version of this library is current. */
export function otherCurrent(
  location: string,
  current: VersionRef | null,
  expected: VersionRef | null,
  none = "no version",
): ConflictError {
  const name = (ref: VersionRef | null) => (ref === null ? none : `version ${ref.version} (${ref.token})`);
  return new ConflictError(
    `In ${location} ${name(current)} is current, not ${name(expected)}: somebody else changed it. ${DECIDE_ANEW}`,
  );
}

export function notStored(location: string, selector: VersionRef | "current"): NotFoundError {
  return new NotFoundError(
    selector === "current"
      ? `No version is current in ${location}. Promote one first.`
      : `Version ${selector.version} (${selector.token}) is not stored in ${location}. Nothing was changed.`,
  );
}
