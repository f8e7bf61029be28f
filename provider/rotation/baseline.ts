/** How health was before the rotation: taken before any consumer is touched, kept in the ledger until all is confirmed. */
import type { HealthCheck } from "../contracts/check";
import type { RollTarget } from "../contracts/consumer";
import { baselineFrom, formerHealth, recordedBaseline, situationOf, type Situation } from "../lifecycle/baseline";
import type { BaselineRecord, CheckBaseline, LedgerState } from "../lifecycle/ledger";
import { hasBaseline, takeBaselines, type HealthReport, type SeenBefore } from "./health";
import type { Session } from "./session";

/** As it is recorded, whatever the version. */
export interface Baseline extends Omit<BaselineRecord, "version"> {
  /** For the audit trail: what each check said, in words. */
  readonly told: Readonly<Record<string, string>>;
}

interface Rollout {
  readonly key: string;
  readonly name: string;
  readonly checks: readonly HealthCheck[];
}

/**
 * What an earlier run of this rollout has recorded, or what the checks say now. `undefined`: no check has a baseline.
 * @throws RotationError from a check whose configuration is wrong.
 */
export async function baselineBefore(
  sessions: readonly Session[],
  { key, name, checks }: Rollout,
  target: RollTarget,
): Promise<Baseline | undefined> {
  const [first] = sessions;
  if (!first || !checks.some(hasBaseline)) return undefined;
  const { clock, signal, log } = first.context;
  const ledgers = sessions.map(({ ledger }) => ledger);
  const recorded = recordedBaseline(ledgers, key);
  if (recorded) {
    log.info(`${name}: health is compared with how it was at ${new Date(recorded.at).toISOString()}.`);
    return { at: recorded.at, before: recorded.before, checks: recorded.checks, told: {} };
  }
  const seen = await takeBaselines({ checks, target, clock, signal, log });
  const situation = situationOf(ledgers, key);
  const at = clock.now();
  const asked = Object.fromEntries(seen.filter(({ blind }) => !blind).map((one) => [one.name, baselineOf(one)]));
  const compared = baselineFrom(asked, situation, formerHealth(ledgers, key), at);
  for (const one of seen.filter(({ healthy }) => !healthy))
    log.warn(
      `${name}: check ${one.name} is unhealthy now (${one.lastDetail}). ${consequence(one, compared[one.name])}`,
    );
  return { at, before: situation === "before", checks: compared, told: tell(seen, situation, compared) };
}

function baselineOf({ healthy, value }: SeenBefore): CheckBaseline {
  return { healthy, ...(value === undefined ? {} : { value }) };
}

function consequence({ blind }: SeenBefore, compared: CheckBaseline | undefined): string {
  if (blind) return "It could not see how it is, so that it has to become healthy.";
  if (compared?.healthy === false)
    return "It was so before the rotation: that does not fail the rollout unless it gets worse, and counts as nothing.";
  return (
    "The version that is rolled out may be the reason, because consumers may be using it already, and nothing shows that " +
    "it was so before: it has to become healthy."
  );
}

const WHEN: Readonly<Record<Situation, string>> = {
  before: "before the rotation",
  returned: "on the version that is left",
  "maybe-used": "before consumers were rolled, which may use the version already",
};

function tell(
  seen: readonly SeenBefore[],
  situation: Situation,
  compared: Readonly<Record<string, CheckBaseline>>,
): Record<string, string> {
  const entries = seen.map((one) => {
    const isExcused = compared[one.name]?.healthy === false;
    const what = one.healthy
      ? "healthy"
      : isExcused
        ? "unhealthy"
        : one.blind
          ? "not seen"
          : "unhealthy, which is no excuse";
    const some = one.unhealthySamples === 0 ? "" : ` in ${one.unhealthySamples} of ${one.samples} answers`;
    return [one.name, `${WHEN[situation]} ${what}${some}: ${one.lastDetail}`] as const;
  });
  return Object.fromEntries(entries);
}

/** For the next rotation, where its version may be in use before the checks can be asked. */
export function keepHealth(
  ledger: LedgerState,
  { key, checks }: Rollout,
  health: readonly HealthReport[],
  now: number,
): void {
  const record = ledger.rollouts[key];
  const names = new Set(checks.filter(hasBaseline).map((check) => check.name));
  const said = health.filter((report) => names.has(report.name));
  if (!record || ledger.active === null || said.length === 0) return;
  record.confirmedHealth = {
    version: ledger.active,
    at: now,
    before: false,
    checks: Object.fromEntries(
      said.map(({ name, healthy, value }) => [name, { healthy, ...(value === undefined ? {} : { value }) }]),
    ),
  };
}

/** Said where a version is confirmed though its health shows nothing. */
export function nothingIsHealthy(health: readonly HealthReport[]): string | undefined {
  if (health.length === 0 || !health.every(({ unhealthyBefore }) => unhealthyBefore)) return undefined;
  const all =
    health.length === 1 ? "the only one is unhealthy, as it was" : `all ${health.length} are unhealthy, as they were`;
  return `no health check says that it is well: ${all} before the rotation`;
}
