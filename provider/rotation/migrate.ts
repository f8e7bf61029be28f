/**
 * Moving a secret to another store: copy first, let every rollout confirm from there, remove the copies last
 * (rule 19). What reads the former store goes on working until then.
 */
import type { AuditSink } from "../contracts/audit";
import type { SecretStore } from "../contracts/store";
import { addMayUse, isConfirmed } from "../lifecycle/confirmation";
import { StateError } from "../lifecycle/errors";
import { decodeLedger, getVersion, isUnfinished, refOf, type AdapterDescription } from "../lifecycle/ledger";
import { Session, type Parts } from "./session";

/** Does nothing where the secret lives in its new store already. */
export async function migrate(to: Parts, from: Parts, fromOptions: AdapterDescription): Promise<void> {
  const there = decodeLedger((await to.store.load()).body, to.store.location);
  if (there?.status === "live") return;
  await Session.run(from, async (session) => {
    const { ledger } = session;
    if (ledger.status !== "live" && ledger.status !== "moved")
      throw new StateError(
        `${session.secret}: it is ${ledger.status} in ${from.store.location} and cannot be moved. Nothing was changed.`,
      );
    if (isUnfinished(ledger.rotation))
      throw new StateError(
        `${session.secret}: its rotation stopped ${ledger.rotation.phase}. Nothing was changed. Let a run with the former ` +
          `store finish it, then move the secret.`,
      );
    await copyVersions(session, to.store);
    if (ledger.status === "live")
      await session.commit(
        (next) => {
          next.status = "moved";
          next.movedTo = to.store.location;
        },
        { step: "moved", version: ledger.active, reason: `to ${to.store.location}` },
      );
    // The ledger goes last: until it is there, a run that was killed finds the secret moved and copies again.
    await carryTrail(from.audit, to.audit, ledger.identity);
    await copyLedger(session, to.store, fromOptions);
  });
}

/** The trail goes on where it is kept now, with all that came before. */
async function carryTrail(from: AuditSink, to: AuditSink, identity: string): Promise<void> {
  if (from.location === to.location) return;
  for (const event of await from.read(identity)) if (event) await to.record(event);
}

async function copyVersions(session: Session, to: SecretStore): Promise<void> {
  for (const version of session.ledger.versions) {
    if (version.endedAt !== null || version.fingerprint === null) continue;
    await to.putVersion(await session.store.read(refOf(version)));
  }
}

async function copyLedger(session: Session, to: SecretStore, fromOptions: AdapterDescription): Promise<void> {
  const { ledger } = session;
  const moved = structuredClone(ledger);
  moved.status = "live";
  moved.movedTo = null;
  moved.lease = null;
  moved.counters.epoch++;
  moved.movedFrom = { store: fromOptions, at: session.now };
  // Everybody may go on reading the former store until they have confirmed from the new one.
  for (const rollout of Object.values(moved.rollouts)) addMayUse(rollout, "unknown");
  const snapshot = await to.load();
  const revision = await to.commit(moved, snapshot.revision);
  if (ledger.active !== null) await to.promote(refOf(getVersion(ledger, ledger.active)), snapshot.current, revision);
}

/** Removes the copies in the former store, once nobody reads it any more. */
export async function sweepFormerStore(
  session: Session,
  graceMs: number,
  openStore: (options: AdapterDescription) => Promise<SecretStore>,
): Promise<void> {
  const { movedFrom } = session.ledger;
  if (!movedFrom || !isConfirmed(session.ledger) || session.now < movedFrom.at + graceMs) return;
  const former = await openStore(movedFrom.store);
  await former.clearCurrent((await former.load()).revision);
  for (const ref of await former.list()) await former.retire(ref);
  await session.commit(
    (ledger) => {
      ledger.movedFrom = null;
    },
    { step: "former-store-emptied", version: session.ledger.active, reason: former.location },
  );
}
