/** Gives up a version that was never handed out (rule 14: before `promoting` is committed only). */
import type { IssuedRef } from "../contracts/context";
import { StateError } from "../lifecycle/errors";
import { getVersion, refOf, type RotationRecord, type VersionRecord } from "../lifecycle/ledger";
import type { Session } from "./session";

const ABANDONABLE = ["proposed", "staged", "issued", "verified", "abandoning"] as const;

export function isAbandonable(rotation: RotationRecord): boolean {
  return (ABANDONABLE as readonly string[]).includes(rotation.phase);
}

export async function abandon(session: Session, why: string): Promise<void> {
  const rotation = session.ledger.rotation;
  if (!rotation || !isAbandonable(rotation))
    throw new StateError(
      `${session.secret}: a rotation that is ${rotation?.phase ?? "not there"} cannot be abandoned.`,
    );
  const version = getVersion(session.ledger, rotation.version);
  if (rotation.phase !== "abandoning")
    await session.commit(
      (ledger) => {
        (ledger.rotation as RotationRecord).phase = "abandoning";
      },
      { step: "abandoning", version: version.version, reason: why },
    );
  session.context.log.info(`${session.secret}: v${version.version} is abandoned: ${why}`);
  // An adopted credential was there before us: it is left as it was.
  const issued = version.adopted ? null : await issuedRef(session, version);
  if (issued) await session.kind.revoke(issued, { terminateSessions: true });
  for (const store of [...session.replicas, session.store]) await store.retire(refOf(version));
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = "abandoned";
      record.endedAt = session.now;
      ledger.rotation = null;
      // An issue that was on its way when its run was killed may still arrive.
      ledger.inspectDue = true;
    },
    { step: "abandoned", version: version.version, reason: why },
  );
}

/** The ledger may not know it yet: the value is stored first, or, where the issuer chooses it, was perhaps never stored. */
async function issuedRef(session: Session, version: VersionRecord): Promise<IssuedRef | null> {
  if (version.issued) return version.issued;
  const stored = await session.store.list();
  if (stored.some((ref) => ref.token === version.rotationId)) return (await session.store.read(refOf(version))).issued;
  const live = await session.kind.inspect(session.ledger.identity);
  return live.find((credential) => credential.rotationId === version.rotationId)?.ref ?? null;
}
