/**
 * Moving a secret to another store: copy first, let every rollout confirm from there, remove the copies last
 * (rule 19). What reads the former store goes on working until then.
 */
import type { AuditSink } from "../contracts/audit";
import type { LedgerSnapshot, SecretStore } from "../contracts/store";
import { addMayUse } from "../lifecycle/confirmation";
import { StateError } from "../lifecycle/errors";
import { decodeLedger, getVersion, isUnfinished, refOf, type AdapterDescription } from "../lifecycle/ledger";
import { throughSeam, type Seamed } from "./effects";
import { holdAgainstIssuer } from "./inspect";
import { Session, type Parts } from "./session";
import { tearDown } from "./teardown";

/** Does nothing where the secret lives in its new store already, or has been torn down there. */
export async function migrate(to: Parts, from: Parts, fromOptions: AdapterDescription): Promise<void> {
  const found = await to.store.load();
  const there = decodeLedger(found.body, to.store.location);
  if (there?.status === "live" || there?.status === "tearing-down") return;
  await Session.run(from, async (session) => {
    if (there?.identity === session.ledger.identity) return;
    const store = throughSeam(to.store, "newStore", "SecretStore", session.fence);
    const audit = throughSeam(to.audit, "audit", "AuditSink", session.fence);
    // Rule 20: a teardown is finished first; what moves then is the tombstone, so that nothing is counted anew.
    if (session.ledger.status === "tearing-down") {
      await holdAgainstIssuer(session);
      await tearDown(session);
    }
    const { ledger } = session;
    if (ledger.status === "torn-down") {
      await carryTrail(from.audit, audit, ledger.identity);
      await store.commit({ ...structuredClone(ledger), lease: null }, found.revision);
      return;
    }
    if (isUnfinished(ledger.rotation))
      throw new StateError(
        `${session.secret}: its rotation stopped ${ledger.rotation.phase}. Nothing was changed. Let a run with the former ` +
          `store finish it, then move the secret.`,
      );
    await copyVersions(session, store);
    if (ledger.status === "live")
      await session.commit(
        (next) => {
          next.status = "moved";
          next.movedTo = to.store.location;
        },
        { step: "moved", version: ledger.active, reason: `to ${to.store.location}` },
      );
    // The ledger goes last: until it is there, a run that was killed finds the secret moved and copies again.
    await carryTrail(from.audit, audit, ledger.identity);
    await copyLedger(session, store, found, fromOptions);
  });
}

/** The trail goes on where it is kept now, with all that came before. */
async function carryTrail(from: AuditSink, to: Seamed<AuditSink>, identity: string): Promise<void> {
  if (from.location === to.location) return;
  for (const event of await from.read(identity)) if (event) await to.record(event);
}

async function copyVersions(session: Session, to: Seamed<SecretStore>): Promise<void> {
  // What a killed run was about to delete may be deleted already, and nobody needs it.
  const kept = new Set((await session.store.list()).map((ref) => ref.token));
  for (const version of session.ledger.versions) {
    if (version.endedAt !== null || version.fingerprint === null) continue;
    if (version.state === "retiring" && !kept.has(version.rotationId)) continue;
    await to.putVersion(await session.store.read(refOf(version)));
  }
}

/** @param found what the new store held when this run began: another run may have moved the secret there since. */
async function copyLedger(
  session: Session,
  to: Seamed<SecretStore>,
  found: LedgerSnapshot,
  fromOptions: AdapterDescription,
): Promise<void> {
  const { ledger } = session;
  const moved = structuredClone(ledger);
  moved.status = "live";
  moved.movedTo = null;
  moved.lease = null;
  moved.counters.epoch++;
  moved.movedFrom = { store: fromOptions, at: session.now };
  // Everybody may go on reading the former store until they have confirmed from the new one.
  for (const rollout of Object.values(moved.rollouts)) addMayUse(rollout, "unknown");
  for (const residue of Object.values(moved.residues)) if (!residue.pinned) addMayUse(residue, "unknown");
  const revision = await to.commit(moved, found.revision);
  if (ledger.active !== null)
    await to.promote(refOf(getVersion(ledger, ledger.active)), found.current, revision, moved.counters.epoch);
}
