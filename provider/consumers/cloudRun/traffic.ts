/** Who gets the requests, as it is and as it should be. Pure. */
import { shortName, type Service, type TrafficStatus, type TrafficTarget } from "./messages";

const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" as const;
const REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION" as const;

/** The tag by which the new revision is asked before it gets requests. */
export const PROBE_TAG = "rotation-probe";

/** Percent of the requests by the short name of a revision; none has 0. */
export type Shares = ReadonlyMap<string, number>;

/** By the platform's own record of what is. */
export function servingShares(service: Service): Shares {
  return sharesOf(service.trafficStatuses ?? [], shortName(service.latestReadyRevision));
}

/** As the service is told. */
export function wantedShares(service: Service): Shares {
  const traffic = service.traffic ?? [];
  return sharesOf(
    traffic.length > 0 ? traffic : [{ type: LATEST, percent: 100 }],
    shortName(service.latestReadyRevision),
  );
}

function sharesOf(targets: readonly TrafficTarget[], latest: string): Shares {
  const shares = new Map<string, number>();
  for (const target of targets) {
    const percent = target.percent ?? 0;
    if (percent === 0) continue;
    // The status of what goes to the latest revision need not name it.
    const revision = isLatest(target) ? shortName(target.revision) || latest : shortName(target.revision);
    shares.set(revision, (shares.get(revision) ?? 0) + percent);
  }
  return shares;
}

/** Whether both say the same. */
export function sameShares(a: Shares, b: Shares): boolean {
  return a.size === b.size && [...a].every(([revision, percent]) => b.get(revision) === percent);
}

/** The only revision that gets requests; `undefined` where there are several, or none. */
export function soleOf(shares: Shares): string | undefined {
  const [first] = shares.keys();
  return shares.size === 1 ? first : undefined;
}

/** How the traffic is told: to whatever is the latest revision, to one that is named, or to several. */
export type Told = "latest" | "named" | "split";

export function howTold(service: Service): Told {
  const main = (service.traffic ?? []).filter(({ percent = 0 }) => percent > 0);
  if (main.every(isLatest)) return "latest";
  return main.length === 1 ? "named" : "split";
}

/** Whether requests go to named revisions only, so that a new one gets none when it is ready. */
export function isNamedOnly(service: Service): boolean {
  const serving = (service.trafficStatuses ?? []).filter(({ percent = 0 }) => percent > 0);
  return !serving.some(isLatest);
}

export function toLatest(service: Service): readonly TrafficTarget[] {
  return [{ type: LATEST, percent: 100 }, ...tagsOf(service)];
}

/** @param shares of short names; together 100. */
export function toRevisions(service: Service, shares: Shares): readonly TrafficTarget[] {
  const named = [...shares].map(([revision, percent]) => ({ type: REVISION, revision, percent }));
  return [...named, ...tagsOf(service)];
}

export function withProbeTag(traffic: readonly TrafficTarget[], revision: string): readonly TrafficTarget[] {
  return [...traffic, { type: REVISION, revision, percent: 0, tag: PROBE_TAG }];
}

/** Where the revision is asked by our tag. */
export function probeUri(service: Service, revision: string): string | undefined {
  const found = (service.trafficStatuses ?? []).find(
    (status: TrafficStatus) => status.tag === PROBE_TAG && shortName(status.revision) === revision,
  );
  return found?.uri === undefined || found.uri === "" ? undefined : found.uri;
}

/** @param on absent: whatever revision has it. */
export function hasProbeTag(service: Service, on?: string): boolean {
  return (service.traffic ?? []).some(
    ({ tag, revision }) => tag === PROBE_TAG && (on === undefined || shortName(revision) === on),
  );
}

/** The user's own tags, which stay what they were, without requests but by their address. */
function tagsOf(service: Service): readonly TrafficTarget[] {
  return (service.traffic ?? [])
    .filter(({ tag }) => tag !== undefined && tag !== "" && tag !== PROBE_TAG)
    .map((target) => ({ ...target, percent: 0 }));
}

function isLatest({ type, revision = "" }: TrafficTarget): boolean {
  return type === LATEST || (type !== REVISION && revision === "");
}
