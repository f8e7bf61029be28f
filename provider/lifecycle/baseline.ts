/**
 * What health is compared with: how it was before the rotation. Decides; asks nobody.
 *
 * A check that was unhealthy before excuses the new version only where that version cannot be the cause.
 */
import { isConfirmedOn } from "./confirmation";
import type { BaselineRecord, CheckBaseline, LedgerState, RolloutRecord } from "./ledger";

/** How a check is compared with what it said before any consumer was touched. */
export interface BaselinePlan {
  /** How often it is asked then, at least 1. */
  readonly samples: number;
  /** By how much its value may be worse than before. Absent: values are not compared. */
  readonly tolerance?: Tolerance;
  /** In which direction a value gets worse. */
  readonly worse: "higher" | "lower";
}

/** Where both are given, a value has to be beyond both to count as worse. At least one is. */
export interface Tolerance {
  /** A multiple, at least 1: with 1.5 a value that rises may be half as much again, one that falls two thirds. */
  readonly factor?: number | undefined;
  /** A difference, in the unit of the value, at least 0. */
  readonly absolute?: number | undefined;
}

/** What one answer of a check comes to. */
export interface Verdict {
  /** `as-before`: unhealthy, as it was before the rotation, and not worse. */
  readonly standing: "healthy" | "as-before" | "unhealthy";
  readonly detail: string;
}

type Answer = Readonly<{ healthy: boolean; detail: string; value?: number; blind?: boolean }>;

/** @param baseline what the check said before; absent: that does not matter. */
export function judgeAgainst(answer: Answer, plan?: BaselinePlan, baseline?: CheckBaseline): Verdict {
  const { healthy, detail } = answer;
  if (!plan || !baseline) return { standing: healthy ? "healthy" : "unhealthy", detail };
  const worse = complaint(answer, plan, baseline);
  if (worse !== undefined) return { standing: "unhealthy", detail: `${detail}; ${worse}` };
  if (healthy) return { standing: "healthy", detail };
  if (answer.blind) return { standing: "unhealthy", detail };
  return { standing: baseline.healthy ? "unhealthy" : "as-before", detail };
}

function complaint({ healthy, value }: Answer, plan: BaselinePlan, before: CheckBaseline): string | undefined {
  if (!plan.tolerance || before.value === undefined) return undefined;
  if (value === undefined)
    // What cannot be measured any more is not shown to be no worse.
    return healthy ? undefined : `before the rotation it measured ${describeNumber(before.value)}`;
  const limit = limitOf(before.value, plan.tolerance, plan.worse);
  if (plan.worse === "higher" ? value <= limit : value >= limit) return undefined;
  return (
    `worse than before the rotation: ${describeNumber(value)}, was ${describeNumber(before.value)}, ` +
    `${plan.worse === "higher" ? "at most" : "at least"} ${describeNumber(limit)} is tolerated`
  );
}

/** The last value that is not worse than before. */
export function limitOf(before: number, { factor, absolute }: Tolerance, worse: BaselinePlan["worse"]): number {
  const size = Math.abs(before);
  const margins = [
    ...(factor === undefined ? [] : [worse === "higher" ? size * (factor - 1) : size * (1 - 1 / factor)]),
    ...(absolute === undefined ? [] : [absolute]),
  ];
  const margin = Math.max(0, ...margins);
  return worse === "higher" ? before + margin : before - margin;
}

/** A number as people read it. */
export function describeNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/**
 * What some answers come to. One healthy answer is enough for healthy: what comes and goes is no excuse. The value is the median, so that one slow answer does not count.
 */
export function summarize(answers: readonly Omit<Answer, "detail">[]): CheckBaseline {
  const values = answers.flatMap(({ value }) => (value === undefined ? [] : [value])).sort((a, b) => a - b);
  const value = values[Math.floor((values.length - 1) / 2)];
  return { healthy: answers.some(({ healthy }) => healthy), ...(value === undefined ? {} : { value }) };
}

/**
 * For how long an unhealthy check at the end of a rollout shows that it was unhealthy before the next one as well, in
 * ms: as long as a weekly run needs to come by again after the longest wait before another attempt.
 */
export const EXCUSED_FOR_MS = 8 * 86_400_000;

/**
 * Where the new version comes from the point of view of a check:
 * - `before`: no consumer can use it yet, so that whatever is wrong now was wrong before
 * - `returned`: the consumers were on it before a rotation that failed; what is unhealthy on both is not its doing
 * - `maybe-used`: consumers read it by themselves, follow the engine, or have never been seen; they may be unhealthy
 *   because of it
 */
export type Situation = "before" | "returned" | "maybe-used";

/** Of all secrets of a rollout: what holds for the one that is the furthest. */
export function situationOf(ledgers: readonly LedgerState[], key: string): Situation {
  const all = ledgers.map((ledger) => situationIn(ledger, ledger.rollouts[key]));
  if (all.every((one) => one === "before")) return "before";
  return all.every((one) => one !== "maybe-used") ? "returned" : "maybe-used";
}

function situationIn({ active, rotation }: LedgerState, record: RolloutRecord | undefined): Situation {
  if (!record || active === null) return "maybe-used";
  // Rolled again on the version that it uses already, because its inputs have changed.
  if (isConfirmedOn(record, active)) return "before";
  if (record.pinned && !record.mayUse.includes(active) && !record.mayUse.includes("unknown")) return "before";
  return rotation !== null && rotation.version !== active ? "returned" : "maybe-used";
}

/**
 * @param asked what the checks say now
 * @param former what they said when the rollout last confirmed
 * @returns what the rollout is compared with. A check that has no place in it gets no excuse.
 */
export function baselineFrom(
  asked: Readonly<Record<string, CheckBaseline>>,
  situation: Situation,
  former: BaselineRecord | undefined,
  now: number,
): Record<string, CheckBaseline> {
  if (situation !== "maybe-used") return { ...asked };
  const isFresh = former !== undefined && now - former.at <= EXCUSED_FOR_MS;
  return Object.fromEntries(
    Object.entries(asked).flatMap(([name, seen]) => {
      const known = former?.checks[name];
      const decided = known?.healthy || isFresh ? beforeItWasUsed(seen, known) : beforeItWasUsed(seen, undefined);
      return decided ? [[name, decided] as const] : [];
    }),
  );
}

/** What is unhealthy now may be so because of the new version; only what was known before excuses it. */
function beforeItWasUsed(seen: CheckBaseline, known: CheckBaseline | undefined): CheckBaseline | undefined {
  if (!known) return seen.healthy ? seen : undefined;
  if (known.healthy) return known.value === undefined && seen.healthy ? seen : known;
  return seen.healthy ? seen : known;
}

/**
 * What an earlier run of the same rollout has recorded: before this version, or before anything that the rollout has not
 * confirmed yet.
 */
export function recordedBaseline(ledgers: readonly LedgerState[], key: string): BaselineRecord | undefined {
  const valid = ledgers.flatMap((ledger) => {
    const record = ledger.rollouts[key]?.baseline;
    return record && (record.before || record.version === ledger.active) ? [record] : [];
  });
  // The oldest is from before what the others are from before.
  return valid.sort((a, b) => a.at - b.at)[0];
}

/** The latest that is known of the time when the rollout last confirmed. */
export function formerHealth(ledgers: readonly LedgerState[], key: string): BaselineRecord | undefined {
  return ledgers.flatMap((ledger) => ledger.rollouts[key]?.confirmedHealth ?? []).sort((a, b) => b.at - a.at)[0];
}
