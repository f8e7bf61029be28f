/** Looks whether the live versions still are what the ledger says. */
import { isDeepStrictEqual } from "node:util";
import { RotationError } from "../lifecycle/errors";
import { brokenActive, isBroken, type Finding } from "../lifecycle/drift";
import { activeVersion, isUnfinished, unretired, type LedgerState, type VersionRecord } from "../lifecycle/ledger";
import type { Parts, Session } from "./session";
import { verifyStored } from "./verify";

/**
 * Logs in with the active version, and where that fails with what there is beside it, and records what is found. Asked
 * before another version is retired, and before anything is handed out.
 */
export async function noteDrift(session: Session): Promise<void> {
  const { ledger } = session;
  const active = activeVersion(ledger);
  // What was revoked on purpose (revoke-first) is no drift.
  if (!active || active.proof !== null || isUnfinished(ledger.rotation)) return;
  const seen = await verifyStored(session, active);
  if (seen.works) {
    if (ledger.drift !== null && isBroken(ledger, active.version)) await forgetDrift(session, active.version);
    return;
  }
  const beside = unretired(ledger).filter(({ state }) => state === "superseded" || state === "disabled");
  const gone = await goneAtIssuer(session, [active, ...beside]);
  const broken = [active.version];
  for (const version of beside)
    // A disabled version cannot log in anyway. Whether it could shows when it is enabled.
    if (
      gone.includes(version.version) ||
      (version.state === "superseded" && !(await verifyStored(session, version)).works)
    )
      broken.push(version.version);
  const known = ledger.drift;
  if (known?.detail === seen.detail && isDeepStrictEqual([known.versions, known.gone], [broken, gone])) return;
  await session.commit(
    (next) => {
      next.drift = { versions: broken, gone, detail: seen.detail, at: session.now };
    },
    {
      step: "drift-found",
      version: active.version,
      result: "failed",
      reason: seen.detail,
      detail: { broken: listed(broken), gone: listed(gone) },
    },
  );
}

/** An adopted credential carries no mark of ours, so the issuer does not tell of it. */
async function goneAtIssuer(session: Session, versions: readonly VersionRecord[]): Promise<number[]> {
  const there = new Set((await session.kind.inspect(session.ledger.identity)).map((found) => found.rotationId));
  return versions
    .filter(({ rotationId, adopted }) => !adopted && !there.has(rotationId))
    .map((record) => record.version);
}

function listed(versions: readonly number[]): string {
  return versions.map((version) => `v${version}`).join(", ") || "none";
}

async function forgetDrift(session: Session, version: number): Promise<void> {
  await session.commit(
    (next) => {
      next.drift = null;
    },
    { step: "drift-over", version, reason: "a log-in with it works again" },
  );
}

/** @returns the error with which a run ends that could not replace a broken version by itself. */
export function driftError(session: Session): RotationError | undefined {
  const broken = brokenActive(session.ledger);
  if (broken === undefined) return undefined;
  return new RotationError(
    `${session.secret}: v${session.ledger.active} does not work any more: ${broken}. It was changed or removed outside. ` +
      `Nothing was retired. Run pulumi up again: it replaces the version.`,
  );
}

/**
 * For a refresh: only looks, and changes nothing.
 * @returns what the next run has to see to, and what is only to be known.
 * @throws UnreachableError where it cannot be told.
 */
export async function findDrift(
  parts: Parts,
  ledger: LedgerState,
): Promise<{ readonly finding?: Finding; readonly notes: readonly string[] }> {
  const active = activeVersion(ledger);
  if (!active || active.proof !== null || ledger.status !== "live" || isUnfinished(ledger.rotation))
    return { notes: [] };
  const seen = await verifyStored(parts, active);
  if (!seen.works) return { finding: { kind: "drift", detail: seen.detail }, notes: [] };
  const wrong: string[] = [];
  for (const store of [parts.store, ...parts.replicas]) {
    const { current } = await store.load();
    if (current?.token !== active.rotationId)
      wrong.push(`"current" points to ${current ? `v${current.version}` : "nothing"} in ${store.location}`);
  }
  const finding: Finding | undefined = wrong.length > 0 ? { kind: "repair", detail: wrong.join("; ") } : undefined;
  return { ...(finding ? { finding } : {}), notes: await brokenPredecessors(parts, ledger) };
}

/** Nothing is to be repaired there: it is on its way out, and cannot be returned to any more. */
async function brokenPredecessors(parts: Parts, ledger: LedgerState): Promise<string[]> {
  const notes: string[] = [];
  for (const version of unretired(ledger)) {
    if (version.state !== "superseded" || isBroken(ledger, version.version)) continue;
    const { works, detail } = await verifyStored(parts, version);
    if (!works)
      notes.push(
        `v${version.version}, which is superseded, does not work any more: ${detail}. There is no return to it`,
      );
  }
  return notes;
}
