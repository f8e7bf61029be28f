/**
 * What is to be done next, from what is there. Pure. A run that was stopped anywhere looks, and goes on; nothing is
 * remembered but what the service and its revisions say of themselves.
 *
 * Order of a roll: the traffic is kept where it is, by name; the template with the target's versions; the new revision is
 * ready; it is asked by its own address; the traffic moves, in steps; the traffic is told as the user had told it. On the
 * way back the revision that served before gets all traffic first, if it is still there.
 */
import { attemptOf, contentOf, isPinned, pinned, type Pin } from "./references";
import { describeCondition, describeConditions, failedRoutes, hasFailed, isReady } from "./conditions";
import { shortName, type Revision, type Service, type Template, type TrafficTarget } from "./messages";
import { recordOf, withRecord, type RollRecord } from "./record";
import {
  hasProbeTag,
  howTold,
  isNamedOnly,
  probeUri,
  sameShares,
  servingShares,
  soleOf,
  toLatest,
  toRevisions,
  wantedShares,
  withProbeTag,
  type Shares,
} from "./traffic";

export interface Seen {
  readonly service: Service;
  /** By their short names: those that serve, the one made last, and the one that served before. */
  readonly revisions: ReadonlyMap<string, Revision>;
}

export interface Plan {
  readonly goal: readonly Pin[];
  /** How much of the traffic the new revision gets, step by step, before it gets all. */
  readonly percents: readonly number[];
  readonly probes: boolean;
}

/** What this roll has seen so far; of a former run's nothing is known. */
export interface Progress {
  /** The revision made last when the roll began, where it had failed. */
  readonly failedBefore: string | undefined;
  /** Whether this roll has changed the template: then another revision is on its way, seen or not. */
  readonly hasDeployed: boolean;
  /** Revisions that gave the probe a good answer. */
  readonly probed: ReadonlySet<string>;
  /** The steps of the traffic that were kept up as long as they are to be. */
  readonly held: ReadonlySet<number>;
}

/** What is not given stays as it is. */
export interface Change {
  readonly template?: Template;
  readonly traffic: readonly TrafficTarget[];
  readonly annotations: Readonly<Record<string, string>>;
}

export type Step =
  | { readonly kind: "done" }
  | { readonly kind: "wait"; readonly detail: string }
  | { readonly kind: "change"; readonly what: string; readonly change: Change }
  | { readonly kind: "probe"; readonly revision: string; readonly uri: string }
  | { readonly kind: "hold"; readonly revision: string; readonly percent: number }
  /** The version does not come up. */
  | { readonly kind: "failed"; readonly why: string; readonly revision?: Revision | undefined }
  /** The service is in a state in which it must not be touched. */
  | { readonly kind: "refused"; readonly why: string };

export function nextStep(seen: Seen, plan: Plan, progress: Progress): Step {
  const view = look(seen, plan);
  const { service, isTemplatePinned, isServingPinned, created } = view;
  // What is settled is left alone, however it came about.
  if (view.record?.phase !== "rolling" && isServingPinned && (isTemplatePinned || !view.isServed))
    return { kind: "done" };
  const refused = refusal(view);
  if (refused !== undefined) return { kind: "refused", why: refused };
  // What we began for another version need not come up first.
  const isGivenUp = view.record?.phase === "rolling" && view.isOurs && !isTemplatePinned;
  if (service.reconciling === true && !hasFailed(created) && !isGivenUp)
    return { kind: "wait", detail: describeWork(view) };
  return isTemplatePinned ? afterTemplate(view, plan, progress) : beforeTemplate(view, plan);
}

interface View {
  readonly service: Service;
  readonly revisions: ReadonlyMap<string, Revision>;
  readonly template: Template;
  readonly record: RollRecord | undefined;
  readonly shares: Shares;
  readonly wanted: Shares;
  readonly createdName: string;
  readonly created: Revision | undefined;
  readonly content: string;
  readonly isTemplatePinned: boolean;
  readonly isServingPinned: boolean;
  /** Whether the user's traffic goes to the latest revision, whichever that is. */
  readonly latest: boolean;
  readonly isSplit: boolean;
  /** Whether what the template says but for the versions is what serves, or is to. */
  readonly isServed: boolean;
  /** Whether nobody else has changed the template since we did. */
  readonly isOurs: boolean;
}

function look({ service, revisions }: Seen, { goal }: Plan): View {
  const template = service.template ?? {};
  const record = recordOf(service);
  const isRolling = record?.phase === "rolling";
  const shares = servingShares(service);
  const createdName = shortName(service.latestCreatedRevision);
  const content = contentOf(template, goal);
  const told = howTold(service);
  const latest = told === "latest" || (isRolling && record.latest);
  const isOurs = record?.content === content;
  const pinsGoal = (name: string) => {
    const revision = revisions.get(name);
    return revision !== undefined && isPinned(revision, goal);
  };
  return {
    service,
    revisions,
    template,
    record,
    shares,
    wanted: wantedShares(service),
    createdName,
    created: revisions.get(createdName),
    content,
    isTemplatePinned: isPinned(template, goal),
    isServingPinned: shares.size > 0 && [...shares.keys()].every(pinsGoal),
    latest,
    isSplit: told === "split" && !isRolling,
    isServed: latest || shares.has(createdName) || isOurs,
    isOurs,
  };
}

/** Why it must not be touched, if it must not. */
function refusal(view: View): string | undefined {
  const { createdName, shares, created } = view;
  if (view.isSplit)
    return (
      `its traffic is split (${describeShares(shares)}) by somebody else, so that no single revision can take the place ` +
      "of what serves. Send all of it to one revision first"
    );
  if (!view.isServed)
    return (
      `its traffic is kept at ${describeShares(shares)}, while its template is that of ${createdName}, which gets ` +
      "none: a new revision would bring along what was not to be served yet. Send the traffic there, or deploy the " +
      "former template again, first"
    );
  if (hasFailed(created) && created !== undefined && !shares.has(createdName) && !view.isOurs)
    return (
      `the revision ${createdName}, which somebody else deployed last, has failed: ${describeConditions(created)}. A new ` +
      "revision would fail as well. Repair it first"
    );
  return undefined;
}

function beforeTemplate(view: View, { goal }: Plan): Step {
  const { service, record, shares, revisions } = view;
  const former = record !== undefined && view.isOurs ? revisions.get(record.former) : undefined;
  if (
    record !== undefined &&
    former !== undefined &&
    !view.isServingPinned &&
    isPinned(former, goal) &&
    isReady(former)
  ) {
    const back: Shares = new Map([[record.former, 100]]);
    if (sameShares(view.wanted, back)) return untilServed(view);
    const traffic = toRevisions(service, back);
    return change(view, `all traffic goes back to ${record.former}`, { traffic }, "rolling");
  }
  const sole = soleOf(shares);
  return makeRevision(view, goal, sole === undefined ? former : revisions.get(sole), 1);
}

function makeRevision(view: View, goal: readonly Pin[], like: Revision | undefined, attempt: number): Step {
  const { service, shares } = view;
  if (shares.size > 0 && howTold(service) === "latest") {
    const what = `the traffic is kept at ${describeShares(shares)}`;
    return change(view, what, { traffic: toRevisions(service, shares) }, "rolling");
  }
  if (!isNamedOnly(service)) return untilServed(view);
  const template = pinned(view.template, goal, like, attempt);
  const what = `a revision that uses ${goal.map(({ secret, version }) => `v${version} of "${secret}"`).join(", ")} is made`;
  return change(view, what, { template, traffic: frozen(view) }, "rolling");
}

function afterTemplate(view: View, plan: Plan, progress: Progress): Step {
  const { created, createdName } = view;
  if (created === undefined || !isPinned(created, plan.goal))
    return { kind: "wait", detail: "the new revision is not made yet" };
  if (hasFailed(created)) {
    if (progress.failedBefore === createdName && progress.hasDeployed)
      return { kind: "wait", detail: "the new revision is not made yet" };
    if (progress.failedBefore === createdName)
      return makeRevision(view, plan.goal, created, attemptOf(view.template) + 1);
    return {
      kind: "failed",
      why: `the revision ${createdName} has failed: ${describeConditions(created)}`,
      revision: created,
    };
  }
  if (!isReady(created)) return { kind: "wait", detail: `${createdName}: ${describeConditions(created)}` };
  // What serves has the target's versions already: there is nothing left to be careful about.
  return (view.isServingPinned ? undefined : moveTraffic(view, plan, progress)) ?? settle(view);
}

/** Probe and steps; `undefined` when the new revision may have all. */
function moveTraffic(view: View, { percents, probes }: Plan, progress: Progress): Step | undefined {
  const { service, createdName, wanted } = view;
  if (probes && !progress.probed.has(createdName)) {
    const uri = probeUri(service, createdName);
    if (uri !== undefined) return { kind: "probe", revision: createdName, uri };
    if (hasProbeTag(service, createdName))
      return { kind: "wait", detail: `${createdName} has no address of its own yet` };
    const traffic = withProbeTag(frozen(view), createdName);
    return change(view, `${createdName} gets an address of its own`, { traffic }, "rolling");
  }
  if (percents.length === 0) return undefined;
  if (!sameShares(view.shares, wanted)) return untilServed(view);
  const now = wanted.get(createdName) ?? 0;
  if (percents.includes(now) && !progress.held.has(now)) return { kind: "hold", revision: createdName, percent: now };
  const next = percents.find((percent) => percent > now);
  const rest = [...wanted].filter(([name]) => name !== createdName).sort(([, a], [, b]) => b - a)[0]?.[0];
  if (next === undefined || rest === undefined) return undefined;
  const split = toRevisions(
    service,
    new Map([
      [createdName, next],
      [rest, 100 - next],
    ]),
  );
  const traffic = hasProbeTag(service) ? withProbeTag(split, createdName) : split;
  return change(view, `${createdName} gets ${next}% of the traffic`, { traffic }, "rolling");
}

/** The traffic as the user had told it. */
function settle(view: View): Step {
  const { service, createdName, latest, shares, record } = view;
  if (latest && shortName(service.latestReadyRevision) !== createdName)
    return { kind: "wait", detail: `${createdName} is not the latest ready revision yet` };
  const sole = view.isServingPinned ? soleOf(shares) : undefined;
  const all: Shares = new Map([[sole ?? createdName, 100]]);
  const isTold = latest ? howTold(service) === "latest" : sameShares(view.wanted, all);
  if (!isTold || hasProbeTag(service) || record?.phase === "rolling") {
    const traffic = latest ? toLatest(service) : toRevisions(service, all);
    return change(view, `${latest ? createdName : (sole ?? createdName)} gets all traffic`, { traffic }, "done");
  }
  return sameShares(shares, view.wanted) ? { kind: "done" } : untilServed(view);
}

function untilServed(view: View): Step {
  const routes = failedRoutes(view.service);
  const where = `the traffic is at ${describeShares(view.shares)}, and told to go to ${describeShares(view.wanted)}`;
  if (routes === undefined) return { kind: "wait", detail: `${where} by name` };
  return { kind: "failed", why: `the traffic could not be moved: ${describeCondition(routes)}; ${where}` };
}

function change(
  view: View,
  what: string,
  { template, traffic }: Pick<Change, "template" | "traffic">,
  phase: RollRecord["phase"],
): Step {
  const { record, isOurs, content, latest } = view;
  // What served before the template was changed for the first time, not what serves by now.
  const keeps = record !== undefined && isOurs && (template === undefined || view.isServingPinned);
  const former = keeps ? record.former : (soleOf(view.shares) ?? record?.former ?? "");
  const annotations = withRecord(view.service, { phase, latest, former, content });
  return { kind: "change", what, change: { ...(template === undefined ? {} : { template }), traffic, annotations } };
}

/** The traffic where it is, by name. */
function frozen({ service, shares }: View): readonly TrafficTarget[] {
  return shares.size === 0 ? toLatest(service) : toRevisions(service, shares);
}

function describeWork({ created, createdName }: View): string {
  if (created === undefined || isReady(created)) return "Cloud Run carries out the last change";
  return `Cloud Run carries out the last change; ${createdName}: ${describeConditions(created)}`;
}

export function describeShares(shares: Shares): string {
  const told = [...shares].map(([revision, percent]) => (percent === 100 ? revision : `${revision} ${percent}%`));
  return told.join(", ") || "no revision";
}
