/**
 * What the issuer really has, held against the ledger (rules 23 and 24): what should be dead is revoked again, what
 * nobody knows stops everything.
 */
import { StateError } from "../lifecycle/errors";
import type { Session } from "./session";

/** @throws StateError when the store has versions that the ledger does not know. */
export async function holdAgainstStore(session: Session): Promise<void> {
  const known = new Set(session.ledger.versions.map((version) => version.rotationId));
  const unknown = (await session.store.list()).filter((ref) => !known.has(ref.token));
  if (unknown.length > 0)
    throw new StateError(
      `${session.secret}: the store has versions that the ledger does not know ` +
        `(${unknown.map((ref) => `v${ref.version}`).join(", ")}). The ledger is older than the world, as after the ` +
        `restore of a backup. Nothing was changed. To take them into the ledger, say: rotation adopt ${session.secret} --reason TEXT`,
    );
}

/** @throws StateError when the issuer has live credentials of this secret that the ledger does not know. */
export async function holdAgainstIssuer(session: Session): Promise<void> {
  await holdAgainstStore(session);
  const { ledger } = session;
  const found = await session.kind.inspect(ledger.identity);
  const known = new Map(ledger.versions.map((version) => [version.rotationId, version]));
  // In the making, and perhaps not in the ledger as issued yet.
  const making = ledger.rotation?.id;
  const unknown = found.filter((credential) => !known.has(credential.rotationId) && credential.rotationId !== making);
  if (unknown.length > 0)
    throw new StateError(
      `${session.secret}: the issuer has ${unknown.length} credentials of this secret that the ledger does not know ` +
        `(${unknown.map((credential) => Object.values(credential.ref).join("/")).join(", ")}). The ledger is older than ` +
        `the world, as after the restore of a backup. Nothing was changed. To take them into the ledger, say: ` +
        `rotation adopt ${session.secret} --reason TEXT`,
    );
  const undead = found.filter((credential) => {
    const version = known.get(credential.rotationId);
    return version !== undefined && version.endedAt !== null;
  });
  for (const credential of undead) {
    const version = known.get(credential.rotationId);
    await session.kind.revoke(credential.ref, { terminateSessions: true });
    await session.commit(() => undefined, {
      step: "reaped",
      version: version?.version ?? null,
      reason: `it was ${version?.state ?? "ended"} and alive again`,
    });
  }
  if (ledger.inspectDue)
    await session.commit((next) => {
      next.inspectDue = false;
    });
}
