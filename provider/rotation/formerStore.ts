/** The store that a secret has left: its copies go last (rule 19). */
import { mayEmptyFormerStore } from "../lifecycle/confirmation";
import { throughSeam } from "./effects";
import type { Session } from "./session";

/** Removes the copies in the former store, once nobody reads it any more. */
export async function sweepFormerStore(session: Session, graceMs: number): Promise<void> {
  if (!mayEmptyFormerStore(session.ledger, graceMs, session.now)) return;
  await emptyFormerStore(session);
}

export async function emptyFormerStore(session: Session): Promise<void> {
  const { movedFrom } = session.ledger;
  if (!movedFrom) return;
  const opened = await session.openStore(movedFrom.store);
  const former = throughSeam(opened, "formerStore", "SecretStore", session.fence);
  await former.clearCurrent((await former.load()).revision);
  for (const ref of await former.list()) await former.retire(ref);
  await session.commit(
    (ledger) => {
      ledger.movedFrom = null;
    },
    { step: "former-store-emptied", version: session.ledger.active, reason: former.location },
  );
}
