/**
 * Retirement: disable, watch, destroy, prove dead. Whether it may happen is rule 7, asked on a fresh ledger; what it
 * must look at just before the deed is here: who uses the version, and where the label of "current" is (rule 8).
 */
import type { UsageReport } from "../contracts/kind";
import { NotFoundError, RotationError, StateError } from "../lifecycle/errors";
import { getVersion, refOf, unretired, type VersionRecord } from "../lifecycle/ledger";
import { decideRetirement, isCompromised, type RetirementPolicy } from "../lifecycle/retirement";
import { verifyStored } from "./verify";
import type { Session } from "./session";

export interface RetirementOptions extends RetirementPolicy {
  /** Whether the version must be seen not to be in use; "no evidence to be had" then counts as in use. */
  readonly requireUnused: boolean;
  /** Whether sessions that still use it are ended. */
  readonly terminateSessions: boolean;
}

/** Sessions of a compromised version end, asked or not. */
function endsSessions(version: VersionRecord, options: RetirementOptions): boolean {
  return options.terminateSessions || isCompromised(version, options);
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
  const verdict = decideRetirement(session.ledger, version, options, session.now);
  switch (verdict.step) {
    case "hold":
      return putOff(session, version, verdict.code, verdict.message);
    case "enable":
      return enable(session, version, "somebody may need it after all");
    case "disable":
      return (await whatHoldsItBack(session, version, options)) ?? disable(session, version);
    case "destroy": {
      const held = version.state === "retiring" ? undefined : await whatHoldsItBack(session, version, options);
      return held ?? destroy(session, version, options);
    }
  }
}

async function putOff(
  session: Session,
  version: VersionRecord,
  code: string,
  message: string,
): Promise<RetirementOutcome> {
  const said = getVersion(session.ledger, version.version).putOff;
  // The same reason again is no news: runs would fill the trail, as the time left changes in its text.
  if (said?.code !== code && version.version !== session.ledger.active && version.endedAt === null)
    await session.commit(
      (ledger) => {
        getVersion(ledger, version.version).putOff = { at: session.now, code, message };
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
  // Ending sessions is asked for, so their being there is no reason to wait.
  if (endsSessions(version, options) || !version.issued) return undefined;
  const usage = await session.kind.usage(version.issued);
  if (usage.verdict === "used") return putOff(session, version, "in-use", inUse(version, usage));
  if (usage.verdict === "unknown" && options.requireUnused)
    return putOff(
      session,
      version,
      "in-use",
      `v${version.version}: the issuer cannot tell who uses it, and retirement.requireUnused asks for evidence`,
    );
  return undefined;
}

function inUse(version: VersionRecord, usage: UsageReport): string {
  const shown = usage.uses.slice(0, 5).map((use) => use.by);
  const more = usage.uses.length > shown.length ? ` and ${usage.uses.length - shown.length} more` : "";
  return `v${version.version} is still used by ${shown.join("; ")}${more}`;
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
  await assertWorks(session, getVersion(ledger, ledger.active));
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

/** Rule 17: what readers of "current" are to get is logged in with; a ledger from a backup may name what is long dead. */
async function assertWorks(session: Session, version: VersionRecord): Promise<void> {
  const verification = await verifyStored(session, version);
  if (verification.works) return;
  throw new StateError(
    `${session.secret}: "current" should be v${version.version}, which the ledger calls active, but that does not work: ` +
      `${verification.detail}. Nothing was changed. If the store was restored from a backup, or v${version.version} was ` +
      `changed outside, say: rotation adopt ${session.secret} --reason TEXT`,
  );
}

async function disable(session: Session, version: VersionRecord): Promise<RetirementOutcome> {
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = "disabled";
      record.disabledAt = session.now;
    },
    { step: "disabling", version: version.version, reason: "its grace period is over" },
  );
  await disableUnlessGone(session, version);
  await session.commit(() => undefined, {
    step: "disabled",
    version: version.version,
    reason: "reversible until the soak time is over",
  });
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

/** Makes a disabled version work again. */
export async function enable(session: Session, version: VersionRecord, why: string): Promise<RetirementOutcome> {
  if (!(await enableUnlessGone(session, version)))
    return { outcome: "put-off", message: `v${version.version} cannot work again: it is gone at its issuer` };
  await session.commit(
    (ledger) => {
      const record = getVersion(ledger, version.version);
      record.state = record.rejected ? "rejected" : "superseded";
      record.disabledAt = null;
      record.leftAt = session.now;
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
  if (version.proof === null) {
    const stillUsed = await revokeUnlessUsed(session, version, options);
    if (stillUsed !== undefined) return { outcome: "put-off", message: stillUsed };
    await proveDead(session, version);
  }
  for (const store of [...session.replicas, session.store]) await store.retire(refOf(version));
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

/** The trail keeps the proof: a log-in with the real value that the issuer refused. */
async function proveDead(session: Session, version: VersionRecord): Promise<void> {
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
      reason: "a log-in with it is refused",
      detail: { proof: verification.detail },
    },
  );
}

export function describeOutcomes(outcomes: readonly RetirementOutcome[]): string {
  return outcomes.map((outcome) => outcome.message).join("; ");
}
