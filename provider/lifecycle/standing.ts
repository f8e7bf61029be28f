/** Where a secret stands, in a sentence for the person whose run was interrupted. Pure. */
import { isConfirmed } from "./confirmation";
import { getVersion, isUnfinished, unretired, type LedgerState } from "./ledger";

export function whereItStands(ledger: LedgerState | null): string {
  if (ledger === null) return "nothing exists of it yet.";
  const { rotation, active } = ledger;
  if (ledger.status === "tearing-down") return "its teardown has begun and is not finished.";
  if (ledger.status !== "live") return `it is ${ledger.status}.`;
  const current = active === null ? "no version is active yet" : `v${active} is active`;
  return `${[current, ...others(ledger), ...(isUnfinished(rotation) ? [stoppedAt(ledger)] : [])].join("; ")}.`;
}

function stoppedAt(ledger: LedgerState): string {
  const { rotation, active } = ledger;
  if (!isUnfinished(rotation)) return "";
  if (rotation.phase === "returning")
    return `the return to v${rotation.returnTo} is not finished, and both versions work`;
  const version = getVersion(ledger, rotation.version);
  const reached = version.issuedAt === null ? "not issued yet" : "issued, and nobody has got it";
  return `the rotation to v${rotation.version} stopped ${rotation.phase}: ${active === rotation.version ? "it is active" : `it is ${reached}`}`;
}

function others(ledger: LedgerState): string[] {
  const beside = unretired(ledger).map((record) => `v${record.version} is ${record.state}`);
  return [
    ...beside,
    ...(ledger.active !== null && !isConfirmed(ledger) ? [`v${ledger.active} is not confirmed yet`] : []),
  ];
}
