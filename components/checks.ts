import type { Descriptor, DurationText, SecretSource } from "./options";
import type { AwsConnection } from "./stores";

interface CommonCheckArgs {
  /** @default from what it asks */
  readonly name?: string;
  /** Between two probes. @default "1s" */
  readonly interval?: DurationText;
  /** The longest a probe may take. @default "5s" */
  readonly timeout?: DurationText;
  /** Unhealthy answers in a row that fail the rollout. @default 3 */
  readonly failureThreshold?: number;
  /** Healthy answers in a row that health takes. @default 1 */
  readonly successThreshold?: number;
  /** How long health must hold. 0s asks until the first healthy answer. @default "0s" */
  readonly bake?: DurationText;
  /** How long unhealthy answers do not count yet, because consumers are moving. @default "0s"; adoption, tls: "60s" */
  readonly within?: DurationText;
  /** Whether it is asked before any consumer is touched as well. @default false; sql: true */
  readonly canary?: boolean;
  /**
   * `compare`: it is asked before any consumer is touched. What was unhealthy then does not fail the rollout unless it
   * gets worse, and counts as nothing. Not for adoption, sql and tls. @default not compared
   */
  readonly baseline?: "compare";
  /** How often it is asked then. @default 3 */
  readonly baselineSamples?: number;
}

/** By how much a measured value may be worse than the baseline; where both are given, worse is what is beyond both. */
export interface ToleranceArgs {
  /** A multiple of it, at least 1. */
  readonly factor?: number;
  /** In the unit of the value. */
  readonly absolute?: number;
}

type NoBaseline = "baseline" | "baselineSamples";

/** Health checks. */
export const check = {
  /** Asks a URL. TLS is verified; redirects are not followed. */
  http: (
    options: CommonCheckArgs & {
      readonly url: string;
      readonly method?: string;
      /** @default 200 to 299 */
      readonly expectStatus?: number | number[];
      readonly expectBody?: string;
      readonly expectJson?: { readonly path: string; readonly equals: unknown };
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
      /** Of the time that a whole answer takes, in ms. Needs `baseline`. @default not compared */
      readonly tolerance?: ToleranceArgs;
    },
  ): Descriptor => ({ type: "http", ...options }),
  /** Connects to a port. */
  tcp: (
    options: CommonCheckArgs & {
      readonly host: string;
      readonly port: number;
      readonly tls?: boolean;
      readonly caFile?: string;
    },
  ): Descriptor => ({
    type: "tcp",
    ...options,
  }),
  /** Logs in to PostgreSQL AS the new version and asks a query. */
  sql: (
    options: Omit<CommonCheckArgs, NoBaseline> & {
      readonly query: string;
      readonly expectRows?: number | { readonly min: number };
      readonly expectValue?: string;
      /** The secret to log in with, where the rollout has several. */
      readonly secret?: string;
    },
  ): Descriptor => ({ type: "sql", ...options }),
  /** Asks a consumer by which version it is connected. Counts as evidence. */
  adoption: (
    options: Omit<CommonCheckArgs, NoBaseline> & {
      readonly url: string;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
    },
  ): Descriptor => ({ type: "adoption", ...options }),
  /** Asks every address behind a host name which certificate it serves. */
  tls: (
    options: Omit<CommonCheckArgs, "canary" | NoBaseline> & {
      readonly host: string;
      readonly port: number;
      /** What to ask in place of the addresses behind `host`. */
      readonly addresses?: string[];
      /** The name that the certificate has to be good for. @default `host` */
      readonly servername?: string;
      readonly caFile?: string;
      /** How long the certificate must still be valid. @default "0s" */
      readonly minRemaining?: DurationText;
      /** Of the certificate that has to be served. @default what the version's `issued.serialNumber` says, if anything */
      readonly serialNumber?: string;
      /** SHA-256 of the certificate that has to be served. */
      readonly fingerprint?: string;
      /** The secret whose `issued.serialNumber` has to be served, where several have one. */
      readonly secret?: string;
    },
  ): Descriptor => ({ type: "tls", ...options }),
  /** Asks Prometheus a query. Of several series the worst counts. */
  prometheus: (
    options: CommonCheckArgs & {
      /** The address before `/api/v1/query`. */
      readonly url: string;
      /** PromQL that gives an instant vector or a number. */
      readonly query: string;
      /** Healthy is a value below it. One of `below`, `above`, `equals` and `expectSeries` is needed. */
      readonly below?: number;
      /** Healthy is a value above it. */
      readonly above?: number;
      readonly equals?: number;
      /** How many series there have to be. */
      readonly expectSeries?: number | { readonly min?: number; readonly max?: number };
      /** What a query without any series means. @default "unhealthy" */
      readonly missing?: "unhealthy" | "healthy";
      /** How old the latest samples may be. @default as old as Prometheus looks back, by default 5 minutes */
      readonly maxAge?: DurationText;
      /** The selector whose samples must not be older. @default `query`, where that is a selector */
      readonly ageOf?: string;
      readonly headers?: Record<string, string | SecretSource>;
      readonly caFile?: string;
      /** Of the value, in its unit. Needs `baseline` and either `below` or `above`. @default not compared */
      readonly tolerance?: ToleranceArgs;
    },
  ): Descriptor => ({ type: "prometheus", ...options }),
  /** Asks Amazon CloudWatch for the state of an alarm, or for a metric that it compares with a threshold. */
  cloudWatch: (
    options: CommonCheckArgs &
      Omit<AwsConnection, "timeout"> & {
        /** The name of a metric alarm or a composite alarm. In place of a metric. */
        readonly alarm?: string;
        /** Such as "AWS/ApplicationELB". */
        readonly namespace?: string;
        readonly metricName?: string;
        /** All that the metric has. @default none */
        readonly dimensions?: Readonly<Record<string, string>>;
        /** Such as "Sum", "Average" or "p99". */
        readonly statistic?: string;
        /** @default "1m" */
        readonly period?: DurationText;
        /** How long ago the period may have ended whose value counts: data come late. @default "5m" */
        readonly maxAge?: DurationText;
        /** Healthy is a value below it. A metric needs `below` or `above`. */
        readonly below?: number;
        /** Healthy is a value above it. */
        readonly above?: number;
        /** What no data point means, or an alarm without enough data. @default "unhealthy" */
        readonly missing?: "unhealthy" | "healthy";
        /** Of a metric's value. Needs `baseline` and either `below` or `above`. @default not compared */
        readonly tolerance?: ToleranceArgs;
      },
  ): Descriptor => ({ type: "cloudWatch", ...options }),
  /** Runs a program without a shell; exit code 0 means healthy. */
  command: (
    options: CommonCheckArgs & {
      readonly command: string[];
      /** A value that is secret is named by its source. */
      readonly env?: Record<string, string | SecretSource>;
    },
  ): Descriptor => ({ type: "command", ...options }),
};
