/**
 * Amazon CloudWatch in memory, behind its JSON protocol on the loopback interface: for tests that use the real client,
 * `@aws-sdk/client-cloudwatch`, of a version that speaks that protocol (3.1164 does; older ones spoke another).
 *
 * It has alarms with their states, samples of metrics and their statistics, a missing permission, and faults on purpose.
 * Its two operations are DescribeAlarms and GetMetricData with `MetricStat`; it evaluates no alarm itself.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Metrics, type MetricStat, type Sample } from "./metrics";

export type { Sample as CloudWatchSample } from "./metrics";

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html */
export type AlarmState = "OK" | "ALARM" | "INSUFFICIENT_DATA";
export type CloudWatchOperation = "DescribeAlarms" | "GetMetricData";

export interface CloudWatchFault {
  /** Absent: the call is only delayed, or never answered. */
  readonly code?: "ThrottlingException" | "InternalServiceFault" | "AccessDeniedException";
  readonly delayMs?: number;
  /** The call is never answered. */
  readonly hang?: boolean;
  /** How many calls it hits. @default 1 */
  readonly times?: number;
}

export interface CloudWatchEmulator {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  readonly calls: readonly { readonly operation: CloudWatchOperation; readonly request: object }[];
  /** @param composite a composite alarm, which is found only where it is asked for. */
  setAlarm(name: string, state: AlarmState, reason: string, composite?: boolean): void;
  put(sample: Sample): void;
  /** The status of what GetMetricData returns, such as "InternalError". */
  setStatusCode(code: "Complete" | "PartialData" | "InternalError"): void;
  /** The next calls go wrong. */
  fail(fault: CloudWatchFault): void;
  stop(): Promise<void>;
}

/** https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, and the target of the service in its model. */
const TARGET = "GraniteServiceVersion20100801.";

interface Request {
  readonly AlarmNames?: readonly string[];
  readonly AlarmTypes?: readonly string[];
  readonly StartTime?: number;
  readonly EndTime?: number;
  readonly MaxDatapoints?: number;
  readonly MetricDataQueries?: readonly { readonly Id: string; readonly MetricStat: MetricStat }[];
}

class Failure extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

export async function startCloudWatch(): Promise<CloudWatchEmulator> {
  const alarms = new Map<string, { state: AlarmState; reason: string; composite: boolean; at: number }>();
  const metrics = new Metrics();
  const calls: { operation: CloudWatchOperation; request: object }[] = [];
  const faults: { readonly fault: CloudWatchFault; left: number }[] = [];
  const timers = new Set<NodeJS.Timeout>();
  let statusCode = "Complete";

  const handlers: Record<CloudWatchOperation, (request: Request) => object> = {
    /** Without AlarmTypes only metric alarms: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
    DescribeAlarms: ({ AlarmNames = [...alarms.keys()], AlarmTypes = ["MetricAlarm"] }) => {
      const of = (wanted: boolean) =>
        AlarmNames.flatMap((name) => {
          const alarm = alarms.get(name);
          if (alarm?.composite !== wanted || !AlarmTypes.includes(wanted ? "CompositeAlarm" : "MetricAlarm")) return [];
          const { state, reason, at } = alarm;
          return [{ AlarmName: name, StateValue: state, StateReason: reason, StateUpdatedTimestamp: at / 1000 }];
        });
      return { MetricAlarms: of(false), CompositeAlarms: of(true) };
    },
    GetMetricData: ({ MetricDataQueries = [], StartTime = 0, EndTime = 0 }) => {
      if (!(StartTime < EndTime))
        throw new Failure("ValidationError", "The parameter StartTime must be less than the parameter EndTime.");
      return {
        MetricDataResults: MetricDataQueries.map(({ Id, MetricStat }) => ({
          Id,
          Label: MetricStat.Metric.MetricName,
          StatusCode: statusCode,
          ...(statusCode === "InternalError"
            ? { Timestamps: [], Values: [] }
            : metrics.points(MetricStat, StartTime, EndTime)),
        })),
        Messages: [],
      };
    },
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = "";
    request.setEncoding("utf8");
    for await (const part of request) body += part as string;
    const send = (status: number, message: object, error?: string) => {
      response.writeHead(status, {
        "content-type": "application/x-amz-json-1.0",
        // https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#awsquerycompatible-trait
        ...(error === undefined ? {} : { "x-amzn-query-error": `${error};Sender` }),
      });
      response.end(JSON.stringify(message));
    };
    try {
      const target = String(request.headers["x-amz-target"]);
      const operation = target.slice(TARGET.length) as CloudWatchOperation;
      if (!target.startsWith(TARGET) || !Object.hasOwn(handlers, operation))
        throw new Failure("UnknownOperationException", "");
      if (!/^AWS4-HMAC-SHA256 .*\/monitoring\/aws4_request/.test(request.headers.authorization ?? ""))
        throw new Failure("UnrecognizedClientException", "The security token included in the request is invalid.", 403);
      const asked = JSON.parse(body) as Request;
      calls.push({ operation, request: asked });
      const fault = take(faults);
      if (fault?.hang) return;
      if (fault?.delayMs !== undefined) await delayed(fault.delayMs, timers);
      if (fault?.code !== undefined) throw failureOf(fault.code, operation);
      send(200, handlers[operation](asked));
    } catch (error) {
      const { code, message, status } =
        error instanceof Failure ? error : new Failure("InternalServiceFault", String(error), 500);
      send(status, { __type: `com.amazonaws.cloudwatch#${code}`, message }, code);
    }
  };

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    setAlarm: (name, state, reason, composite = false) =>
      alarms.set(name, { state, reason, composite, at: Date.now() }),
    put: (sample) => metrics.put(sample),
    setStatusCode: (code) => (statusCode = code),
    fail: (fault) => faults.push({ fault, left: fault.times ?? 1 }),
    stop: async () => {
      for (const timer of timers) clearTimeout(timer);
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };
}

function take(faults: { readonly fault: CloudWatchFault; left: number }[]): CloudWatchFault | undefined {
  const armed = faults.find(({ left }) => left > 0);
  if (armed) armed.left -= 1;
  return armed?.fault;
}

async function delayed(ms: number, timers: Set<NodeJS.Timeout>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      resolve();
    }, ms);
    timers.add(timer);
  });
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html */
function failureOf(code: NonNullable<CloudWatchFault["code"]>, operation: CloudWatchOperation): Failure {
  switch (code) {
    case "ThrottlingException":
      return new Failure(code, "Rate exceeded");
    case "InternalServiceFault":
      return new Failure(code, "The request processing has failed because of an unknown error.", 500);
    case "AccessDeniedException":
      return new Failure(
        code,
        `User: arn:aws:iam::123456789012:user/test is not authorized to perform: cloudwatch:${operation} because no ` +
          `identity-based policy allows the cloudwatch:${operation} action`,
        403,
      );
  }
}
