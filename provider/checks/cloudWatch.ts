/** Asks CloudWatch for the state of an alarm, or for a metric that it compares with a threshold. */
import type * as Sdk from "@aws-sdk/client-cloudwatch";
import { z } from "zod";
import type { Health, HealthCheck } from "../contracts/check";
import type { AdapterContext } from "../contracts/context";
import { ConfigurationError, RotationError } from "../lifecycle/errors";
import { AwsCaller } from "../net/aws/caller";
import { actionNamed, type AwsUse } from "../net/aws/failures";
import { awsCallOptions, awsPlaceOptions, matching } from "../net/aws/options";
import { loadAwsPackage } from "../net/aws/sdk";
import { describeValue, duration, durationMs, strictOptions, text } from "../net/options";
import { redactorFor } from "../net/redact";
import { judgeMetric, nameOf, questionFor, type Metric } from "./cloudWatchMetric";
import { baselineIsAskedFor, canaryOption, commonCheckOptions, toleranceOption, toSchedule } from "./schedule";

const number = (what: string) =>
  z.number({ error: (issue) => `${what} must be a number; it is ${describeValue(issue.input)}` });

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html */
const STATISTIC =
  /^(SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|wm|tc|ts)\d{1,2}(\.\d{1,10})?|p100|(TM|WM|TC|TS|PR)\([^()]{1,40}\))$/;
/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html: shorter than a minute only these. */
const SHORT_PERIODS = new Set([1000, 5000, 10_000, 20_000, 30_000]);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const OF_METRIC = ["namespace", "metricName", "dimensions", "statistic", "period", "maxAge", "below", "above"] as const;

const isPeriod = (value: string) => {
  const ms = durationMs(value, "1m");
  return SHORT_PERIODS.has(ms) || ms % MINUTE === 0;
};

export const cloudWatchCheckOptions = strictOptions("a cloudWatch check", {
  type: z.literal("cloudWatch", { error: 'the type of a cloudWatch check must be "cloudWatch"' }),
  ...commonCheckOptions,
  ...canaryOption,
  /** Of a metric's value. Needs one of `below` and `above`, which says what is worse. */
  ...toleranceOption,
  /** The name of a metric alarm or a composite alarm. In place of a metric. */
  alarm: text("alarm", 255).optional(),
  /** Such as "AWS/ApplicationELB". */
  namespace: text("namespace", 255).optional(),
  metricName: text("metricName", 255).optional(),
  /** All dimensions that the metric has: CloudWatch takes each combination for a metric of its own. Default: none. */
  dimensions: z
    .record(z.string().min(1).max(255), z.string().min(1).max(1024), {
      error: (issue) => `dimensions must be an object of names and values; it is ${describeValue(issue.input)}`,
    })
    .refine((all) => Object.keys(all).length <= 30, { error: "dimensions must be 30 at most, which is AWS's limit" })
    .optional(),
  /** Such as "Sum", "Average" or "p99". */
  statistic: matching("statistic", STATISTIC, 'a statistic of CloudWatch such as "Sum", "Average" or "p99"').optional(),
  /** Default: "1m". */
  period: duration("period", 1000, DAY)
    .refine(isPeriod, { error: "period must be 1, 5, 10, 20 or 30 seconds, or whole minutes: CloudWatch has no other" })
    .optional(),
  /** How long ago the period may have ended whose value counts: data come late. Default: "5m". */
  maxAge: duration("maxAge", 0, DAY).optional(),
  /** Healthy is a value below it. */
  below: number("below").optional(),
  /** Healthy is a value above it. */
  above: number("above").optional(),
  /** What no data point means, or an alarm without enough data. Default: "unhealthy". */
  missing: z
    .enum(["unhealthy", "healthy"], {
      error: (issue) => `missing must be "unhealthy" or "healthy"; it is ${describeValue(issue.input)}`,
    })
    .optional(),
  ...awsPlaceOptions,
  maxAttempts: awsCallOptions.maxAttempts,
})
  .refine((options) => options.alarm === undefined || OF_METRIC.every((name) => options[name] === undefined), {
    path: ["alarm"],
    error: `alarm excludes ${OF_METRIC.join(", ")}: it has a metric and a threshold of its own`,
  })
  .refine(
    ({ alarm, namespace, metricName, statistic }) =>
      alarm !== undefined || [namespace, metricName, statistic].every((one) => one !== undefined),
    { path: ["alarm"], error: "a cloudWatch check needs either alarm, or namespace, metricName and statistic" },
  )
  .refine(({ alarm, below, above }) => alarm !== undefined || below !== undefined || above !== undefined, {
    path: ["below"],
    error: "a metric needs below or above: what is healthy",
  })
  .refine(({ below, above }) => below === undefined || above === undefined || above < below, {
    path: ["above"],
    error: "above must be less than below: healthy is what lies between them",
  })
  .refine(({ below, above, tolerance }) => !tolerance || (below === undefined) !== (above === undefined), {
    path: ["tolerance"],
    error: "tolerance needs either below or above, which says in which direction a value gets worse",
  })
  .refine(...baselineIsAskedFor);

export type CloudWatchCheckOptions = z.infer<typeof cloudWatchCheckOptions>;

interface Calls {
  readonly describeAlarms: readonly [Sdk.DescribeAlarmsCommandInput, Sdk.DescribeAlarmsCommandOutput];
  readonly getMetricData: readonly [Sdk.GetMetricDataCommandInput, Sdk.GetMetricDataCommandOutput];
}

type Call = <O extends keyof Calls>(operation: O, input: Calls[O][0]) => Promise<Calls[O][1]>;

export function createCloudWatchCheck(options: CloudWatchCheckOptions, context: AdapterContext): HealthCheck {
  const schedule = toSchedule(options, "0s", options.above === undefined ? "higher" : "lower");
  const metric = metricOf(options);
  const asked = options.alarm === undefined ? nameOf(metric) : `alarm "${options.alarm}"`;
  const name = options.name ?? `cloudWatch ${asked}`;
  // The signal of one question, which ends before the run does.
  let probing = context.signal;
  const caller = new AwsCaller<Sdk.CloudWatch, Calls>({
    adapter: "check cloudWatch",
    connection: { ...options, timeout: `${schedule.timeoutMs}ms` },
    use: useOf(name),
    context: {
      get signal() {
        return probing;
      },
    },
    connect: async (config) => {
      const { CloudWatch } = await loadAwsPackage<typeof Sdk>(
        "@aws-sdk/client-cloudwatch",
        "The check cloudWatch",
        () => import("@aws-sdk/client-cloudwatch"),
      );
      return new CloudWatch(config);
    },
  });
  const call: Call = (operation, input) => caller.call(operation, asked, input);
  return {
    name,
    schedule,
    canary: options.canary ?? false,
    isEvidence: false,
    async probe(target, signal) {
      probing = signal;
      const redact = redactorFor(target);
      try {
        const health = await (options.alarm === undefined
          ? askMetric(metric, call, context)
          : askAlarm(options.alarm, options, call));
        return { ...health, detail: redact(health.detail) };
      } catch (error) {
        if (error instanceof ConfigurationError) throw error;
        if (signal.aborted)
          return { healthy: false, blind: true, detail: `${asked}: stopped before CloudWatch answered` };
        // What cannot be asked says nothing about the consumers, and is no evidence that they are well.
        if (error instanceof RotationError) return { healthy: false, blind: true, detail: redact(error.message) };
        throw error;
      }
    },
    close: () => caller.close(),
  };
}

function metricOf(options: CloudWatchCheckOptions): Metric {
  const { namespace = "", metricName = "", dimensions = {}, statistic = "", below, above } = options;
  const periodMs = durationMs(options.period, "1m");
  const maxAgeMs = durationMs(options.maxAge, "5m");
  const missing = options.missing ?? "unhealthy";
  return { namespace, metricName, dimensions, statistic, below, above, missing, periodMs, maxAgeMs };
}

async function askMetric(metric: Metric, call: Call, { clock }: AdapterContext): Promise<Health> {
  const now = clock.now();
  return judgeMetric(metric, await call("getMetricData", questionFor(metric, now)), now);
}

const SHOWN_CHARACTERS = 300;

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarm-evaluation */
async function askAlarm(alarm: string, { missing }: CloudWatchCheckOptions, call: Call): Promise<Health> {
  const input: Sdk.DescribeAlarmsCommandInput = { AlarmNames: [alarm], AlarmTypes: ["MetricAlarm", "CompositeAlarm"] };
  const { MetricAlarms = [], CompositeAlarms = [] } = await call("describeAlarms", input);
  const found = [...MetricAlarms, ...CompositeAlarms].find(({ AlarmName }) => AlarmName === alarm);
  if (!found)
    throw new ConfigurationError(
      `CloudWatch has no alarm "${alarm}". Nothing was decided by it. Correct \`alarm\` or \`region\`, or make it.`,
    );
  const { StateValue: state, StateReason: reason = "", StateUpdatedTimestamp: since } = found;
  const words = reason.slice(0, SHOWN_CHARACTERS).replace(/\.$/, "");
  const detail =
    `alarm "${alarm}" is ${state ?? "in no state"}${since ? ` since ${since.toISOString()}` : ""}` +
    (words === "" ? "" : `: ${words}`);
  if (state === "OK") return { healthy: true, detail };
  if (state === "ALARM") return { healthy: false, detail };
  if (missing === "healthy") return { healthy: true, detail: `${detail}; that counts as healthy` };
  return { healthy: false, blind: true, detail };
}

function useOf(check: string): AwsUse {
  return {
    service: "Amazon CloudWatch",
    user: `check "${check}"`,
    place: check,
    resource: "alarm",
    asBefore: "Nothing was changed.",
    action: ({ operation }) => actionNamed("cloudwatch", operation),
    subject: ({ subject }) => subject,
    // CloudWatch knows no resources for either:
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/permissions-reference-cw.html
    permission: ({ operation }, { deniedAction }) => `${deniedAction ?? actionNamed("cloudwatch", operation)} on *`,
    refusal: () => undefined,
  };
}
