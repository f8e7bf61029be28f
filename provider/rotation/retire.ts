/**
 * Retirement: disable, watch, destroy, prove dead. Whether it may happen is rule 7, asked on a fresh ledger; what it
 * must look at just before the deed is here: who uses the version, and where the label of "current" is (rule 8).
 */
import { isDeepStrictEqual } from "node:util";
import type { Use } from "../contracts/kind";
import { canDisable } from "../contracts/store";
import { NotFoundError, RotationError, StateError } from "../lifecycle/errors";
import { getVersion, refOf, unretired, type VersionRecord } from "../lifecycle/ledger";
import type { RetirementPolicy } from "../lifecycle/retirement";
import { endsSessions, heldByUse, missedBy, verdictOn } from "./evidence";
import { verifyStored } from "./verify";
import type { Session } from "./session";

export interface RetirementOptions extends RetirementPolicy {
  /** Whether the version must be seen not to be in use; "no evidence to be had" then counts as in use. */
  readonly requireUnused: boolean;
  /** Whether sessions that still use it are ended. */
  readonly terminateSessions: boolean;
}

export type RetirementOutcome =
  | { readonly outcome: "retired" | "disabled" | "enabled"; readonly message: string }
  | { readonly outcome: "put-off"; readonly message: string };

/** Takes up every version that is neither active nor retired (rule 9). */
export async function retireWhatMay(session: Session, options: RetirementOptions): Promise<RetirementOutcome[]> {
  const outcomes: RetirementOutcome[] = [];
  for (const { version } of unretired(session.ledger)) outcomes.push(await tryToRetire(session, version, options));
  return outcomes;
}

/** One step towards the retirement of a version, or the reason why not. Never throws because it may not happen. */
export async function tryToRetire(
  session: Session,
  number: number,
  options: RetirementOptions,
): Promise<RetirementOutcome> {
  const version = getVersion(session.ledger, number);
  const missed = await missedBy(session, version);
  if (missed?.verdict === "missed") return enable(session, version, missed.message, missed.uses);
  const verdict = await verdictOn(session, version, options);
  switch (verdict.step) {
    case "hold":
      return putOff(session, version, verdict.code, verdict.message);
    case "enable":
      return enable(session, version, "somebody may need it after all");
    case "disable":
      return (await whatHoldsItBack(session, version, options)) ?? disable(session, version);
    case "destroy": {
      if (version.state === "retiring") return destroy(session, version, options);
      // No evidence is not evidence.
      if (missed && options.requireUnused) return putOff(session, version, "in-use", missed.message);
      return (await whatHoldsItBack(session, version, options)) ?? destroy(session, version, options);
    }
  }
}

async function putOff(
  session: Session,
  version: VersionRecord,
  code: string,
  message: string,
  uses: readonly Use[] = [],
): Promise<RetirementOutcome> {
  const said = getVersion(session.ledger, version.version).putOff;
  // The same reason again is no news: runs would fill the trail, as the time left changes in its text.
  const isNews = said?.code !== code || !isDeepStrictEqual(said.uses ?? [], uses);
  if (isNews && version.version !== session.ledger.active && version.endedAt === null)
    await session.commit(
      (ledger) => {
        getVersion(ledger, version.version).putOff = {
          at: session.now,
          code,
          message,
          ...(uses.length > 0 ? { uses } : {}),
        };
      },
      { step: "retirement-put-off", version: version.version, result: "put-off", reason: message },
    );
  return { outcome: "put-off", message };
}

/** Labels first (rule 8), then evidence of use. */
async function whatHoldsItBack(
  session: Session,
  version: VersionRecord,
  options: RetirementOptions,
): Promise<RetirementOutcome | undefined> {
  if (await repairLabels(session))
    return putOff(
      session,
      getVersion(session.ledger, version.version),
      "grace",
      `a label of "current" pointed to the wrong version and was repaired; grace starts again`,
    );
  const held = await heldByUse(session, version, options);
  return held && putOff(session, version, "in-use", held.message, held.uses);
}

/**
 * Rule 8: a label of "current" on a version that is not active is moved to the active one, and the version that wore it
 * has its whole grace before it.
 * @returns whether anything had to be repaired.
 */
export async function repairLabels(session: Session): Promise<boolean> {
  const { ledger } = session;
  if (ledger.active === null) return false;
  const active = refOf(getVersion(ledger, ledger.active));
  const labels = [
    session.current,
    ...(await Promise.all(session.replicas.map(async (replica) => (await replica.load()).current))),
  ];
  const wrong = labels.filter((label) => label?.token !== active.token);
  if (wrong.length === 0) return false;
  // What does not work is not made current. That is drift, and the version is replaced.
  if (!(await verifyStored(session, getVersion(ledger, ledger.active))).works) return false;
  // A replica that is new, or was emptied, has none of the versions.
  const stored = await session.store.read(active);
  for (const replica of session.replicas) await replica.putVersion(stored);
  await session.promoteEverywhere(active);
  await session.commit(
    (next) => {
      for (const label of wrong) {
        const wearer = next.versions.find((record) => record.rotationId === label?.token);
        if (wearer && wearer.version !== next.active) wearer.leftAt = session.now;
      }
    },
    {
      step: "label-repaired",
      version: ledger.active,
      reason: `"current" pointed to ${wrong.map((label) => (label ? `v${label.version}` : "nothing")).join(", ")}`,
    },
  );
  return true;
}

async function disable(session: Session, version: VersionRecord): Promise<RetirementOutcome> {
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = "disabled";
      // Known only when the issuer has done it: a run that is stopped in between disables again.
      record.disabledAt = null;
      record.putOff = null;
    },
    { step: "disabling", version: version.version, reason: "its grace period is over" },
  );
  // Those who read it by its number find it withdrawn, before they could find that it does not work.
  for (const store of [...session.replicas, session.store]) if (canDisable(store)) await store.disable(refOf(version));
  await disableUnlessGone(session, version);
  await session.commit(
    (ledger) => {
      getVersion(ledger, version.version).disabledAt = session.now;
    },
    { step: "disabled", version: version.version, reason: "reversible until the soak time is over" },
  );
  return { outcome: "disabled", message: `v${version.version} is disabled and will be destroyed after its soak time` };
}

/** What somebody removed by hand cannot be used any more either. */
async function disableUnlessGone(session: Session, version: VersionRecord): Promise<void> {
  if (!version.issued) return;
  try {
    await session.kind.disable(version.issued);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    session.context.log.warn(`${session.secret}: v${version.version} is gone at its issuer: ${error.message}`);
  }
}

/** Makes a disabled version work again. Its whole grace is before it. */
export async function enable(
  session: Session,
  version: VersionRecord,
  why: string,
  uses: readonly Use[] = [],
): Promise<RetirementOutcome> {
  if (!(await enableUnlessGone(session, version)))
    return { outcome: "put-off", message: `v${version.version} cannot work again: it is gone at its issuer` };
  for (const store of [session.store, ...session.replicas]) if (canDisable(store)) await store.enable(refOf(version));
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = record.rejected ? "rejected" : "superseded";
      record.disabledAt = null;
      record.leftAt = session.now;
      record.putOff = { at: session.now, code: "enabled", message: why, ...(uses.length > 0 ? { uses } : {}) };
    },
    { step: "enabled", version: version.version, reason: why },
  );
  return { outcome: "enabled", message: `v${version.version} works again: ${why}` };
}

/** What somebody removed cannot be had back; it goes on to its end as it is. */
async function enableUnlessGone(session: Session, version: VersionRecord): Promise<boolean> {
  if (!version.issued) return true;
  try {
    await session.kind.enable(version.issued);
    return true;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    session.context.log.warn(`${session.secret}: v${version.version} is gone at its issuer: ${error.message}`);
    return false;
  }
}

/** Final. May be finished by any later run. */
async function destroy(
  session: Session,
  version: VersionRecord,
  options: RetirementOptions,
): Promise<RetirementOutcome> {
  const name = `v${version.version}`;
  if (version.state !== "retiring")
    await session.commit(
      (ledger) => {
        getVersion(ledger, version.version).state = "retiring";
      },
      {
        step: "retiring",
        version: version.version,
        reason: version.rejected ? "rejected" : "superseded by a confirmed version",
      },
    );
  const hasIssuer = session.kind.capabilities.issuer !== "none";
  if (version.proof === null) {
    const stillUsed = await revokeUnlessUsed(session, version, options);
    if (stillUsed !== undefined) return { outcome: "put-off", message: stillUsed };
    if (hasIssuer) await proveDead(session, version, "a log-in with it is refused");
  }
  for (const store of [...session.replicas, session.store]) await store.retire(refOf(version));
  // What only the stores know is dead when they do not have it any more.
  if (!hasIssuer && version.proof === null) await proveDead(session, version, "no store has it any more");
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = "retired";
      record.putOff = null;
      record.endedAt = session.now;
    },
    { step: "retired", version: version.version, reason: "revoked, proven dead and deleted from every store" },
  );
  return { outcome: "retired", message: `${name} is revoked, proven dead and deleted` };
}

/** A session that came in the last moment holds the end back, and any later run finishes it. */
async function revokeUnlessUsed(
  session: Session,
  version: VersionRecord,
  options: RetirementOptions,
): Promise<string | undefined> {
  if (!version.issued) return undefined;
  try {
    await session.kind.revoke(version.issued, { terminateSessions: endsSessions(version, options) });
    return undefined;
  } catch (error) {
    if (error instanceof StateError) return `v${version.version} cannot be revoked yet: ${error.message}`;
    throw error;
  }
}

/** The trail keeps the proof: a log-in with the real value that the issuer refused, or that there is no value any more. */
async function proveDead(session: Session, version: VersionRecord, how: string): Promise<void> {
  const verification = await verifyStored(session, version);
  if (verification.works)
    throw new RotationError(
      `${session.secret}: v${version.version} was revoked, but the issuer still accepts it. It stays "retiring" and is ` +
        `revoked again by the next run. Find out whether the issuer delays revocation.`,
    );
  await session.commit(
    (ledger) => {
      getVersion(ledger, version.version).proof = { at: session.now, detail: verification.detail };
    },
    {
      step: "revoked",
      version: version.version,
      reason: how,
      detail: { proof: verification.detail },
    },
  );
}

export function describeOutcomes(outcomes: readonly RetirementOutcome[]): string {
  return outcomes.map((outcome) => outcome.message).join("; ");
}
