/** What Cloud Run says of a revision and of a service. Pure. */
import type { Condition, Revision, Service } from "./messages";

const READY = "Ready";
/** https://github.com/knative/specs/blob/main/specs/serving/knative-api-specification-1.0.md#service-status */
const ROUTES = "RoutesReady";
const FAILED = "CONDITION_FAILED";

export function isReady(revision: Revision | undefined): boolean {
  return stateOf(revision, READY) === "CONDITION_SUCCEEDED";
}

/** It will not come up any more. */
export function hasFailed(revision: Revision | undefined): boolean {
  return stateOf(revision, READY) === FAILED;
}

/** The traffic could not be told where to go. */
export function failedRoutes(service: Service): Condition | undefined {
  if (service.reconciling === true) return undefined;
  return (service.conditions ?? []).find(({ type, state }) => type === ROUTES && state === FAILED);
}

/** Whoever it is that is not there yet, or has failed: each with the code word and the platform's own words. */
export function describeConditions(revision: Revision): string {
  const open = (revision.conditions ?? []).filter(({ state }) => state !== "CONDITION_SUCCEEDED");
  // The others say the same as what they make fail.
  const failed = open.filter(({ state }) => state === FAILED);
  const told = failed.length > 0 ? failed : open;
  return told.length === 0 ? "no condition is told yet" : [...new Set(told.map(describeCondition))].join("; ");
}

export function describeCondition({ type, reason, revisionReason, message, state }: Condition): string {
  const word = [reason, revisionReason].find(
    (each) => each !== undefined && !each.endsWith("_UNDEFINED") && each !== "",
  );
  const said = (message ?? "").trim().replace(/\.$/, "");
  return `${type ?? "condition"} ${word ?? state ?? "unknown"}${said === "" ? "" : ` (${said})`}`;
}

/** The permission of the service's own account that is missing, where that is why it failed. */
export function lacksSecret(revision: Revision): boolean {
  return (revision.conditions ?? []).some(({ reason }) => reason === "SECRETS_ACCESS_CHECK_FAILED");
}

function stateOf(revision: Revision | undefined, wanted: string): string | undefined {
  return revision?.conditions?.find(({ type }) => type === wanted)?.state;
}
