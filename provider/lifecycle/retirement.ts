/** Rule 7: the one predicate of retirement, for `delete()`, `update()` and `create()` alike. */
import { isConfirmed, unconfirmedUsers } from "./confirmation";
import { brokenActive, isInTheWay } from "./drift";
import { isUnfinished, type LedgerState, type MayUse, type ResidueRecord, type VersionRecord } from "./ledger";

export interface RetirementPolicy {
  /** How long a version stays valid after it stopped being active, in ms. */
  readonly graceMs: number;
  /** How long it stays disabled before it is destroyed, in ms; 0 destroys without disabling. */
  readonly soakMs: number;
  /** Whether the kind can disable; where it cannot there is no soak. */
  readonly canDisable: boolean;
  /** Whether the issuer's record shows since when nothing used a version. Absent: no. */
  readonly hasLastUsed?: boolean;
  /** Whether the issuer tells of log-ins that it refused. Absent: no. */
  readonly seesRefusals?: boolean;
  /** Evidence: nothing has used the version since then, in ms since the epoch. Absent: none. */
  readonly unusedSince?: number;
  /** Versions issued up to then are compromised: no grace, no soak, and their sessions end (rule 16). */
  readonly compromisedBefore: number | null;
  /** Versions issued up to then go before anybody has confirmed a successor (rule 16). Absent: none. */
  readonly revokeFirstBefore?: number | null;
}

/** Whether somebody asked to revoke it although it may be in use (rule 16). */
export function isRevokedFirst(version: VersionRecord, policy: Pick<RetirementPolicy, "revokeFirstBefore">): boolean {
  const { revokeFirstBefore: before = null } = policy;
  return before !== null && version.issuedAt !== null && version.issuedAt <= before;
}

export function isCompromised(version: VersionRecord, policy: Pick<RetirementPolicy, "compromisedBefore">): boolean {
  return policy.compromisedBefore !== null && (version.issuedAt ?? 0) <= policy.compromisedBefore;
}

export type HoldCode =
  | "active"
  | "active-broken"
  | "ended"
  | "rotation-unfinished"
  | "unconfirmed"
  | "may-be-used"
  | "residue"
  | "grace"
  | "soak"
  | "in-use";

export type RetirementVerdict =
  /** `disable` first, where there is a soak; `destroy` when that is over; `enable` when it must work again. */
  | { readonly step: "disable" | "destroy" | "enable" }
  | { readonly step: "hold"; readonly code: HoldCode; readonly message: string; readonly until?: number };

const hold = (code: HoldCode, message: string, until?: number): RetirementVerdict =>
  until === undefined ? { step: "hold", code, message } : { step: "hold", code, message, until };

const mayBeUsed = (sets: { mayUse: MayUse[] }, version: number): boolean =>
  sets.mayUse.includes(version) || sets.mayUse.includes("unknown");

/**
 * What may be done now to retire a version. Evidence of use and the labels of the stores are not part of it: they are
 * asked for just before the deed.
 */
export function decideRetirement(
  ledger: LedgerState,
  version: VersionRecord,
  policy: RetirementPolicy,
  now: number,
): RetirementVerdict {
  const name = `v${version.version}`;
  if (version.state === "retiring") return { step: "destroy" };
  if (version.version === ledger.active) return hold("active", `${name} is the active version`);
  const disabled = version.state === "disabled";
  if (!disabled && version.state !== "superseded" && version.state !== "rejected")
    return hold("ended", `${name} is ${version.state}`);

  if (isInTheWay(ledger, version)) return { step: "destroy" };
  if (isRevokedFirst(version, policy) && ledger.active !== null && !isUnfinished(ledger.rotation))
    return { step: "destroy" };
  const held = whoHolds(ledger, version, policy, now);
  // Somebody may need it after all, such as a rollout that has just registered: it must work for them.
  if (held) return disabled ? { step: "enable" } : held;

  const compromised = isCompromised(version, policy);
  const soakMs = policy.canDisable && !compromised ? policy.soakMs : 0;
  if (disabled && version.disabledAt === null) return { step: "disable" };
  if (disabled) {
    const until = (version.disabledAt ?? now) + soakMs;
    if (now < until) return hold("soak", `${name} is disabled and is watched until ${moment(until)}`, until);
    return { step: "destroy" };
  }
  const graceEnds = (version.leftAt ?? now) + (compromised ? 0 : policy.graceMs);
  if (now < graceEnds)
    return hold("grace", `the grace period of ${name} goes on until ${moment(graceEnds)}`, graceEnds);
  return { step: soakMs > 0 ? "disable" : "destroy" };
}

function moment(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Rule 4: nothing has used the version since it was left behind, for at least as long as grace and soak. */
function isShownUnused(
  residue: ResidueRecord,
  version: VersionRecord,
  { unusedSince, graceMs, soakMs }: RetirementPolicy,
  now: number,
): boolean {
  if (unusedSince === undefined || now < residue.leftAt + graceMs + soakMs) return false;
  return unusedSince <= Math.max(residue.leftAt, version.leftAt ?? 0);
}

function whoHolds(
  ledger: LedgerState,
  version: VersionRecord,
  policy: RetirementPolicy,
  now: number,
): RetirementVerdict | undefined {
  const name = `v${version.version}`;
  if (ledger.active === null) return hold("unconfirmed", "no version is active");
  if (isUnfinished(ledger.rotation))
    return hold("rotation-unfinished", `a rotation is ${ledger.rotation.phase} (v${ledger.rotation.version})`);
  const broken = brokenActive(ledger);
  if (broken !== undefined)
    return hold("active-broken", `v${ledger.active} does not work any more (${broken}), so ${name} may be needed`);
  if (version.rejected) {
    const users = Object.values(ledger.rollouts).filter((rollout) => mayBeUsed(rollout, version.version));
    if (users.length > 0)
      return hold(
        "may-be-used",
        `${name} may still be used by ${users.map((user) => `rollout ${user.name} of ${user.stack}`).join(", ")}`,
      );
    if (Object.keys(ledger.rollouts).length === 0 && !isConfirmed(ledger))
      return hold("unconfirmed", `nobody has confirmed v${ledger.active}`);
    if (ledger.confirmation === "required" && ledger.ownerUnconfirmed)
      return hold("unconfirmed", `no rollout of ${ledger.owner.stack} has confirmed any version yet`);
  } else if (!isConfirmed(ledger)) {
    const waiting = unconfirmedUsers(ledger)
      .map((user) => user.who)
      .join(", ");
    return hold("unconfirmed", `v${ledger.active} is not confirmed by: ${waiting}`);
  }
  const residues = Object.values(ledger.residues).filter(
    (residue) => mayBeUsed(residue, version.version) && !isShownUnused(residue, version, policy, now),
  );
  if (residues.length > 0)
    return hold(
      "residue",
      `${name} may still be used by what ${residues.map((r) => `rollout ${r.name} of ${r.stack}`).join(", ")} left ` +
        `behind; when it is gone, say: rotation release ${ledger.secret} --reason TEXT`,
    );
  return undefined;
}
