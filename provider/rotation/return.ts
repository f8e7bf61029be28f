/** The return to the superseded version: the only way to leave a version that was handed out (rule 14). */
import { RotationError, StateError } from "../lifecycle/errors";
import { getVersion, refOf, returnTarget, type RotationRecord, type VersionRecord } from "../lifecycle/ledger";
import { enable } from "./retire";
import { activate } from "./rotate";
import type { Session } from "./session";
import { verifyStored } from "./verify";

export interface ReturnOptions {
  /** Whether this is `create()`, which gives the engine a new entry. */
  readonly inCreate: boolean;
}

/** Commits the intention to return, once the superseded version is shown to work (rule 17). */
export async function startReturn(
  session: Session,
  why: string,
  good: VersionRecord | undefined = returnTarget(session.ledger),
): Promise<void> {
  const bad = session.ledger.active;
  if (!good || bad === null) throw new StateError(`${session.secret}: there is no superseded version to return to.`);
  if (good.state === "disabled") await enable(session, good, why);
  const verification = await verifyStored(session, good);
  if (!verification.works)
    throw new RotationError(
      `${session.secret}: v${bad} should be left (${why}), but v${good.version} does not work any more: ` +
        `${verification.detail}. v${bad} stays active, and nothing was retired. Find out which of the two can be mended.`,
    );
  await session.commit(
    (ledger) => {
      const { reason } = getVersion(ledger, bad);
      const rotation: RotationRecord = ledger.rotation ?? {
        id: getVersion(ledger, bad).rotationId,
        version: bad,
        phase: "returning",
        reason,
        startedAt: session.now,
        returnTo: null,
        promotedAt: null,
        attempts: 0,
        inventory: null,
      };
      rotation.phase = "returning";
      rotation.returnTo = good.version;
      ledger.rotation = rotation;
      ledger.failures = { count: (ledger.failures?.count ?? 0) + 1, lastAt: session.now, message: why };
    },
    { step: "returning", version: good.version, reason: why, detail: { from: `v${bad}` } },
  );
}

export async function finishReturn(session: Session, options: ReturnOptions): Promise<void> {
  const rotation = session.ledger.rotation;
  const bad = session.ledger.active;
  if (rotation?.phase !== "returning" || rotation.returnTo === null || bad === null)
    throw new StateError(`${session.secret}: there is no return to finish.`);
  const good = getVersion(session.ledger, rotation.returnTo);
  await session.promoteEverywhere(refOf(good));
  await session.commit(
    (ledger) => {
      const left = getVersion(ledger, bad);
      left.state = "rejected";
      left.rejected = true;
      left.leftAt = session.now;
      left.supersededAt = session.now;
      activate(ledger, good.version);
      // Rule 11: what only the rejected version answered is open again, also where it was confirmed for a while.
      if (ledger.confirmedIssueAt !== null && ledger.confirmedIssueAt === left.issuedAt)
        ledger.confirmedIssueAt = good.issuedAt;
      if (options.inCreate) ledger.counters.incarnation++;
      // The version that is active again is nobody's failed attempt, and there is nothing else to return to.
      ledger.rotation = {
        ...(ledger.rotation as RotationRecord),
        phase: "confirming",
        returnTo: null,
        promotedAt: null,
        attempts: 0,
      };
    },
    { step: "returned", version: good.version, reason: ledgerReason(session), detail: { rejected: `v${bad}` } },
  );
}

function ledgerReason(session: Session): string {
  return session.ledger.failures?.message ?? "the rotation failed";
}
