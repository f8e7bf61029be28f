/**
 * What the next step for a secret is, from the ledger, the entry in the Pulumi state, the clock and what is due.
 * Pure: `check()`, `diff()`, `create()` and `update()` all ask it, each with a fresh ledger.
 */
import { overdue } from "./alarm";
import {
  hasOwnRollout,
  isConfirmed,
  mayEmptyFormerStore,
  ownerHasYetToConfirm,
  unconfirmedUsers,
} from "./confirmation";
import { brokenActive, repairTarget, type Finding } from "./drift";
import { describeDuration } from "./duration";
import { activeVersion, isUnfinished, returnTarget, unretired, type LedgerState, type VersionRecord } from "./ledger";
import { describeReason, type Reason } from "./reason";
import { decideRetirement, isRevokedFirst, type RetirementPolicy } from "./retirement";
import type { VersionRef } from "./values";

/** The version and incarnation that a resource entry in the Pulumi state names (rule 18). */
export interface Entry {
  readonly version: number;
  readonly incarnation: number;
  /** The promotion epoch of the reference that dependents took (rule 5). */
  readonly epoch: number;
}

export interface Situation {
  readonly ledger: LedgerState | null;
  /** `null` where the engine has no entry, or does not tell. */
  readonly entry: Entry | null;
  /** Rule 13: the engine replaces though nothing said so. */
  readonly forced: boolean;
  /** Why a new version is wanted; `null` when none is. */
  readonly due: Reason | null;
  readonly policy: RetirementPolicy;
  /** What a refresh has found since the last run; absent: nothing. */
  readonly finding?: Finding | undefined;
  /** What is to be written down of events; absent: nothing. */
  readonly incidents?: readonly string[];
  /** The version that wears the label of "current"; absent: not looked at. */
  readonly current?: VersionRef | null;
  /** After how many runs, or ms, an unconfirmed version is given up. */
  readonly unconfirmed: { readonly attempts: number; readonly withinMs: number };
  readonly now: number;
}

export type Decision =
  /** The engine has to replace its entry; `text` is what preview shows. */
  | { readonly action: "first" | "finish-teardown" | "resume" | "hand-out"; readonly text: string }
  | { readonly action: "return"; readonly text: string; readonly to: number }
  | { readonly action: "rotate"; readonly text: string; readonly reason: Reason }
  /** There is work on the entry as it is. */
  | { readonly action: "update"; readonly why: readonly string[]; readonly waiting?: string }
  | { readonly action: "same"; readonly waiting?: string };

export const REPLACING: readonly Decision["action"][] = [
  "first",
  "finish-teardown",
  "resume",
  "hand-out",
  "return",
  "rotate",
];

export function isReplacing(decision: Decision): decision is Extract<Decision, { text: string }> {
  return REPLACING.includes(decision.action);
}

export function decide(situation: Situation): Decision {
  const { ledger, entry, forced, due } = situation;
  if (ledger === null || ledger.status === "torn-down")
    return { action: "first", text: `v${(ledger?.counters.version ?? 0) + 1}: first version` };
  // Rule 20: an `up` that finds a half-done teardown finishes it, then creates.
  if (ledger.status === "tearing-down")
    return {
      action: "finish-teardown",
      text: `v${ledger.counters.version + 1}: first version after a teardown is finished`,
    };
  // Rule 11: an unfinished rotation goes on, due or not.
  if (isUnfinished(ledger.rotation))
    return {
      action: "resume",
      text: `v${ledger.rotation.returnTo ?? ledger.rotation.version}: resumes the rotation that stopped ${ledger.rotation.phase} (${describeReason(ledger.rotation.reason)})`,
    };
  const active = activeVersion(ledger);
  if (active === null) return { action: "first", text: `v${ledger.counters.version + 1}: first version` };
  // An adopted credential is only the predecessor of the first version of ours.
  if (active.adopted && unretired(ledger).length === 0)
    return rotateTo(ledger, { code: "adoption", message: "succeeds the adopted credential" });
  // Rule 16: asked for in words, so it waits for nobody's confirmation.
  if (due !== null && isRevokedFirst(active, situation.policy)) {
    const { text, ...rotate } = rotateTo(ledger, due);
    return { ...rotate, text: `${text}; revokes v${active.version} before anybody has confirmed its successor` };
  }
  const broken = brokenActive(ledger) ?? (situation.finding?.kind === "drift" ? situation.finding.detail : undefined);
  if (broken !== undefined) return repair(situation, ledger, active, broken);
  if (entry === null && !forced) return handOut(ledger, active, "adopts the version that the ledger names");
  if (entry !== null && (entry.version !== active.version || entry.incarnation !== ledger.counters.incarnation))
    return handOut(ledger, active, whyHandOut(ledger, entry));

  const confirmed = isConfirmed(ledger);
  const target = returnTarget(ledger);
  const givenUp = confirmed ? undefined : whyGivenUp(situation, ledger);
  if (givenUp && target)
    return {
      action: "return",
      to: target.version,
      text: `v${target.version}: return from v${active.version}, ${givenUp}`,
    };

  let waiting: string | undefined;
  const wanted: Reason | null = forced ? { code: "on-demand", message: "the replacement was forced" } : due;
  if (wanted !== null) {
    waiting = whyRotationWaits(situation, ledger, confirmed);
    if (waiting === undefined) return rotateTo(ledger, wanted);
    if (forced) return handOut(ledger, active, `a forced rotation has to wait: ${waiting}`);
    waiting = `a rotation is due (${describeReason(wanted)}) and waits: ${waiting}`;
  }
  const why = workOnEntry(situation, ledger);
  const rest = waiting === undefined ? {} : { waiting };
  return why.length > 0 ? { action: "update", why, ...rest } : { action: "same", ...rest };
}

/** The active version does not work any more. A version that consumers know, and that does, comes before a new one. */
function repair(situation: Situation, ledger: LedgerState, active: VersionRecord, broken: string): Decision {
  const target = repairTarget(ledger);
  if (target)
    return {
      action: "return",
      to: target.version,
      text: `v${target.version}: return from v${active.version}, which does not work any more: ${shorten(broken)}`,
    };
  const held = unretired(ledger).flatMap((version) => {
    const verdict = verdictOn(situation, ledger, version);
    return verdict.step === "hold" ? [verdict.message] : [];
  });
  if (held.length > 0)
    return {
      action: "update",
      why: [`v${active.version} does not work any more: ${broken}`],
      waiting: held.join("; "),
    };
  return rotateTo(ledger, { code: "drift", message: `v${active.version} does not work any more: ${shorten(broken)}` });
}

function rotateTo(ledger: LedgerState, reason: Reason): Extract<Decision, { action: "rotate" }> {
  return { action: "rotate", reason, text: `v${ledger.counters.version + 1}: ${describeReason(reason)}` };
}

function handOut(ledger: LedgerState, active: VersionRecord, why: string): Decision {
  return { action: "hand-out", text: `v${active.version}: ${why} (epoch ${ledger.counters.epoch})` };
}

function whyHandOut(ledger: LedgerState, entry: Entry): string {
  const held = ledger.versions.find((record) => record.version === entry.version);
  if (held?.rejected)
    return `handed out again, v${entry.version} was rejected${ledger.failures ? ` (${shorten(ledger.failures.message)})` : ""}`;
  return `handed out again, the stack still names v${entry.version}`;
}

/** This goes into the state; the whole text is in the trail. */
function shorten(message: string): string {
  return message.length > 100 ? `${message.slice(0, 99)}…` : message;
}

/** Why the active version, not confirmed by the owning stack, is given up; `undefined` while it is not. */
function whyGivenUp(situation: Situation, ledger: LedgerState): string | undefined {
  const rotation = ledger.rotation;
  // Rule 15: a rollout of another stack that has not run yet is no failed attempt.
  // Nor is one that registers after everybody had confirmed.
  if (rotation?.phase !== "confirming" || rotation.promotedAt === null || !ownerHasYetToConfirm(ledger))
    return undefined;
  const { attempts, withinMs } = situation.unconfirmed;
  if (rotation.attempts >= attempts) return `unconfirmed after ${rotation.attempts} runs`;
  const age = situation.now - rotation.promotedAt;
  if (age >= withinMs) return `unconfirmed for ${describeDuration(age)}`;
  return undefined;
}

/** Rule 12: the active version is confirmed, and every other one is retired or may be retired at once. */
function whyRotationWaits(situation: Situation, ledger: LedgerState, confirmed: boolean): string | undefined {
  if (!confirmed)
    return unconfirmedUsers(ledger)
      .map((user) => `not confirmed by ${user.who}`)
      .join("; ");
  for (const version of unretired(ledger)) {
    const verdict = verdictOn(situation, ledger, version);
    if (verdict.step === "hold") return verdict.message;
    if (verdict.step === "disable") return `v${version.version} has to be disabled and watched first`;
    if (verdict.step === "enable") return `v${version.version} has to be enabled again`;
  }
  return undefined;
}

/** Rule 9: what `update()` could do now. */
function workOnEntry(situation: Situation, ledger: LedgerState): string[] {
  const why: string[] = [];
  for (const version of unretired(ledger)) {
    const verdict = verdictOn(situation, ledger, version);
    if (verdict.step !== "hold") why.push(`${verdict.step} v${version.version}`);
    else if (verdict.code === "soak" && situation.policy.seesRefusals)
      why.push(`see whether anybody misses v${version.version}`);
    else if (verdict.code === "residue" && mayGoByEvidence(situation, ledger, version))
      why.push(`see whether v${version.version} is still used`);
  }
  if (situation.current !== undefined && situation.current?.token !== activeVersion(ledger)?.rotationId)
    why.push(`"current" points to ${situation.current ? `v${situation.current.version}` : "nothing"}`);
  why.push(...(situation.incidents ?? []));
  if (situation.finding?.kind === "repair") why.push(situation.finding.detail);
  if (situation.entry !== null && situation.entry.epoch !== ledger.counters.epoch)
    why.push("hand out the reference again, evidence contradicted the engine");
  if (mayEmptyFormerStore(ledger, situation.policy.graceMs, situation.now))
    why.push("remove the copies in the former store");
  if (ledger.inspectDue) why.push("look for credentials that should be dead");
  if (!hasOwnRollout(ledger))
    for (const { version } of overdue(ledger, situation.now)) why.push(`alarm over v${version}`);
  if (wasLeftByKilledRun(ledger, situation.now)) why.push("record what a run that was killed could not");
  // Runs without confirmation are counted by update(), which no preview calls (rule 15).
  if (ledger.rotation?.phase === "confirming" && returnTarget(ledger) && ownerHasYetToConfirm(ledger))
    why.push(`v${ledger.active} is not confirmed yet`);
  return why;
}

/** Whether nothing but a residue holds the version, and the issuer can show whether it is used. */
function mayGoByEvidence(situation: Situation, ledger: LedgerState, version: VersionRecord): boolean {
  const { policy, now } = situation;
  return (
    policy.hasLastUsed === true && decideRetirement(ledger, version, { ...policy, unusedSince: 0 }, now).step !== "hold"
  );
}

/** A session gives its lease back, and by then the trail has its events. One that may still live is left alone. */
function wasLeftByKilledRun({ lease, outbox }: LedgerState, now: number): boolean {
  return lease === null ? outbox.length > 0 : lease.expiresAt <= now;
}

function verdictOn(situation: Situation, ledger: LedgerState, version: VersionRecord) {
  return decideRetirement(ledger, version, situation.policy, situation.now);
}
