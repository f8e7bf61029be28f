/**
 * A rotation, from the proposal to the promotion. Each phase is committed before the side effect that follows it, so
 * that {@link advance} may be called on whatever phase a killed run left behind.
 */
import type { IssuedRef, SecretValue } from "../contracts/context";
import type { Draft } from "../contracts/kind";
import type { StoredVersion } from "../contracts/store";
import { addToReaders, settleIfConfirmed } from "../lifecycle/confirmation";
import { NotFoundError, RotationError, StateError } from "../lifecycle/errors";
import { getVersion, refOf, type LedgerState, type RotationRecord, type VersionRecord } from "../lifecycle/ledger";
import { describeReason, type Reason } from "../lifecycle/reason";
import { abandon } from "./abandon";
import { recordFailure } from "./failure";
import { fingerprintOf, randomId } from "./fingerprint";
import type { Session } from "./session";

export interface Proposal {
  readonly reason: Reason;
  readonly inputsDigest: string | null;
  /** A credential that exists, to be taken over without touching it. */
  readonly adopted?: boolean;
}

/** Writes a new version and its rotation into a ledger; nothing exists of it yet. */
export function proposeIn(ledger: LedgerState, proposal: Proposal, now: number): void {
  const version = ++ledger.counters.version;
  const id = randomId();
  ledger.versions.push({
    version,
    rotationId: id,
    state: "pending",
    reason: proposal.reason,
    inputsDigest: proposal.inputsDigest,
    adopted: proposal.adopted ?? false,
    proposedAt: now,
    issued: null,
    issuedAt: null,
    expiresAt: null,
    fingerprint: null,
    leftAt: null,
    supersededAt: null,
    rejected: false,
    disabledAt: null,
    putOff: null,
    alarmedAt: null,
    proof: null,
    endedAt: null,
  });
  ledger.rotation = {
    id,
    version,
    phase: "proposed",
    reason: proposal.reason,
    startedAt: now,
    returnTo: null,
    promotedAt: null,
    attempts: 0,
    inventory: null,
  };
}

/** Starts a rotation; the caller has seen that rule 12 lets it. */
export async function propose(session: Session, proposal: Proposal): Promise<void> {
  await session.commit((ledger) => proposeIn(ledger, proposal, session.now), {
    step: "proposed",
    version: session.ledger.counters.version + 1,
    reason: describeReason(proposal.reason),
    detail: proposal.reason.events ? { events: proposal.reason.events.join(", ") } : {},
  });
}

/** How a credential that is adopted is read from its issuer. */
export type Adopt = () => Promise<{ ref: IssuedRef; value: SecretValue }>;

/** Takes the rotation in the ledger from whatever phase it is in to its promotion. */
export async function advance(session: Session, adopt?: Adopt): Promise<void> {
  for (;;) {
    const rotation = session.ledger.rotation;
    if (!rotation) throw new StateError(`${session.secret}: there is no rotation to go on with.`);
    const version = getVersion(session.ledger, rotation.version);
    switch (rotation.phase) {
      case "proposed":
        await stage(session, rotation, version, adopt);
        break;
      case "staged":
        await issue(session, version);
        break;
      case "issued":
        await verifyIssued(session, version);
        break;
      case "verified":
        await distribute(session, version);
        break;
      case "promoting":
        await promote(session, version);
        return;
      case "abandoning":
      case "returning":
      case "confirming":
      case "done":
        throw new StateError(`${session.secret}: a rotation that is ${rotation.phase} cannot be promoted.`);
    }
  }
}

async function stage(session: Session, rotation: RotationRecord, version: VersionRecord, adopt?: Adopt): Promise<void> {
  const stored = (await storedBefore(session, version)) ?? (await storeNew(session, rotation, version, adopt));
  const phase = version.adopted || session.kind.capabilities.value === "minted" ? "issued" : "staged";
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.fingerprint = stored.fingerprint;
      record.issued = stored.issued;
      if (phase === "issued") record.issuedAt = version.adopted ? version.proposedAt : session.now;
      (ledger.rotation as RotationRecord).phase = phase;
    },
    {
      step: version.adopted ? "adopted" : phase,
      version: version.version,
      reason: describeReason(version.reason),
      detail: { ...stored.issued, fingerprint: stored.fingerprint },
    },
  );
}

/** What a killed run stored already must be used: the issuer may know it by now. */
async function storedBefore(session: Session, version: VersionRecord): Promise<StoredVersion | undefined> {
  try {
    return await session.store.read(refOf(version));
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

async function storeNew(
  session: Session,
  rotation: RotationRecord,
  version: VersionRecord,
  adopt?: Adopt,
): Promise<StoredVersion> {
  const made = await makeValue(session, rotation, version, adopt);
  const stored: StoredVersion = {
    secret: session.secret,
    ref: refOf(version),
    fingerprint: fingerprintOf(session.ledger.fingerprintKey, made.value, version.rotationId),
    issued: made.ref,
    value: made.value,
  };
  await session.store.putVersion(stored);
  // The store keeps what was stored first under a token; that one counts.
  return session.store.read(refOf(version));
}

async function makeValue(
  session: Session,
  rotation: RotationRecord,
  version: VersionRecord,
  adopt?: Adopt,
): Promise<{ ref: IssuedRef; value: SecretValue }> {
  if (version.adopted) {
    if (!adopt) throw new StateError(`${session.secret}: the credential to adopt is no longer configured.`);
    return adopt();
  }
  const request = proposeRequest(session, version);
  if (session.kind.capabilities.value === "minted") {
    await revokeMintedOrphan(session, rotation, version);
    const draft = await session.kind.propose(request);
    return session.kind.issue({ ...request, draft });
  }
  const draft = await session.kind.propose(request);
  if (!draft.value) throw new StateError(`${session.kind.type} proposed no value though it says that we choose it.`);
  return { ref: draft.ref, value: draft.value };
}

/**
 * Rule 23: the value of a credential that was minted and not stored is lost. The inventory was committed before, so
 * exactly one additional credential with our rotation id is ours and is revoked; anything else stops the run.
 */
async function revokeMintedOrphan(session: Session, rotation: RotationRecord, version: VersionRecord): Promise<void> {
  const live = await session.kind.inspect(session.ledger.identity);
  if (rotation.inventory === null) {
    await session.commit(
      (ledger) => {
        (ledger.rotation as RotationRecord).inventory = {
          rotationIds: live.map((found) => found.rotationId),
          at: session.now,
        };
      },
      { step: "inventory", version: version.version, reason: `${live.length} credentials before minting` },
    );
    return;
  }
  const known = new Set(rotation.inventory.rotationIds);
  const additional = live.filter((found) => !known.has(found.rotationId));
  if (additional.length === 0) return;
  const orphan = additional[0];
  if (additional.length > 1 || orphan?.rotationId !== rotation.id)
    throw new StateError(
      `${session.secret}: the issuer has ${additional.length} credentials that were not there before minting ` +
        `v${version.version}, and not exactly the one of this rotation. None was touched. Find out whose they are, ` +
        `remove what is not needed, and run again.`,
    );
  await session.kind.revoke(orphan.ref, { terminateSessions: true });
  await session.commit(() => undefined, {
    step: "orphan-revoked",
    version: version.version,
    reason: "its value was lost with a killed run, and nobody ever got it",
    detail: { ...orphan.ref },
  });
}

function proposeRequest(session: Session, version: VersionRecord) {
  const { identity } = session.ledger;
  const live = session.ledger.versions
    .filter((other) => other !== version && other.issued !== null && other.endedAt === null)
    .map((other) => other.issued as IssuedRef);
  return { secret: session.secret, identity, rotationId: version.rotationId, version: version.version, live };
}

async function issue(session: Session, version: VersionRecord): Promise<void> {
  const stored = await session.store.read(refOf(version));
  const draft: Draft = { ref: stored.issued, value: stored.value };
  const issued = await session.kind.issue({ ...proposeRequest(session, version), draft });
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.issued = issued.ref;
      record.issuedAt = session.now;
      record.expiresAt = issued.expiresAt ?? null;
      (ledger.rotation as RotationRecord).phase = "issued";
    },
    { step: "issued", version: version.version, reason: describeReason(version.reason), detail: { ...issued.ref } },
  );
}

async function verifyIssued(session: Session, version: VersionRecord): Promise<void> {
  const stored = await session.store.read(refOf(version));
  const verification = await session.kind.verify(stored.value, stored.issued);
  if (!verification.works) {
    await recordFailure(
      session,
      version.version,
      "verified",
      `v${version.version} does not work: ${verification.detail}`,
    );
    await abandon(session, `it does not work: ${verification.detail}`);
    throw new RotationError(
      `${session.secret}: v${version.version} was issued but does not work: ${verification.detail}. It was revoked and ` +
        `nobody ever got it; ${activeSentence(session)} Mend the cause and run again.`,
    );
  }
  await setPhase(session, "verified", version, verification.detail);
}

function activeSentence(session: Session): string {
  const active = session.ledger.active;
  return active === null ? "no version is active yet." : `v${active} stays active.`;
}

async function distribute(session: Session, version: VersionRecord): Promise<void> {
  if (session.replicas.length > 0) {
    const stored = await session.store.read(refOf(version));
    for (const replica of session.replicas) await replica.putVersion(stored);
  }
  await setPhase(session, "promoting", version, `distributed to ${session.replicas.length + 1} stores`);
}

async function setPhase(
  session: Session,
  phase: "verified" | "promoting",
  version: VersionRecord,
  why: string,
): Promise<void> {
  await session.commit(
    (ledger) => {
      (ledger.rotation as RotationRecord).phase = phase;
    },
    { step: phase, version: version.version, reason: why },
  );
}

async function promote(session: Session, version: VersionRecord): Promise<void> {
  await session.promoteEverywhere(refOf(version));
  await session.commit(
    (ledger) => {
      const now = session.now;
      const rotation = ledger.rotation as RotationRecord;
      if (ledger.active !== null && ledger.active !== version.version) {
        const left = getVersion(ledger, ledger.active);
        left.state = "superseded";
        left.leftAt = now;
        left.supersededAt = now;
      }
      activate(ledger, version.version);
      ledger.counters.incarnation++;
      rotation.phase = "confirming";
      rotation.promotedAt = now;
      rotation.attempts = 1;
      if (ledger.confirmation === "none") ledger.ownerUnconfirmed = false;
      settleIfConfirmed(ledger);
    },
    { step: "promoted", version: version.version, reason: describeReason(version.reason) },
  );
}

/** The part that a promotion and a return share: rules 1, 5 and 9. */
export function activate(ledger: LedgerState, version: number): void {
  const record = getVersion(ledger, version);
  record.state = "active";
  record.putOff = null;
  record.leftAt = null;
  record.supersededAt = null;
  record.alarmedAt = null;
  ledger.active = version;
  const broken = ledger.drift?.versions.filter((one) => one !== version) ?? [];
  ledger.drift = ledger.drift && broken.length > 0 ? { ...ledger.drift, versions: broken } : null;
  ledger.counters.epoch++;
  addToReaders(ledger, version);
}
