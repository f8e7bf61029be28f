/** What `rotation release` may take out of a ledger: the exit of rule 4 for users that are gone. Pure. */
import { settleIfConfirmed } from "./confirmation";
import { NotFoundError, StateError } from "./errors";
import type { LedgerState, MayUse, ResidueRecord, RolloutRecord } from "./ledger";

export interface Release {
  readonly key: string;
  /** A `rollout` is still registered; a `residue` is what one left behind. */
  readonly what: "residue" | "rollout";
  readonly record: RolloutRecord | ResidueRecord;
}

export interface ReleaseRequest {
  /** Key or name of one residue or rollout; absent: every residue. */
  readonly rollout?: string;
  /** Keys of the rollouts in the owning stack's Pulumi state. */
  readonly inState: ReadonlySet<string>;
}

/**
 * @returns what to release, at least one.
 * @throws NotFoundError when nothing fits, StateError when what fits may not be released.
 */
export function chooseReleases(ledger: LedgerState, request: ReleaseRequest): Release[] {
  const residues = Object.entries(ledger.residues).map(([key, record]): Release => ({ key, what: "residue", record }));
  const rollouts = Object.entries(ledger.rollouts).map(([key, record]): Release => ({ key, what: "rollout", record }));
  const { rollout: wanted, inState } = request;
  // A registered rollout may be alive, so it is only released where it is named.
  if (wanted === undefined) {
    if (residues.length > 0) return residues;
    throw new NotFoundError(
      `${ledger.secret}: no rollout has left anything behind. Nothing was changed. ${listed(rollouts, "Registered are")}` +
        (rollouts.length > 0 ? "; one whose stack is gone without destroy is released with --rollout." : ""),
    );
  }
  const all = [...residues, ...rollouts];
  const byKey = all.filter(({ key }) => key === wanted);
  const fitting = byKey.length > 0 ? byKey : all.filter(({ record }) => record.name === wanted);
  if (fitting.length > 1)
    throw new StateError(
      `${ledger.secret}: more than one rollout is named ${wanted}. Nothing was changed. Say which: ` +
        `${fitting.map(({ key }) => `--rollout ${key}`).join(", or ")}.`,
    );
  const [chosen] = fitting;
  if (!chosen)
    throw new NotFoundError(
      `${ledger.secret}: the ledger knows no rollout ${wanted}. Nothing was changed. ${listed(all, "There are")}.`,
    );
  refuseWhatIsAlive(ledger, chosen, inState);
  return [chosen];
}

function listed(releases: readonly Release[], intro: string): string {
  if (releases.length === 0) return "No rollout is registered.";
  return `${intro}: ${releases.map(({ key, what }) => `${key} (${what})`).join(", ")}`;
}

/** What the stack still has would register again with its next run, and may be using a version now. */
function refuseWhatIsAlive(ledger: LedgerState, { key, what, record }: Release, inState: ReadonlySet<string>): void {
  if (what !== "rollout" || !inState.has(key)) return;
  throw new StateError(
    `${ledger.secret}: rollout ${record.name} is still in the state of ${record.stack}, so it may be using ` +
      `${describeMayUse(record.mayUse)}. Nothing was changed. Take it out of the program and run pulumi up; what it ` +
      `leaves behind can then be released.`,
  );
}

/** Takes them out. A version that only waited for them counts as confirmed then (rules 1, 11 and 16). */
export function releaseFrom(ledger: LedgerState, releases: readonly Release[]): void {
  for (const { key, what } of releases)
    Reflect.deleteProperty(what === "residue" ? ledger.residues : ledger.rollouts, key);
  settleIfConfirmed(ledger);
}

export function describeMayUse(mayUse: readonly MayUse[]): string {
  return mayUse.map((use) => (use === "unknown" ? "any version" : `v${use}`)).join(", ");
}
