/**
 * `rotation adopt`: takes the world as it is into the ledger (rule 24), under the lease, audited. It touches no
 * credential: it looks at the issuer, logs in with what is stored, and writes down what it found.
 */
import {
  changesAnything,
  describeRef,
  planAdoption,
  type AdoptionPlan,
  type FoundVersion,
  type World,
} from "../lifecycle/adoption";
import { addMayUse } from "../lifecycle/confirmation";
import type { Entry } from "../lifecycle/decide";
import { StateError } from "../lifecycle/errors";
import { getVersion, isUnfinished, type LedgerState } from "../lifecycle/ledger";
import { continueTrail, forgottenEvents, reliableEvents } from "./forgotten";
import { repairLabels } from "./retire";
import { activate } from "./rotate";
import { Session, type EventFields, type Parts } from "./session";

export interface AdoptionOrder {
  /** What the Pulumi state names; `null` where the stack has no entry of the secret yet. */
  readonly entry: Entry | null;
  /** The identity in the entry; `null` with no entry. */
  readonly identity: string | null;
  /** Whom the secret is to belong to. */
  readonly owner: LedgerState["owner"];
  /** Why, in the words of whoever asks for it. */
  readonly reason: string;
}

export interface AdoptionResult {
  readonly outcome: "adopted" | "nothing" | "declined";
  readonly warnings: readonly string[];
}

/**
 * @param agree is shown what would be done; nothing is changed unless it says yes.
 * @throws StateError while another run holds the lease, and when the world is in no state that can be adopted.
 */
export async function adopt(
  parts: Parts,
  order: AdoptionOrder,
  agree: (ledger: LedgerState, plan: AdoptionPlan) => Promise<boolean>,
): Promise<AdoptionResult> {
  const work = async (session: Session): Promise<AdoptionResult> => {
    assertAdoptable(session, order);
    const world = await survey(session, parts, order);
    const plan = planAdoption(session.ledger, world, session.now);
    const { warnings } = plan;
    if (!changesAnything(plan)) return { outcome: "nothing", warnings };
    if (!(await agree(session.ledger, plan))) return { outcome: "declined", warnings };
    await carryOut(session, world, plan, order);
    return { outcome: "adopted", warnings };
  };
  return Session.run(parts, work, { holdOutbox: true });
}

function assertAdoptable(session: Session, order: AdoptionOrder): void {
  const { secret } = session;
  if (!session.hasLedger)
    throw new StateError(
      `${secret}: there is no ledger in ${session.store.location}, so there is nothing to adopt into. Nothing was ` +
        `changed. Restore the store; or, if the secret is to start anew, say: pulumi state delete, for its resource.`,
    );
  const { ledger } = session;
  if (ledger.status === "torn-down")
    throw new StateError(`${secret}: it is torn down. Nothing was changed. The next pulumi up makes a first version.`);
  if (ledger.status === "moved")
    throw new StateError(
      `${secret}: it was moved to ${ledger.movedTo ?? "another store"}. Nothing was changed. Name that store in the program.`,
    );
  if (order.identity !== null && order.identity !== ledger.identity)
    throw new StateError(
      `${secret}: ${session.store.location} holds another secret (${ledger.identity}) than the Pulumi state names ` +
        `(${order.identity}); two secrets cannot be made one. Nothing was changed. Put the right store back; or, if the ` +
        `one in the store is right, take the entry out of the state (pulumi state delete), and the next pulumi up takes ` +
        `the one in the store over.`,
    );
}

/** Everything that there is of this secret, whatever the ledger says. Values are only used to log in. */
async function survey(session: Session, parts: Parts, order: AdoptionOrder): Promise<World> {
  const { ledger, store, kind } = session;
  const issued = new Map((await kind.inspect(ledger.identity)).map(({ rotationId, ref }) => [rotationId, ref]));
  const stored = new Map((await store.list()).map((ref) => [ref.token, ref]));
  const found: FoundVersion[] = [];
  for (const rotationId of new Set([...issued.keys(), ...stored.keys()])) {
    const ref = stored.get(rotationId);
    const version = ref && (await store.read(ref));
    const listed = issued.get(rotationId);
    const ended = ledger.versions.some((record) => record.rotationId === rotationId && record.endedAt !== null);
    const login = version && !ended ? await kind.verify(version.value, listed ?? version.issued) : undefined;
    found.push({
      rotationId,
      ...(version
        ? { stored: { version: version.ref.version, fingerprint: version.fingerprint, issued: version.issued } }
        : {}),
      ...(listed ? { issued: listed } : {}),
      ...(login ? { login } : {}),
    });
  }
  const trail = reliableEvents(await parts.audit.read(ledger.identity), ledger.identity);
  const { entry, owner } = order;
  return { entry, owner, found, trail, forgottenEvents: forgottenEvents(ledger, trail).length };
}

async function carryOut(session: Session, world: World, plan: AdoptionPlan, order: AdoptionOrder): Promise<void> {
  const before = session.ledger;
  await session.commit(
    (ledger) => {
      if (plan.forgottenEvents > 0) continueTrail(ledger, world.trail);
      applyPlan(ledger, plan, world, session);
    },
    ...eventsOf(before, plan, order.reason),
  );
  if (session.ledger.status !== "live" || isUnfinished(session.ledger.rotation)) return;
  // Rule 8 moves the label, also where this run is killed before it comes so far.
  await repairLabels(session);
}

function applyPlan(ledger: LedgerState, plan: AdoptionPlan, world: World, session: Session): void {
  const { now } = session;
  ledger.counters = { ...plan.counters };
  ledger.versions = [...ledger.versions, ...plan.recorded].sort((a, b) => a.version - b.version);
  for (const version of plan.gone) getVersion(ledger, version).issued = null;
  if (plan.owner) {
    ledger.owner = plan.owner;
    ledger.secret = session.secret;
    ledger.ownerUnconfirmed = ledger.confirmation === "required";
  }
  if (plan.undead.length > 0 || plan.older.length > 0) ledger.inspectDue = true;
  if (plan.forgetsConfirmations) forgetConfirmations(ledger);
  settleRotation(ledger, plan, world, now);
  changeActive(ledger, plan, world, now);
}

/** Nobody knows what the forgotten steps told whom, so everybody may be using anything until they confirm again. */
function forgetConfirmations(ledger: LedgerState): void {
  for (const rollout of Object.values(ledger.rollouts)) addMayUse(rollout, "unknown");
  for (const residue of Object.values(ledger.residues)) if (!residue.pinned) addMayUse(residue, "unknown");
  if (ledger.confirmation === "required") ledger.ownerUnconfirmed = true;
}

/** A rotation that is over in the world must be neither resumed nor given up by its age. */
function settleRotation(ledger: LedgerState, plan: AdoptionPlan, world: World, now: number): void {
  const { rotation } = ledger;
  if (!rotation || !plan.forgetsConfirmations) return;
  const unfinished: boolean = isUnfinished(rotation);
  if (!unfinished) {
    ledger.rotation =
      rotation.version === plan.active ? { ...rotation, phase: "confirming", promotedAt: null, attempts: 0 } : null;
    return;
  }
  if (plan.older.length === 0) return;
  ledger.rotation = null;
  if (plan.dropped === null) return;
  const record = getVersion(ledger, plan.dropped.version);
  if (record.state !== "pending") return;
  const found = world.found.find((one) => one.rotationId === record.rotationId);
  record.state = found ? "superseded" : "abandoned";
  record.issued = found?.issued ?? (found?.login?.works ? (found.stored?.issued ?? null) : null);
  record.fingerprint ??= found?.stored?.fingerprint ?? null;
  if (found) record.leftAt = now;
  else record.endedAt = now;
}

function changeActive(ledger: LedgerState, plan: AdoptionPlan, world: World, now: number): void {
  const { active } = plan;
  if (active === null || (active === ledger.active && world.entry?.version === active)) return;
  if (plan.older.length === 0 || ledger.status !== "live") return;
  const former = ledger.active === null || ledger.active === active ? null : getVersion(ledger, ledger.active);
  if (former) {
    former.state = "superseded";
    former.leftAt = now;
  }
  const record = getVersion(ledger, active);
  record.rejected = false;
  record.disabledAt = null;
  record.issued ??= world.found.find((one) => one.rotationId === record.rotationId)?.stored?.issued ?? null;
  const { epoch } = ledger.counters;
  activate(ledger, active);
  // What the state names was handed out under that epoch: there is nothing to hand out again.
  if (world.entry?.version === active) ledger.counters.epoch = epoch;
}

function eventsOf(before: LedgerState, plan: AdoptionPlan, reason: string): EventFields[] {
  const events: EventFields[] = [];
  if (plan.owner)
    events.push({
      step: "handed-over",
      version: plan.active,
      reason,
      detail: { from: before.owner.stack, to: plan.owner.stack },
    });
  if (!changesAnything({ ...plan, owner: null })) return events;
  const { version, incarnation, epoch } = before.counters;
  const names = (versions: readonly number[]) => versions.map((one) => `v${one}`).join(", ");
  events.push({
    step: "ledger-adopted",
    version: plan.active,
    reason,
    detail: {
      forgottenEvents: plan.forgottenEvents,
      countersBefore: `v${version}#${incarnation}@${epoch}`,
      counters: `v${plan.counters.version}#${plan.counters.incarnation}@${plan.counters.epoch}`,
      ...(before.active === null ? {} : { activeBefore: `v${before.active}` }),
      ...(plan.recorded.length > 0
        ? { recorded: plan.recorded.map((record) => `v${record.version} ${describeRef(record.issued)}`).join(", ") }
        : {}),
      ...(plan.gone.length > 0 ? { gone: names(plan.gone) } : {}),
      ...(plan.undead.length > 0 ? { undead: names(plan.undead) } : {}),
      ...(plan.dropped ? { dropped: `the rotation of v${plan.dropped.version}` } : {}),
    },
  });
  return events;
}
