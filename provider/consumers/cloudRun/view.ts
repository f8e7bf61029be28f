/** What there is to decide by. Pure. */
import { describeConditions, hasFailed } from "./conditions";
import { shortName, type Revision, type Service, type Template } from "./messages";
import { recordOf, type RollRecord } from "./record";
import { contentOf, isPinned, type Pin } from "./references";
import { howTold, servingShares, wantedShares, type Shares } from "./traffic";

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

export interface View {
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

export function look({ service, revisions }: Seen, { goal }: Plan): View {
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
export function refusal(view: View): string | undefined {
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

export function describeShares(shares: Shares): string {
  const told = [...shares].map(([revision, percent]) => (percent === 100 ? revision : `${revision} ${percent}%`));
  return told.join(", ") || "no revision";
}
