/**
 * Evidence of use and of non-use, asked for just before a retirement goes a step further. What is held back is told
 * with who still uses it.
 */
import type { UsageReport, Use } from "../contracts/kind";
import { decideRetirement, isCompromised, type RetirementVerdict } from "../lifecycle/retirement";
import { refOf, type VersionRecord } from "../lifecycle/ledger";
import type { RetirementOptions } from "./retire";
import type { Session } from "./session";

/** Why a version may not go yet. */
export interface Held {
  readonly message: string;
  readonly uses: readonly Use[];
}

/** How many users a message names, and the ledger keeps. */
const NAMED_USES = 5;
const KEPT_USES = 20;

/** Sessions of a compromised version end, asked or not. */
export function endsSessions(version: VersionRecord, options: RetirementOptions): boolean {
  return options.terminateSessions || isCompromised(version, options);
}

/** Rule 7, on the ledger; and rule 4, where the issuer's own record can show that nothing uses what was left behind. */
export async function verdictOn(
  session: Session,
  version: VersionRecord,
  options: RetirementOptions,
): Promise<RetirementVerdict> {
  const verdict = decideRetirement(session.ledger, version, options, session.now);
  if (verdict.step !== "hold" || verdict.code !== "residue" || !options.hasLastUsed || !version.issued) return verdict;
  const usage = await session.kind.usage(version.issued);
  if (usage.verdict !== "unused" || usage.since === undefined) return verdict;
  return decideRetirement(session.ledger, version, { ...options, unusedSince: usage.since }, session.now);
}

/** Who uses the version now, by the issuer and by the stores that can tell; or why that cannot be told. */
export async function heldByUse(
  session: Session,
  version: VersionRecord,
  options: RetirementOptions,
): Promise<Held | undefined> {
  // Ending sessions is asked for, so their being there is no reason to wait.
  if (endsSessions(version, options)) return undefined;
  const reports = await usageOf(session, version);
  const used = reports.filter((report) => report.verdict === "used");
  if (used.length > 0)
    return inUse(
      version,
      used.flatMap((report) => report.uses),
    );
  const unknown = reports.find((report) => report.verdict === "unknown");
  if (unknown === undefined || !options.requireUnused) return undefined;
  const why = unknown.detail ?? "the issuer cannot tell who uses it";
  return { message: `v${version.version}: ${why}, and retirement.requireUnused asks for evidence`, uses: [] };
}

async function usageOf(session: Session, version: VersionRecord): Promise<UsageReport[]> {
  const stores = [session.store, ...session.replicas];
  const asked = [
    ...(version.issued ? [session.kind.usage(version.issued)] : []),
    ...stores.flatMap((store) => store.usage?.(refOf(version)) ?? []),
  ];
  return Promise.all(asked);
}

/** Who missed the version while it was disabled. `missed`: it has to work again. `unknown`: no evidence is to be had. */
export async function missedBy(
  session: Session,
  version: VersionRecord,
): Promise<({ readonly verdict: "missed" | "unknown" } & Held) | undefined> {
  const { kind } = session;
  if (version.state !== "disabled" || version.disabledAt === null || !version.issued) return undefined;
  if (!kind.capabilities.seesRefusals || !kind.refusals) return undefined;
  const { verdict, uses, detail } = await kind.refusals(version.issued, version.disabledAt);
  const name = `v${version.version}`;
  if (verdict === "refused")
    return {
      verdict: "missed",
      message: `${name} was missed while it was disabled: ${listed(uses)}`,
      uses: kept(uses),
    };
  if (verdict === "none") return undefined;
  return {
    verdict: "unknown",
    message: `${name} is disabled, and whether somebody misses it cannot be told: ${detail ?? "the issuer does not say"}`,
    uses: [],
  };
}

function inUse(version: VersionRecord, uses: readonly Use[]): Held {
  const principal = uses.find((use) => use.principal !== undefined)?.principal;
  const name = `v${version.version}${principal === undefined ? "" : ` (${principal})`}`;
  return { message: `${name} is still used by ${listed(uses)}`, uses: kept(uses) };
}

function listed(uses: readonly Use[]): string {
  const shown = uses.slice(0, NAMED_USES).map((use) => use.by);
  return `${shown.join("; ")}${uses.length > shown.length ? ` and ${uses.length - shown.length} more` : ""}`;
}

function kept(uses: readonly Use[]): readonly Use[] {
  return uses.slice(0, KEPT_USES);
}
