/**
 * Drift: somebody changed or removed outside what the ledger knows as live. A version that does not work any more is
 * replaced; no former value is ever written back.
 */
import { isUnfinished, type LedgerState, type VersionRecord } from "./ledger";

/** Whether the version was found not to work any more. */
export function isBroken(ledger: LedgerState, version: number): boolean {
  return ledger.drift?.versions.includes(version) ?? false;
}

/** What is wrong with the active version; `undefined` while it works as far as is known. */
export function brokenActive(ledger: LedgerState): string | undefined {
  return ledger.active !== null && isBroken(ledger, ledger.active) ? ledger.drift?.detail : undefined;
}

/** The version to go back to when the active one is broken. A disabled one can be enabled. */
export function repairTarget(ledger: LedgerState): VersionRecord | undefined {
  const usable = ledger.versions.filter(
    (record) =>
      record.version !== ledger.active &&
      (record.state === "superseded" || (record.state === "disabled" && !record.rejected)) &&
      record.proof === null &&
      !isBroken(ledger, record.version),
  );
  return usable.find((record) => record.state === "superseded") ?? usable[0];
}

/**
 * The issuer does not have it any more, and nobody has anything better: it only stands in the way of a version that
 * works. That a log-in with it fails is not enough: consumers elsewhere may still be let in.
 */
export function isInTheWay(ledger: LedgerState, version: VersionRecord): boolean {
  const isGone = ledger.drift?.gone.includes(version.version) ?? false;
  return isGone && brokenActive(ledger) !== undefined && !isUnfinished(ledger.rotation);
}

/** What a refresh found, kept in the Pulumi state until the next run has seen to it. */
export interface Finding {
  /** `drift`: the active version does not work. `repair`: something beside it has to be put right. */
  readonly kind: "drift" | "repair";
  readonly detail: string;
}

const MARK = / \((drift|repair): (.*)\)$/s;

/** @param text the output `rotation` */
export function withFinding(text: string, finding: Finding | undefined): string {
  const plain = text.replace(MARK, "");
  return finding ? `${plain} (${finding.kind}: ${finding.detail})` : plain;
}

export function findingIn(text: unknown): Finding | undefined {
  const [, kind, detail] = MARK.exec(typeof text === "string" ? text : "") ?? [];
  return kind === undefined ? undefined : { kind: kind as Finding["kind"], detail: detail ?? "" };
}
