/** A metric of CloudWatch: which periods are asked for, and what the latest complete one says. Pure. */
import type * as Sdk from "@aws-sdk/client-cloudwatch";
import type { Health } from "../contracts/check";
import { describeDuration } from "../lifecycle/duration";

export interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: string;
  readonly periodMs: number;
  /** How long ago the period may have ended. */
  readonly maxAgeMs: number;
  readonly below: number | undefined;
  readonly above: number | undefined;
  readonly missing: "healthy" | "unhealthy";
}

/** The one query that is asked. */
const ID = "asked";

/**
 * From the oldest period that is young enough to the end of the latest complete one.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
 */
export function questionFor(metric: Metric, now: number): Sdk.GetMetricDataCommandInput {
  const { namespace, metricName, dimensions, statistic, periodMs, maxAgeMs } = metric;
  const end = Math.floor(now / periodMs) * periodMs;
  const periods = Math.floor(maxAgeMs / periodMs) + 1;
  return {
    StartTime: new Date(end - periods * periodMs),
    EndTime: new Date(end),
    ScanBy: "TimestampDescending",
    MaxDatapoints: periods,
    MetricDataQueries: [
      {
        Id: ID,
        MetricStat: {
          Metric: {
            Namespace: namespace,
            MetricName: metricName,
            Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
          },
          Period: periodMs / 1000,
          Stat: statistic,
        },
      },
    ],
  };
}

/** `AWS/SQS ApproximateAgeOfOldestMessage (QueueName=orders)` */
export function nameOf({ namespace, metricName, dimensions }: Omit<Metric, "below" | "above">): string {
  const named = Object.entries(dimensions).map(([name, value]) => `${name}=${value}`);
  return `${namespace} ${metricName}${named.length > 0 ? ` (${named.join(", ")})` : ""}`;
}

export function judgeMetric(metric: Metric, answer: Sdk.GetMetricDataCommandOutput, now: number): Health {
  const name = nameOf(metric);
  const result = (answer.MetricDataResults ?? []).find(({ Id }) => Id === ID);
  const { StatusCode: status } = result ?? {};
  if (status === "InternalError" || status === "Forbidden")
    return { healthy: false, blind: true, detail: `${name}: CloudWatch could not read it (${status})` };
  const latest = latestOf(result, metric, now);
  if (!latest) return missingData(metric, name);
  const { value, from } = latest;
  const { statistic, periodMs, below, above } = metric;
  const measured = `${name}: ${statistic} is ${value} from ${timeOf(from)} to ${timeOf(from + periodMs)}`;
  const complaints = [
    ...(below !== undefined && !(value < below) ? [`not below ${below}`] : []),
    ...(above !== undefined && !(value > above) ? [`not above ${above}`] : []),
  ];
  const wanted = [
    ...(below === undefined ? [] : [`below ${below}`]),
    ...(above === undefined ? [] : [`above ${above}`]),
  ];
  const healthy = complaints.length === 0;
  return { healthy, detail: `${measured}, ${(healthy ? wanted : complaints).join(" and ")}`, value };
}

function missingData({ missing, periodMs, maxAgeMs }: Metric, name: string): Health {
  const detail =
    `${name}: no data point in the periods of ${describeDuration(periodMs)} that have ended in the last ` +
    describeDuration(Math.max(maxAgeMs, periodMs));
  return missing === "healthy"
    ? { healthy: true, detail: `${detail}, which counts as healthy` }
    : { healthy: false, blind: true, detail };
}

/** A point has the time at which its period begins. */
function latestOf(
  result: Sdk.MetricDataResult | undefined,
  { periodMs, maxAgeMs }: Metric,
  now: number,
): { readonly value: number; readonly from: number } | undefined {
  const { Timestamps = [], Values = [] } = result ?? {};
  return (
    Timestamps.map((time, index) => ({ from: time.getTime(), value: Values[index] ?? NaN }))
      .filter(({ from, value }) => Number.isFinite(value) && from + periodMs <= now)
      // The latest complete one counts also where it is longer than that.
      .filter(({ from }) => now - (from + periodMs) <= Math.max(maxAgeMs, now % periodMs))
      .sort((a, b) => b.from - a.from)[0]
  );
}

/** `2026-11-28 12:31:00 UTC` */
function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
