/** The end of a secret: every version goes, a tombstone with the counters stays (rules 18 to 20). */
import { StateError } from "../lifecycle/errors";
import { refOf, type LedgerState } from "../lifecycle/ledger";
import { emptyFormerStore } from "./formerStore";
import type { Session } from "./session";

/** @throws StateError while rollouts of other stacks are registered; nothing was changed. */
export async function tearDown(session: Session): Promise<void> {
  const foreign = Object.values(session.ledger.rollouts).filter(
    (rollout) => rollout.stack !== session.ledger.owner.stack,
  );
  if (session.ledger.status !== "tearing-down") {
    if (foreign.length > 0)
      throw new StateError(
        `${session.secret}: it cannot be torn down while other stacks use it: ` +
          `${foreign.map((rollout) => `rollout ${rollout.name} of ${rollout.stack}`).join(", ")}. Nothing was changed. ` +
          `Destroy those first; for a stack that is gone, say: rotation release ${session.secret} --reason TEXT`,
      );
    await session.commit(
      (ledger) => {
        ledger.status = "tearing-down";
      },
      {
        step: "tearing-down",
        version: session.ledger.active,
        reason: "the secret was taken out of the program, or its stack destroyed",
      },
    );
  }
  await session.clearCurrentEverywhere();
  for (const version of session.ledger.versions) {
    if (version.endedAt !== null) continue;
    // What was there before us, and that nobody was moved away from, is not ours to remove.
    const keep = version.adopted && version.state !== "retiring";
    const issued = version.issued ?? (await issuedInStore(session, version.rotationId, version.version));
    if (issued && !keep) await session.kind.revoke(issued, { terminateSessions: true });
    for (const store of [...session.replicas, session.store]) await store.retire(refOf(version));
    await session.commit(
      (ledger) => {
        const record = ledger.versions.find((other) => other.version === version.version);
        if (record) {
          record.state = "retired";
          record.endedAt = session.now;
        }
      },
      {
        step: "torn-down",
        version: version.version,
        reason: keep ? "the adopted credential was left as it was at its issuer" : "revoked and deleted",
      },
    );
  }
  await emptyFormerStore(session);
  await session.commit((ledger) => Object.assign(ledger, emptied(ledger)), {
    step: "teardown-done",
    version: null,
    reason: "a tombstone with the counters stays",
  });
}

async function issuedInStore(session: Session, token: string, version: number) {
  const stored = await session.store.list();
  return stored.some((ref) => ref.token === token) ? (await session.store.read({ version, token })).issued : null;
}

/** What stays: counters, identity (to recognise what is found alive) and the trail. */
function emptied(ledger: LedgerState): Partial<LedgerState> {
  return {
    status: "torn-down",
    active: null,
    rotation: null,
    rollouts: {},
    residues: {},
    failures: null,
    drift: null,
    incidents: [],
    confirmedIssueAt: null,
    ownerUnconfirmed: true,
    versions: ledger.versions,
  };
}

/**
 * Rule 24: a teardown leaves nothing, so whatever a tombstone does not know was made since, and it is from a backup.
 * @throws StateError when there is something; nothing was changed.
 */
export async function assertNothingSince(session: Session): Promise<void> {
  const { ledger } = session;
  const known = new Set(ledger.versions.map((version) => version.rotationId));
  const stored = (await session.store.list()).filter((ref) => !known.has(ref.token));
  const issued = (await session.kind.inspect(ledger.identity)).filter((found) => !known.has(found.rotationId));
  if (stored.length === 0 && issued.length === 0) return;
  throw new StateError(
    `${session.secret}: the ledger calls it torn down, and there are versions that it does not know: ` +
      `${stored.length} in the store${stored.length > 0 ? ` (${stored.map((ref) => `v${ref.version}`).join(", ")})` : ""}, ` +
      `${issued.length} at the issuer. The ledger is older than the world. Nothing was changed. Restore a newer backup of ` +
      `the store; if there is none, remove those versions by hand, and run again.`,
  );
}
