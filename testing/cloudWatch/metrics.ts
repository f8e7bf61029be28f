/** Samples of metrics, and their statistics by period. */

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html */
export interface MetricStat {
  readonly Metric: {
    readonly Namespace: string;
    readonly MetricName: string;
    readonly Dimensions?: readonly { readonly Name: string; readonly Value: string }[];
  };
  /** In seconds. */
  readonly Period: number;
  readonly Stat: string;
}

export interface Sample {
  readonly namespace: string;
  readonly metricName: string;
  /** Default: none. Each combination is a metric of its own. */
  readonly dimensions?: Readonly<Record<string, string>>;
  /** In ms since the epoch. */
  readonly at: number;
  readonly value: number;
}

export interface Points {
  /** When each period begins, in seconds. The newest first. */
  readonly Timestamps: readonly number[];
  readonly Values: readonly number[];
}

export class Metrics {
  private readonly samples: Sample[] = [];

  put(sample: Sample): void {
    this.samples.push(sample);
  }

  /**
   * Periods without a sample have no point. The start is inclusive and the end exclusive:
   * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
   */
  points({ Metric, Period, Stat }: MetricStat, startSeconds: number, endSeconds: number): Points {
    const wanted = keyOf(
      Metric.Namespace,
      Metric.MetricName,
      (Metric.Dimensions ?? []).map(({ Name, Value }) => [Name, Value]),
    );
    const byPeriod = new Map<number, number[]>();
    for (const { namespace, metricName, dimensions = {}, at, value } of this.samples) {
      if (keyOf(namespace, metricName, Object.entries(dimensions)) !== wanted) continue;
      const from = Math.floor(at / 1000 / Period) * Period;
      if (from < startSeconds || from >= endSeconds) continue;
      byPeriod.set(from, [...(byPeriod.get(from) ?? []), value]);
    }
    const newestFirst = [...byPeriod].sort(([a], [b]) => b - a);
    return {
      Timestamps: newestFirst.map(([from]) => from),
      Values: newestFirst.map(([, values]) => statisticOf(Stat, values)),
    };
  }
}

function keyOf(namespace: string, metricName: string, dimensions: readonly (readonly string[])[]): string {
  return JSON.stringify([namespace, metricName, [...dimensions].sort()]);
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html */
function statisticOf(stat: string, values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const sum = values.reduce((all, value) => all + value, 0);
  const percentile = /^p(\d+(?:\.\d+)?)$/.exec(stat)?.[1];
  if (percentile !== undefined)
    return sorted[Math.max(0, Math.ceil((Number(percentile) / 100) * sorted.length) - 1)] ?? NaN;
  switch (stat) {
    case "SampleCount":
      return values.length;
    case "Sum":
      return sum;
    case "Average":
      return sum / values.length;
    case "Minimum":
      return sorted[0] ?? NaN;
    case "Maximum":
      return sorted.at(-1) ?? NaN;
    default:
      throw new Error(`The emulator does not know the statistic ${stat}.`);
  }
}
