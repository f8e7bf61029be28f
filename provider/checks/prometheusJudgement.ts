/** Whether series are as wanted. Of several the worst counts. */
import { describeNumber } from "../lifecycle/baseline";
import type { Series } from "./prometheusAnswer";

export interface WantedSeries {
  readonly below?: number | undefined;
  readonly above?: number | undefined;
  readonly equals?: number | undefined;
  readonly expectSeries?: number | { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  readonly missing?: "unhealthy" | "healthy" | undefined;
}

export interface Judgement {
  readonly healthy: boolean;
  readonly detail: string;
  /** That of the worst series; absent without a threshold, and where it is not a number. */
  readonly value?: number;
  /** There was nothing to be judged. */
  readonly isMissing: boolean;
}

export function judgeSeries(series: readonly Series[], wanted: WantedSeries): Judgement {
  const countComplaint = complaintAboutCount(series.length, wanted.expectSeries);
  if (countComplaint !== undefined) return { healthy: false, detail: countComplaint, isMissing: series.length === 0 };
  const worst = worstOf(series, (value) => badness(value, wanted));
  if (!worst) {
    const healthy = wanted.expectSeries !== undefined || wanted.missing === "healthy";
    return { healthy, detail: `no series${healthy ? ", as it may be" : ""}`, isMissing: true };
  }
  if (!hasThreshold(wanted)) return { healthy: true, detail: `${series.length} series, as expected`, isMissing: false };
  const { value } = worst;
  const healthy = Number.isFinite(value) && badness(value, wanted) < 0;
  const detail =
    `${worst.name === "" ? "the value" : worst.name} is ${describeExactly(value)}${healthy ? "" : `; expected ${describe(wanted)}`}` +
    (series.length > 1 ? ` (the worst of ${series.length} series)` : "");
  return { healthy, detail, isMissing: false, ...(Number.isFinite(value) ? { value } : {}) };
}

export function worstOf(series: readonly Series[], badnessOf: (value: number) => number): Series | undefined {
  return series.reduce<Series | undefined>(
    (worst, one) => (worst === undefined || badnessOf(one.value) > badnessOf(worst.value) ? one : worst),
    undefined,
  );
}

function hasThreshold({ below, above, equals }: WantedSeries): boolean {
  return below !== undefined || above !== undefined || equals !== undefined;
}

/** Below 0: as wanted. What is no number, or infinite, is no measurement and the worst. */
function badness(value: number, { below, above, equals }: WantedSeries): number {
  if (!Number.isFinite(value)) return Infinity;
  // Exactly at a threshold is not beyond it.
  const distances = [
    ...(below === undefined ? [] : [value - below]),
    ...(above === undefined ? [] : [above - value]),
    ...(equals === undefined ? [] : [value === equals ? -1 : Math.abs(value - equals)]),
  ];
  return distances.length === 0 ? -1 : Math.max(...distances);
}

function complaintAboutCount(count: number, expected: WantedSeries["expectSeries"]): string | undefined {
  if (expected === undefined) return undefined;
  const { min, max } = typeof expected === "number" ? { min: expected, max: expected } : expected;
  if (count >= (min ?? 0) && count <= (max ?? Infinity)) return undefined;
  const wanted =
    min === max
      ? String(min)
      : [min === undefined ? [] : `at least ${min}`, max === undefined ? [] : `at most ${max}`].flat().join(" and ");
  return `${count} series; expected ${wanted}`;
}

function describe({ below, above, equals }: WantedSeries): string {
  if (equals !== undefined) return describeExactly(equals);
  const bounds = [
    above === undefined ? [] : `above ${describeExactly(above)}`,
    below === undefined ? [] : `below ${describeExactly(below)}`,
  ];
  return bounds.flat().join(" and ");
}

function describeExactly(value: number): string {
  if (Number.isFinite(value)) return describeNumber(value);
  return Number.isNaN(value) ? "NaN, which is no measurement" : `${value > 0 ? "+" : "-"}Inf, which is no measurement`;
}
