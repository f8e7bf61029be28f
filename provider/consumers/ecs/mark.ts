/**
 * The mark of a forced deployment: a tag of the service. ECS itself keeps nothing that says for which version a
 * deployment was forced. Pure.
 */
import { createHash } from "node:crypto";
import type { RollTarget } from "../../contracts/consumer";
import { identifyTarget } from "../../net/target";

export interface Mark {
  /** Which versions it was forced for. */
  readonly target: string;
  /** The primary deployment before, or `none`. */
  readonly former: string;
  /**
   * When the last of its tasks was created, in ms since the epoch, once all were there. Who was created later read what
   * was current then, and which version that was nobody knows. Absent: not settled yet.
   */
  readonly settledAt?: number | undefined;
}

const NO_DEPLOYMENT = "none";

/** One key for each consumer, so that two rollouts that move one service do not take each other's. */
export function markKey(consumer: string, { secrets }: RollTarget): string {
  const names = secrets.map(({ secret }) => secret).sort();
  // What a tag's key may hold: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
  return `rotation:${consumer.replace(/[^\w.:/=+@-]/g, "_").slice(0, 60)}-${short(JSON.stringify([consumer, names]), 12)}`;
}

export function targetOf(target: RollTarget): string {
  return short(identifyTarget(target), 32);
}

export function newMark(target: RollTarget, former: string | undefined): Mark {
  return { target: targetOf(target), former: former ?? NO_DEPLOYMENT };
}

export function writeMark({ target, former, settledAt }: Mark): string {
  return [target, former, ...(settledAt === undefined ? [] : [settledAt])].join(" ");
}

export function readMark(value: string | undefined): Mark | undefined {
  const [, target, former, settledAt] = /^([0-9a-f]{32}) (\S+)(?: (\d+))?$/.exec(value ?? "") ?? [];
  if (target === undefined || former === undefined) return undefined;
  return { target, former, settledAt: settledAt === undefined ? undefined : Number(settledAt) };
}

function short(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
