/**
 * What the engine's calls on a `SecretVersion` do: `create()`, `update()` and `delete()`. Each decides afresh, from the
 * ledger as it is now, whatever `diff()` saw before.
 */
import { isDeepStrictEqual } from "node:util";
import type { IssuedRef, SecretValue } from "../contracts/context";
import { hasOwnRollout, isConfirmed, ownerHasYetToConfirm } from "../lifecycle/confirmation";
import { decide, type Decision, type Entry, type Situation } from "../lifecycle/decide";
import { RotationError, StateError } from "../lifecycle/errors";
import {
  activeVersion,
  findVersion,
  getVersion,
  refOf,
  isUnfinished,
  LEDGER_SCHEMA,
  unretired,
  type Confirmation,
  type Declaration,
  type LedgerState,
  type RotationRecord,
} from "../lifecycle/ledger";
import { decideDue, nextRotation, type DueInputs, type DueVerdict } from "../triggers/due";
import { abandon, isAbandonable } from "./abandon";
import { raiseAlarms } from "./alarm";
import { driftError, noteDrift } from "./drift";
import { randomKey } from "./fingerprint";
import { recordIncidents, reportIncidents } from "./incidents";
import { holdAgainstIssuer } from "./inspect";
import { repairLabels, retireWhatMay, tryToRetire, type RetirementOptions, type RetirementOutcome } from "./retire";
import { finishReturn, startReturn } from "./return";
import { advance, propose, proposeIn } from "./rotate";
import { isCompromised, isRevokedFirst } from "../lifecycle/retirement";
import { closableIncidents, newIncidents } from "../triggers/incidents";
import { Session, type Parts } from "./session";
import { sweepFormerStore } from "./formerStore";
import { assertNothingSince, tearDown } from "./teardown";
import { verifyStored } from "./verify";

/** A secret as declared, ready to act on. */
export interface DeclaredSecret {
  readonly parts: Parts;
  readonly identity: string;
  readonly owner: { readonly id: string; readonly stack: string };
  readonly confirmation: Confirmation;
  /** What rollouts read from the ledger. */
  readonly declaration: Declaration;
  readonly due: DueInputs;
  readonly retirement: RetirementOptions;
  readonly unconfirmed: Situation["unconfirmed"];
  /** Finds the credential to adopt, without touching it; absent: nothing is adopted. */
  readonly adopt?: () => Promise<{ ref: IssuedRef; value: SecretValue }>;
}

/** What an entry in the Pulumi state tells of a version. */
export interface VersionFacts {
  readonly version: number;
  readonly incarnation: number;
  readonly epoch: number;
  readonly fingerprint: string;
  readonly issued: IssuedRef;
  /** When a run in time begins with the next rotation, and why; `null`: nothing makes it due. */
  readonly next: { readonly at: number; readonly why: string } | null;
}

export function situationOf(
  secret: DeclaredSecret,
  ledger: LedgerState | null,
  entry: Entry | null,
  forced: boolean,
  now: number,
  seen: Pick<Situation, "finding" | "current"> = {},
): Situation & DueVerdict {
  const verdict: DueVerdict = ledger === null ? { due: null, nextAt: null } : decideDue(secret.due, ledger, now);
  const { retirement: policy, unconfirmed } = secret;
  return {
    ledger,
    entry,
    forced,
    incidents: incidentWork(secret, ledger, now),
    ...seen,
    ...verdict,
    policy,
    unconfirmed,
    now,
  };
}

/** What is to be written down of events. */
function incidentWork(secret: DeclaredSecret, ledger: LedgerState | null, now: number): string[] {
  if (ledger?.status !== "live") return [];
  return [
    ...newIncidents(ledger, secret.due.events, now).map(({ id }) => `record the event ${id}`),
    ...closableIncidents(ledger).map(({ id }) => `record that the event ${id} is answered`),
  ];
}

/** Rule 13: without a `diff()` before it, a confirmed version is being replaced by force. */
export function isForced(ledger: LedgerState | null, entry: Entry | null): boolean {
  return (
    entry === null &&
    ledger !== null &&
    ledger.status === "live" &&
    !isUnfinished(ledger.rotation) &&
    isConfirmed(ledger)
  );
}

/**
 * @param entry what the engine's entry names, where a `diff()` told this process; else `null`.
 */
export async function createVersion(secret: DeclaredSecret, entry: Entry | null): Promise<VersionFacts> {
  return Session.run(secret.parts, async (session) => {
    if (session.hasLedger && session.ledger.status === "tearing-down") {
      await holdAgainstIssuer(session);
      await tearDown(session);
    }
    if (!session.hasLedger) return firstVersion(secret, session);
    if (session.ledger.status === "torn-down") {
      await assertNothingSince(session);
      return firstVersion(secret, session);
    }
    await beforeActing(secret, session);
    await settle(secret, session, entry);
    await reportIncidents(session);
    return factsOf(secret, session);
  });
}

async function firstVersion(secret: DeclaredSecret, session: Session): Promise<VersionFacts> {
  const initial = firstLedger(secret, session.hasLedger ? session.ledger : null);
  const adopted = secret.adopt !== undefined;
  proposeIn(
    initial,
    adopted
      ? { reason: { code: "adoption", message: "a credential that exists" }, inputsDigest: null, adopted }
      : { reason: { code: "first", message: "first version" }, inputsDigest: secret.due.inputsDigest },
    session.now,
  );
  await session.createLedger(initial, [
    {
      step: "proposed",
      version: initial.counters.version,
      reason: adopted ? "adoption of a credential that exists" : "first version",
    },
  ]);
  await advance(session, secret.adopt);
  if (adopted) await settle(secret, session, null);
  return factsOf(secret, session);
}

function firstLedger(secret: DeclaredSecret, tombstone: LedgerState | null): LedgerState {
  // After a teardown that was interrupted the entry still names the identity: its trail goes on.
  const same = tombstone?.identity === secret.identity ? tombstone : null;
  return {
    schema: LEDGER_SCHEMA,
    secret: secret.parts.secret,
    identity: secret.identity,
    owner: secret.owner,
    status: "live",
    movedTo: null,
    movedFrom: null,
    declared: secret.declaration,
    counters: tombstone?.counters ?? { version: 0, incarnation: 0, epoch: 0 },
    audit: same?.audit ?? { seq: 0, hash: "0".repeat(64) },
    fingerprintKey: randomKey(),
    active: null,
    versions: same?.versions ?? [],
    rotation: null,
    confirmation: secret.confirmation,
    ownerUnconfirmed: secret.confirmation === "required",
    rollouts: {},
    residues: {},
    confirmedIssueAt: null,
    failures: null,
    incidents: [],
    drift: null,
    inspectDue: false,
    lease: null,
    outbox: same?.outbox ?? [],
  };
}

/** What every run looks at before its first side effect. */
async function beforeActing(secret: DeclaredSecret, session: Session): Promise<void> {
  await holdAgainstIssuer(session);
  if (!isUnfinished(session.ledger.rotation)) await repairLabels(session);
  await keepDeclaration(secret, session);
  await recordIncidents(session, secret.due.events);
}

async function keepDeclaration(secret: DeclaredSecret, session: Session): Promise<void> {
  const { ledger } = session;
  const same = ledger.confirmation === secret.confirmation && ledger.secret === session.secret;
  if (same && isDeepStrictEqual(ledger.declared, secret.declaration)) return;
  await session.commit(
    (next) => {
      next.secret = session.secret;
      next.declared = secret.declaration;
      next.confirmation = secret.confirmation;
      // Rule 3: one confirmation of one of its rollouts is enough, also one from before.
      const confirmedBefore = Object.values(next.rollouts).some(
        (rollout) => rollout.stack === next.owner.stack && rollout.confirmedAt !== null,
      );
      next.ownerUnconfirmed = secret.confirmation === "required" && (ledger.ownerUnconfirmed || !confirmedBefore);
    },
    { step: "declared", version: null, reason: `the program changed; confirmation: ${secret.confirmation}` },
  );
}

/** Does what has to be done until there is a version to hand out under a fresh incarnation. */
async function settle(secret: DeclaredSecret, session: Session, entry: Entry | null): Promise<void> {
  await abandonWhatIsOutdated(secret, session);
  await noteDrift(session);
  const situation = situationOf(secret, session.ledger, entry, isForced(session.ledger, entry), session.now);
  const decision = decide(situation);
  switch (decision.action) {
    case "resume": {
      const issuedBefore = wasIssued(session.ledger);
      await resume(secret, session);
      await revokeFirst(secret, session);
      // What a run resumed may itself be older than the event. What this run issued is not replaced by it again, also
      // where the allowed clock skew makes it count as older: a later run does that.
      return issuedBefore && isRevokedAgain(secret, session) ? settle(secret, session, entry) : undefined;
    }
    case "return":
      await startReturn(session, decision.text, getVersion(session.ledger, decision.to));
      return finishReturn(session, { inCreate: true });
    case "rotate":
      await rotate(secret, session, decision);
      return revokeFirst(secret, session);
    case "first": // The first rotation was abandoned; the ledger goes on.
      await propose(session, {
        reason: { code: "first", message: "first version" },
        inputsDigest: secret.due.inputsDigest,
      });
      return advance(session);
    case "hand-out":
      return handOut(session, decision.text);
    case "update":
    case "same":
      return handOut(session, asItIs(session, decision.waiting));
    case "finish-teardown":
      throw new StateError(`${session.secret}: its teardown is not finished.`);
  }
}

/** Before `promoting` a rotation may be dropped: for a compromise (rule 16), or because it was made from other inputs. */
async function abandonWhatIsOutdated(secret: DeclaredSecret, session: Session): Promise<void> {
  const rotation = session.ledger.rotation;
  if (!rotation || !isAbandonable(rotation)) return;
  const version = getVersion(session.ledger, rotation.version);
  if (rotation.phase === "abandoning") await abandon(session, "resumed");
  else if (version.issuedAt !== null && isCompromised(version, secret.retirement))
    await abandon(session, "it was issued before a suspected compromise");
  else if (version.inputsDigest !== null && version.inputsDigest !== secret.due.inputsDigest)
    await abandon(session, "the inputs that it is issued from have changed");
  else if (version.adopted && version.issuedAt === null && !secret.adopt)
    await abandon(session, "the program no longer names a credential to adopt");
}

async function resume(secret: DeclaredSecret, session: Session): Promise<void> {
  const rotation = session.ledger.rotation as RotationRecord;
  await session.commit(() => undefined, {
    step: "resumed",
    version: rotation.version,
    reason: `the rotation had stopped ${rotation.phase}`,
  });
  if (rotation.phase === "returning") return finishReturn(session, { inCreate: true });
  await advance(session, secret.adopt);
  // An adopted credential is only the predecessor of the first version of ours.
  if (getVersion(session.ledger, session.ledger.active ?? 0).adopted) await settle(secret, session, null);
}

async function rotate(
  secret: DeclaredSecret,
  session: Session,
  decision: Extract<Decision, { action: "rotate" }>,
): Promise<void> {
  const held = (await retireWhatMay(session, secret.retirement)).filter((outcome) => outcome.outcome !== "retired");
  // Rule 12: two are live, so this one is handed out as it is; failing would keep the run from ever retiring one.
  if (held.length > 0) return handOut(session, asItIs(session, held.map((outcome) => outcome.message).join("; ")));
  await propose(session, { reason: decision.reason, inputsDigest: secret.due.inputsDigest });
  await advance(session);
}

/** Rule 16: what somebody asked to revoke although it may be in use goes as soon as there is a successor. */
async function revokeFirst(secret: DeclaredSecret, session: Session): Promise<void> {
  const { retirement } = secret;
  for (const version of unretired(session.ledger))
    if (isRevokedFirst(version, retirement)) await tryToRetire(session, version.version, retirement);
}

/** Whether the version under way had been issued when this run came. */
function wasIssued({ rotation, versions }: LedgerState): boolean {
  return versions.some((record) => record.version === rotation?.version && record.issuedAt !== null);
}

function isRevokedAgain({ retirement }: DeclaredSecret, { ledger }: Session): boolean {
  const active = activeVersion(ledger);
  return active !== null && isRevokedFirst(active, retirement) && unretired(ledger).length === 0 && !active.adopted;
}

/** The active version, under a fresh incarnation (rule 18), once it is shown to work (rule 17). */
async function handOut(session: Session, why: string): Promise<void> {
  const active = getVersion(session.ledger, session.ledger.active ?? 0);
  const verification = await verifyStored(session, active);
  if (!verification.works)
    throw new RotationError(
      `${session.secret}: v${active.version} should be handed out, but it does not work: ${verification.detail}; and it ` +
        `cannot be replaced yet: ${why}. Nothing was changed. See to what is named, and run again.`,
    );
  session.context.log.info(`${session.secret}: ${why}`);
  // Contradicting evidence raises the epoch, and what is named after it is yet to be made.
  if (session.namesEpochs) await session.promoteEverywhere(refOf(active));
  await session.commit(
    (ledger) => {
      ledger.counters.incarnation++;
    },
    { step: "handed-out", version: active.version, reason: why },
  );
}

function asItIs(session: Session, waiting: string | undefined): string {
  return `v${session.ledger.active} stays as it is${waiting ? `; ${waiting}` : ""}`;
}

function factsOf(secret: DeclaredSecret, session: Session): VersionFacts {
  const { ledger } = session;
  const active = getVersion(ledger, ledger.active ?? 0);
  return {
    version: active.version,
    incarnation: ledger.counters.incarnation,
    epoch: ledger.counters.epoch,
    fingerprint: active.fingerprint ?? "",
    issued: active.issued ?? {},
    next: nextRotation(secret.due, ledger),
  };
}

/** `update()`: what can be done without a new entry. */
export async function updateVersion(
  secret: DeclaredSecret,
  entry: Entry,
): Promise<{ facts: VersionFacts; outcomes: RetirementOutcome[] }> {
  return Session.run(secret.parts, async (session) => {
    await beforeActing(secret, session);
    await noteDrift(session);
    await sweepFormerStore(session, secret.retirement.graceMs);
    const outcomes = await retireWhatMay(session, secret.retirement);
    await countUnconfirmedRun(session);
    await reportIncidents(session);
    const drift = driftError(session);
    if (drift) throw drift;
    // Where this stack has rollouts, they raise it, at the end of the run.
    const alarm = hasOwnRollout(session.ledger) ? undefined : await raiseAlarms(session);
    if (alarm) throw alarm;
    return { facts: { ...factsOf(secret, session), incarnation: entry.incarnation }, outcomes };
  });
}

/** Rule 15: this run finds the version still unconfirmed. */
async function countUnconfirmedRun(session: Session): Promise<void> {
  if (session.ledger.rotation?.phase !== "confirming" || !ownerHasYetToConfirm(session.ledger)) return;
  await session.commit(
    (ledger) => {
      (ledger.rotation as RotationRecord).attempts++;
    },
    {
      step: "unconfirmed",
      version: session.ledger.active,
      result: "put-off",
      reason: "another run finds it unconfirmed",
    },
  );
}

export type DeleteOutcome = RetirementOutcome | { readonly outcome: "torn-down" | "nothing"; readonly message: string };

/**
 * @param stillDeclared whether this process saw the program declare the secret (rule 19).
 */
export async function deleteVersion(
  secret: DeclaredSecret,
  entry: Entry,
  stillDeclared: boolean,
): Promise<DeleteOutcome> {
  return Session.run(secret.parts, async (session) => {
    if (!session.hasLedger || session.ledger.status === "torn-down") return nothing("there is no ledger any more");
    const { ledger } = session;
    if (ledger.identity !== secret.identity || ledger.owner.id !== secret.owner.id)
      return nothing(`the ledger is another secret's, or another stack's (${ledger.owner.stack})`);
    if (ledger.status === "moved") return nothing(`it lives in ${ledger.movedTo ?? "another store"} now`);
    assertNotOlder(ledger, entry);
    if (!stillDeclared || ledger.status === "tearing-down") {
      await holdAgainstIssuer(session);
      await tearDown(session);
      return { outcome: "torn-down", message: "every version is revoked and deleted" };
    }
    const version = findVersion(ledger, entry.version);
    // Rule 9: an entry of the version that is active (again) is only a stale incarnation.
    if (!version || version.version === ledger.active || version.endedAt !== null) {
      // What asked for its end may be done with that.
      await reportIncidents(session);
      return nothing("its version needs no retirement");
    }
    await beforeActing(secret, session);
    await noteDrift(session);
    const outcome = await tryToRetire(session, entry.version, secret.retirement);
    await reportIncidents(session);
    return outcome;
  });
}

function nothing(message: string): DeleteOutcome {
  return { outcome: "nothing", message };
}

/** Rule 24: a ledger older than the state stops everything. */
export function assertNotOlder(ledger: LedgerState, entry: Entry): void {
  const { version, incarnation, epoch } = ledger.counters;
  if (entry.version <= version && entry.incarnation <= incarnation && entry.epoch <= epoch) return;
  throw new StateError(
    `${ledger.secret}: the ledger is older than the Pulumi state: it counts ${version} versions, ${incarnation} ` +
      `incarnations and ${epoch} promotions, the state names v${entry.version}#${entry.incarnation}@${entry.epoch}. The ` +
      `store was probably restored from a backup. Nothing was changed. When the store is as it should be, say: ` +
      `rotation adopt ${ledger.secret} --reason TEXT`,
  );
}
