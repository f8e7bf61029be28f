/** Who may be using which version, and whether everybody demonstrably uses the active one (rules 1 to 4). */
import { activeVersion, type LedgerState, type MayUse, type RolloutRecord } from "./ledger";

/** A rollout's name in the ledger: unique for a stack. */
export function rolloutKey(stack: string, name: string): string {
  return `${stack}::${name}`;
}

/** Rule 1: confirmed means that the set is exactly {active}. */
export function isConfirmedOn(rollout: RolloutRecord, active: number): boolean {
  return rollout.mayUse.length === 1 && rollout.mayUse[0] === active;
}

export interface Unconfirmed {
  readonly who: string;
  readonly mayUse: readonly MayUse[];
}

/** Everybody who has yet to confirm the active version; empty when it is confirmed. */
export function unconfirmedUsers(ledger: LedgerState): Unconfirmed[] {
  const active = ledger.active;
  if (active === null) return [{ who: "no version is active yet", mayUse: [] }];
  const waiting: Unconfirmed[] = Object.values(ledger.rollouts)
    .filter((rollout) => !isConfirmedOn(rollout, active))
    .map((rollout) => ({ who: `rollout ${rollout.name} of ${rollout.stack}`, mayUse: rollout.mayUse }));
  if (ledger.confirmation === "none") return waiting;
  // Rule 3: the owning stack counts as a user until one of its rollouts has confirmed.
  if (ledger.confirmation === "required" && ledger.ownerUnconfirmed)
    waiting.push({
      who: `the stack ${ledger.owner.stack} itself (none of its rollouts has confirmed)`,
      mayUse: ["unknown"],
    });
  else if (Object.keys(ledger.rollouts).length === 0)
    waiting.push({ who: "no rollout is registered, so nobody can confirm", mayUse: ["unknown"] });
  return waiting;
}

export function isConfirmed(ledger: LedgerState): boolean {
  return unconfirmedUsers(ledger).length === 0;
}

/** The end of a rotation, once everybody has confirmed: it answers events, and forgets failures. */
export function settleIfConfirmed(ledger: LedgerState): void {
  const active = activeVersion(ledger);
  if (!active || !isConfirmed(ledger)) return;
  ledger.confirmedIssueAt = Math.max(ledger.confirmedIssueAt ?? 0, active.issuedAt ?? 0);
  if (ledger.rotation?.phase !== "confirming") return;
  // A confirmed return is the end of a failed rotation, not a success: the next attempt still waits.
  if (ledger.rotation.version === active.version) ledger.failures = null;
  ledger.rotation = { ...ledger.rotation, phase: "done" };
}

/** Whether nobody can be reading the store any more that the secret has left. */
export function mayEmptyFormerStore(ledger: LedgerState, graceMs: number, now: number): boolean {
  const { movedFrom } = ledger;
  if (!movedFrom || !isConfirmed(ledger) || now < movedFrom.at + graceMs) return false;
  return !Object.values(ledger.residues).some(
    (residue) => residue.leftAt <= movedFrom.at || residue.mayUse.includes("unknown"),
  );
}

/** Whether it is the owning stack that has yet to confirm; another stack's delay is no failed attempt (rule 15). */
export function ownerHasYetToConfirm(ledger: LedgerState): boolean {
  const active = ledger.active;
  if (active === null || ledger.confirmation !== "required") {
    return active !== null && ownRollouts(ledger).some((rollout) => !isConfirmedOn(rollout, active));
  }
  return ledger.ownerUnconfirmed || ownRollouts(ledger).some((rollout) => !isConfirmedOn(rollout, active));
}

export function hasOwnRollout(ledger: LedgerState): boolean {
  return ownRollouts(ledger).length > 0;
}

function ownRollouts(ledger: LedgerState): RolloutRecord[] {
  return Object.values(ledger.rollouts).filter((rollout) => rollout.stack === ledger.owner.stack);
}

/** Rule 1: from the moment a version becomes current, everybody who is not pinned may be using it. */
export function addToReaders(ledger: LedgerState, version: number): void {
  // Consumers of a rollout that left may go on running, and go on reading.
  for (const holder of [...Object.values(ledger.rollouts), ...Object.values(ledger.residues)])
    if (!holder.pinned) addMayUse(holder, version);
}

export function addMayUse(holder: { mayUse: MayUse[] }, version: MayUse): void {
  if (!holder.mayUse.includes(version)) holder.mayUse = [...holder.mayUse, version];
}
